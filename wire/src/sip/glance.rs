//! A request as it lies in its datagram: checked as [`Message::parse`](super::message::Message::parse) checks it, and nothing of it
//! owned. For what is answered without being remembered, when there is much of it.

use super::{
    checks::Checks,
    header::{MaxForwards, NameAddr, ViaParts},
    headers::split_list,
    limits::{BODY_MAX, HEADER_FIELDS_MAX, LINE_MAX},
    lines::Lines,
    message::{HeaderName, Method},
    params,
    parse::find_head_end,
    text::{cut, has_control, is_token, trim},
    uri_scan::Parts,
};

/// Fields that a response repeats of most requests: Via, From, To, Call-ID, CSeq, and routes.
const REPEATED_USUAL: usize = 8;

/// An INVITE outside any session in which nothing is out of the ordinary.
pub(super) struct Glance<'a> {
    /// The topmost Via.
    pub(super) via: ViaParts<'a>,
    pub(super) to_tag: Option<&'a str>,
    /// What a response repeats (RFC 3261 section 8.2.6.2; Record-Route: section 12.1.1), in the order it came.
    pub(super) repeated: Vec<(HeaderName, &'a str)>,
}

impl<'a> Glance<'a> {
    /// `None` when the whole parser must say what it is: anything that isn't right, and what is right but rare (folded lines, text
    /// that isn't UTF-8, several Vias in one line, `Require`, `Replaces`, a `Max-Forwards` that has run out, another scheme than SIP's).
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(find_head_end(bytes, 0)?)?;
        let mut lines = Lines {
            rest: std::str::from_utf8(head).ok()?,
        };
        check_request_line(whole_line(&mut lines)?)?;
        let mut checks = Checks::default();
        let mut repeated = Vec::with_capacity(REPEATED_USUAL);
        for _ in 0..=HEADER_FIELDS_MAX {
            let line = whole_line(&mut lines)?;
            if line.is_empty() {
                return Self::end(&checks, repeated, body.len());
            }
            let (name, value) = cut(line, b':')?;
            let (name, value) = (name.trim_end_matches([' ', '\t']), trim(value));
            if has_control(value) {
                return None;
            }
            let Some(name) = HeaderName::read_known(name) else {
                if is_token(name) {
                    continue;
                }
                return None;
            };
            checks.field(Some(&Method::Invite), &name, value).ok()?;
            if is_rare(&name, value) {
                return None;
            }
            if is_repeated(&name) {
                repeated.push((name, value));
            }
        }
        None
    }

    fn end(checks: &Checks, repeated: Vec<(HeaderName, &'a str)>, body_len: usize) -> Option<Self> {
        checks.all_present().ok()?;
        let length = checks.content_length.unwrap_or(body_len);
        if length > body_len.min(BODY_MAX) {
            return None;
        }
        let first = |wanted: &HeaderName| {
            let mut fields = repeated.iter();
            fields
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| *value)
        };
        let to = NameAddr::params_in(first(&HeaderName::To)?)?;
        let to_tag = match params::find(to, "tag") {
            Some(None) => return None,
            tag => tag.flatten(),
        };
        Some(Self {
            via: ViaParts::scan(first(&HeaderName::Via)?).ok()?,
            to_tag,
            repeated,
        })
    }
}

/// What says for which answer of ours an ACK is, whatever else stands in it: its topmost Via, and the tag in its To.
pub(super) fn acknowledged(bytes: &[u8]) -> Option<(ViaParts<'_>, &str)> {
    let mut lines = Lines {
        rest: std::str::from_utf8(bytes).ok()?,
    };
    whole_line(&mut lines)?;
    let mut via = None;
    for _ in 0..=HEADER_FIELDS_MAX {
        let (name, value) = cut(whole_line(&mut lines)?, b':')?;
        match HeaderName::read_known(trim(name)) {
            Some(HeaderName::Via) if via.is_none() => via = Some(trim(value)),
            Some(HeaderName::To) => {
                let tag = NameAddr::tag_in(trim(value))?;
                return Some((ViaParts::scan(via?).ok()?, tag));
            }
            _ => {}
        }
    }
    None
}

/// The next line, unless it is too long, ends without CR, or goes on in the line after.
fn whole_line<'a>(lines: &mut Lines<'a>) -> Option<&'a str> {
    let line = lines.next()?;
    let goes_on = lines.rest.starts_with([' ', '\t']);
    (!line.bare && !goes_on && line.text.len() <= LINE_MAX).then_some(line.text)
}

fn check_request_line(line: &str) -> Option<()> {
    let (method, rest) = cut(line, b' ')?;
    let (uri, version) = rest.rsplit_once(' ')?;
    let parts = Parts::scan(uri).ok()?;
    let usual = method == Method::Invite.as_str() && version == "SIP/2.0";
    (usual && !parts.has_headers() && !parts.is_foreign()).then_some(())
}

/// What has a meaning of its own for the answer.
fn is_rare(name: &HeaderName, value: &str) -> bool {
    match name {
        HeaderName::Require | HeaderName::Replaces => true,
        HeaderName::MaxForwards => MaxForwards::parse(value) == Ok(MaxForwards(0)),
        HeaderName::Via => split_list(value).nth(1).is_some(),
        _ => false,
    }
}

const fn is_repeated(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::RecordRoute
    )
}
