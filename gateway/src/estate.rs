//! What a switch leaves to the program that takes its place: promises to call back, registered phones, agents in wrap-up.
//!
//! It goes from process to process in memory ([`transport::letter`]), with telephone numbers in it, and nowhere else. A new program may
//! be a newer one: the form has a version, and what can't be read whole is not taken at all. Spans, not moments: the two may
//! not agree on what time it is. Queues, users and agents are named as the scenario names them, which may be another by then.

use std::{net::SocketAddr, time::Duration};

use callcore::{
    journal::{origin_of, origin_text},
    origin::Origin,
    personal::{CallerNumber, E164, Personal},
    time::Span,
};
use serde::{Deserialize, Serialize};
use wire::sip::header::NameAddr;

use crate::registrar::Path;

/// Goes up with every change of the form that another program would misread.
const VERSION: u32 = 1;

/// Entries of a kind: half of the calls that a switch can have.
const ENTRIES_MAX: usize = 100_000;

/// Everything that is left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Estate {
    /// In the order in which they are to be called.
    pub(crate) callbacks: Vec<KeptCallback>,
    pub(crate) phones: Vec<KeptPhone>,
    pub(crate) writing: Vec<Writing>,
}

/// A caller who was promised to be called back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeptCallback {
    pub(crate) queue: Box<str>,
    pub(crate) origin: Origin,
    pub(crate) number: CallerNumber,
    /// Who brought the call.
    pub(crate) peer: SocketAddr,
    pub(crate) trusted: bool,
    pub(crate) private: bool,
    pub(crate) asserted: bool,
    pub(crate) waited: Span,
    pub(crate) tried: u8,
    pub(crate) rests: Span,
    pub(crate) recordable: bool,
}

/// A phone that is registered, and reached by UDP: of other ways the connection is gone with the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptPhone {
    pub(crate) user: Box<str>,
    pub(crate) contact: NameAddr,
    pub(crate) call_id: Box<str>,
    pub(crate) cseq: u32,
    pub(crate) peer: SocketAddr,
    /// The address of ours at which it registered; `None`: the program that left it had only one.
    pub(crate) at: Option<SocketAddr>,
    pub(crate) path: Path,
    pub(crate) left: Duration,
}

/// An agent in wrap-up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Writing {
    pub(crate) queue: Box<str>,
    /// The address or the user.
    pub(crate) agent: Box<str>,
    pub(crate) left: Span,
}

/// Why nothing is taken over. Nothing of what was left is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EstateError {
    #[error("it is of form {0}, and this program reads form {VERSION}")]
    Version(u32),
    #[error("it can't be read")]
    Unreadable,
    #[error("over {ENTRIES_MAX} entries")]
    TooMany,
    #[error("one of its {0} makes no sense")]
    Entry(&'static str),
}

/// Read before the rest: another form may have anything after it.
#[derive(Deserialize)]
struct Form {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u32,
    callbacks: Vec<RawCallback>,
    phones: Vec<RawPhone>,
    writing: Vec<RawWriting>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCallback {
    queue: Box<str>,
    origin: String,
    number: String,
    peer: SocketAddr,
    trusted: bool,
    private: bool,
    asserted: bool,
    waited_us: u64,
    tried: u8,
    rests_us: u64,
    recordable: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhone {
    user: Box<str>,
    contact: String,
    call_id: Box<str>,
    cseq: u32,
    peer: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    path: Box<str>,
    left_us: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWriting {
    queue: Box<str>,
    agent: Box<str>,
    left_us: u64,
}

impl Estate {
    pub(crate) fn read(text: &[u8]) -> Result<Self, EstateError> {
        let unreadable = |_| EstateError::Unreadable;
        let Form { version } = serde_json::from_slice(text).map_err(unreadable)?;
        if version != VERSION {
            return Err(EstateError::Version(version));
        }
        let raw: Raw = serde_json::from_slice(text).map_err(unreadable)?;
        let longest = raw.callbacks.len().max(raw.phones.len());
        if longest.max(raw.writing.len()) > ENTRIES_MAX {
            return Err(EstateError::TooMany);
        }
        let (callbacks, phones) = (raw.callbacks.into_iter(), raw.phones.into_iter());
        let callbacks: Option<Vec<_>> = callbacks.map(RawCallback::read).collect();
        let phones: Option<Vec<_>> = phones.map(RawPhone::read).collect();
        let writing: Option<Vec<_>> = raw.writing.into_iter().map(RawWriting::read).collect();
        Ok(Self {
            callbacks: callbacks.ok_or(EstateError::Entry("callbacks"))?,
            phones: phones.ok_or(EstateError::Entry("phones"))?,
            writing: writing.ok_or(EstateError::Entry("agents"))?,
        })
    }

    /// As it is read again. What is over the limit is left out, and said: the first in line have waited longest.
    pub(crate) fn written(&self) -> Vec<u8> {
        let raw = Raw {
            version: VERSION,
            callbacks: some(&self.callbacks, RawCallback::of),
            phones: some(&self.phones, RawPhone::of),
            writing: some(&self.writing, RawWriting::of),
        };
        // Nothing in it that JSON has no form for.
        serde_json::to_vec(&raw).unwrap_or_default()
    }
}

fn some<T, R>(all: &[T], of: impl Fn(&T) -> R) -> Vec<R> {
    if all.len() > ENTRIES_MAX {
        tracing::error!(
            lost = all.len() - ENTRIES_MAX,
            "too much to leave to the next program"
        );
    }
    all.iter().take(ENTRIES_MAX).map(of).collect()
}

impl RawCallback {
    fn of(kept: &KeptCallback) -> Self {
        Self {
            queue: kept.queue.clone(),
            origin: origin_text(kept.origin),
            number: kept.number.reveal().as_str().to_owned(),
            peer: kept.peer,
            trusted: kept.trusted,
            private: kept.private,
            asserted: kept.asserted,
            waited_us: micros(kept.waited),
            tried: kept.tried,
            rests_us: micros(kept.rests),
            recordable: kept.recordable,
        }
    }

    fn read(self) -> Option<KeptCallback> {
        Some(KeptCallback {
            queue: self.queue,
            origin: origin_of(&self.origin)?,
            number: Personal::new(E164::parse(&self.number)?),
            peer: self.peer,
            trusted: self.trusted,
            private: self.private,
            asserted: self.asserted,
            waited: span(self.waited_us)?,
            tried: self.tried,
            rests: span(self.rests_us)?,
            recordable: self.recordable,
        })
    }
}

impl RawPhone {
    fn of(kept: &KeptPhone) -> Self {
        Self {
            user: kept.user.clone(),
            contact: kept.contact.to_string(),
            call_id: kept.call_id.clone(),
            cseq: kept.cseq,
            peer: kept.peer,
            at: kept.at,
            path: kept.path.written().into(),
            left_us: u64::try_from(kept.left.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn read(self) -> Option<KeptPhone> {
        Some(KeptPhone {
            user: self.user,
            contact: NameAddr::parse(&self.contact).ok()?,
            call_id: self.call_id,
            cseq: self.cseq,
            peer: self.peer,
            at: self.at,
            path: Path::read(&self.path)?,
            left: Duration::from_micros(self.left_us),
        })
    }
}

impl RawWriting {
    fn of(kept: &Writing) -> Self {
        Self {
            queue: kept.queue.clone(),
            agent: kept.agent.clone(),
            left_us: micros(kept.left),
        }
    }

    fn read(self) -> Option<Writing> {
        Some(Writing {
            queue: self.queue,
            agent: self.agent,
            left: span(self.left_us)?,
        })
    }
}

fn micros(span: Span) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(0)
}

fn span(micros: u64) -> Option<Span> {
    i64::try_from(micros).ok().map(Span::from_micros)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    const NUMBER: &str = "+46701740605";

    fn spans() -> impl Strategy<Value = Span> {
        (0..=i64::MAX).prop_map(Span::from_micros)
    }

    fn origins() -> impl Strategy<Value = Origin> {
        let known = prop::sample::select(vec!["0180", "0488", "9999", "x", ""]);
        let conflict = prop::sample::select(vec!["0180/0488", "missing", "untrusted"]);
        let conflict = conflict.prop_map(|word| origin_of(word).expect("an origin"));
        prop_oneof![known.prop_map(Origin::from_code), conflict]
    }

    fn addresses() -> impl Strategy<Value = SocketAddr> {
        (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
    }

    fn callbacks() -> impl Strategy<Value = KeptCallback> {
        let numbers = prop::sample::select(vec![NUMBER, "+46701740606"]);
        let words = ("[a-zåäö\"\\\\ ]{0,20}", origins(), numbers);
        let flags: [_; 4] = std::array::from_fn(|_| any::<bool>());
        let rest = (addresses(), flags, spans(), any::<u8>(), spans());
        (words, rest).prop_map(
            |((queue, origin, number), (peer, flags, waited, tried, rests))| {
                let [trusted, private, asserted, recordable] = flags;
                KeptCallback {
                    queue: queue.into(),
                    origin,
                    number: Personal::new(E164::parse(number).expect("a number")),
                    peer,
                    trusted,
                    private,
                    asserted,
                    waited,
                    tried,
                    rests,
                    recordable,
                }
            },
        )
    }

    fn phones() -> impl Strategy<Value = KeptPhone> {
        let words = ("[a-z0-9-]{1,9}", "[a-z0-9@.-]{1,30}", "[a-z]{1,9}");
        let numbers = (any::<u32>(), addresses(), any::<u64>(), 0..=1000_u16);
        (words, numbers).prop_map(|((user, call_id, name), (cseq, peer, left, q))| {
            let contact = format!("<sip:{name}@{peer}>;q=0.{q:03};reg-id=1");
            let path = format!("<sip:{peer};lr>,").repeat(usize::from(q % 3));
            let path = path.trim_end_matches(',');
            KeptPhone {
                user: user.into(),
                contact: NameAddr::parse(&contact).expect("an address"),
                call_id: call_id.into(),
                cseq,
                peer,
                at: (q % 2 == 1).then_some(peer),
                path: Path::read(path).expect("proxies"),
                left: Duration::from_micros(left),
            }
        })
    }

    fn estates() -> impl Strategy<Value = Estate> {
        let writing = ("[a-zåäö]{0,9}", "[a-z:@.0-9]{0,30}", spans());
        let writing = writing.prop_map(|(queue, agent, left)| Writing {
            queue: queue.into(),
            agent: agent.into(),
            left,
        });
        let all = (
            prop::collection::vec(callbacks(), 0..5),
            prop::collection::vec(phones(), 0..5),
            prop::collection::vec(writing, 0..5),
        );
        all.prop_map(|(callbacks, phones, writing)| Estate {
            callbacks,
            phones,
            writing,
        })
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_is_found(estate in estates()) {
            let shown = format!("{:?}", estate.callbacks);
            prop_assert!(!shown.contains(&NUMBER[3..]));
            prop_assert_eq!(Estate::read(&estate.written()), Ok(estate));
        }

        #[test]
        fn garbage_is_refused(text in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Estate::read(&text).is_err());
        }

        #[test]
        fn what_was_changed_on_the_way_is_refused_or_read(estate in estates(), at in any::<usize>(), byte in any::<u8>()) {
            let mut text = estate.written();
            let at = at % text.len();
            text[at] = byte;
            let _either = Estate::read(&text);
        }
    }

    #[test]
    fn another_form_is_told_from_garbage() {
        let newer = br#"{"version": 2, "calls": {"of another": ["form"]}}"#;
        assert_eq!(Estate::read(newer), Err(EstateError::Version(2)));
        let more = br#"{"version":1,"callbacks":[],"phones":[],"writing":[],"more":1}"#;
        assert_eq!(Estate::read(more), Err(EstateError::Unreadable));
        let odd = br#"{"version":1,"callbacks":[],"phones":[],"writing":[{"queue":"q","agent":"a","left_us":18446744073709551615}]}"#;
        assert_eq!(Estate::read(odd), Err(EstateError::Entry("agents")));
    }
}
