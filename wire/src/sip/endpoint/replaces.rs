//! INVITE with Replaces (RFC 3891): which session it is to take the place of.

use super::{Endpoint, border::SessionId, ident, session::Phase};
use crate::sip::message::{HeaderName, Headers, StatusCode};

/// The option tag (RFC 3891 section 6.1).
pub(crate) const OPTION_TAG: &str = "replaces";

/// What a Replaces field names.
struct Named<'a> {
    call_id: &'a str,
    to_tag: &'a str,
    from_tag: &'a str,
    early_only: bool,
}

impl<'a> Named<'a> {
    /// Reads one value (RFC 3891 section 6.1).
    fn parse(value: &'a str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|call_id| !call_id.is_empty())?;
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = name.trim().to_ascii_lowercase();
            let taken = match name.as_str() {
                "to-tag" => to_tag.replace(value.trim()).is_some(),
                "from-tag" => from_tag.replace(value.trim()).is_some(),
                "early-only" => std::mem::replace(&mut early_only, true),
                _ => false,
            };
            if taken {
                return None;
            }
        }
        Some(Self {
            call_id,
            to_tag: to_tag?,
            from_tag: from_tag?,
            early_only,
        })
    }
}

impl Endpoint {
    /// What a Replaces field sent to the other side names this session by; `None` when it isn't up.
    pub fn named(&self, id: SessionId) -> Option<String> {
        let session = self.sessions.get(&id)?;
        let dialog = session.dialog.as_ref()?;
        let (theirs, ours) = (dialog.remote_tag(), ident::text(session.tag));
        let call_id = session.call_id.as_str();
        Some(format!("{call_id};to-tag={theirs};from-tag={ours}"))
    }

    /// The session that an INVITE is to replace; the status that refuses it (RFC 3891 section 3).
    pub(crate) fn replaced_by(&self, headers: &Headers) -> Result<Option<SessionId>, StatusCode> {
        let mut values = headers.get_all(&HeaderName::Replaces);
        let Some(value) = values.next().filter(|_| self.config.transfers) else {
            return Ok(None);
        };
        let named = Named::parse(value)
            .filter(|_| values.next().is_none())
            .ok_or(StatusCode::BAD_REQUEST)?;
        let id = ident::read(named.to_tag).and_then(|tag| self.by_tag.get(&tag));
        let found = id.and_then(|id| Some((*id, self.sessions.get(id)?)));
        let (id, session) = found.ok_or(StatusCode::CALL_DOES_NOT_EXIST)?;
        let theirs = session
            .dialog
            .as_ref()
            .is_some_and(|dialog| dialog.remote_tag() == named.from_tag);
        if session.call_id.as_str() != named.call_id || !theirs {
            return Err(StatusCode::CALL_DOES_NOT_EXIST);
        }
        match session.phase {
            Phase::Up { .. } if named.early_only => Err(StatusCode::BUSY_HERE),
            Phase::Up { .. } => Ok(Some(id)),
            Phase::EndingAfterAck { .. } | Phase::Ending => Err(StatusCode::DECLINE),
            // An early dialog that the peer began can't be replaced; those that we began aren't looked for.
            _ => Err(StatusCode::CALL_DOES_NOT_EXIST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Named;

    #[test]
    fn a_replaces_names_a_call_and_two_tags() {
        let named = Named::parse("425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only")
            .expect("as in RFC 3891");
        assert_eq!(
            (named.call_id, named.to_tag, named.from_tag),
            ("425928@bobster.example.org", "7743", "6472")
        );
        assert!(named.early_only);
        for bad in [
            "",
            "x",
            ";to-tag=a;from-tag=b",
            "x;to-tag=a",
            "x;to-tag=a;to-tag=b;from-tag=c",
        ] {
            assert!(Named::parse(bad).is_none(), "{bad}");
        }
    }
}
