//! Where a call has been: History-Info (RFC 7044), and whether it has been here before.
//!
//! A switch that gets its own call back would send it round for ever. Each call that goes out bears this switch's mark;
//! one that comes back with it too often is refused (482). Max-Forwards ends what others send round.

use std::sync::LazyLock;

use wire::sip::message::{HeaderName, Request, StatusCode};

/// The mark: who sent the call out, and how often it was there.
pub(crate) static VISITED: LazyLock<HeaderName> = LazyLock::new(|| {
    HeaderName::parse("X-Vaxel-Visited").unwrap_or_else(|| unreachable!("it is a token"))
});

/// A call may come back this often: to another kommun's queue after a provider turned it round, and no more.
pub(crate) const VISITS_MAX: u8 = 2;

/// Entries of History-Info that are taken over and told on; more is a circle that nobody noticed.
const ENTRIES_MAX: usize = 16;

/// The entries of a call's History-Info, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: Vec<Entry>,
    /// The index of the entry that is this switch.
    here: String,
    /// Targets tried from here.
    tried: u32,
}

#[derive(Debug)]
struct Entry {
    target: String,
    index: String,
    /// Why it was left for the next.
    cause: Option<StatusCode>,
}

impl History {
    /// What came with an INVITE from a peer whose word is taken, and that it reached this switch.
    pub(crate) fn of(request: &Request, trusted: bool, here: &str) -> Self {
        let came: Vec<Entry> = request
            .headers
            .list(&HeaderName::HistoryInfo)
            .filter(|_| trusted)
            .filter_map(Entry::read)
            .take(ENTRIES_MAX)
            .collect();
        let index = came
            .last()
            .map_or_else(|| "1".to_owned(), |last| format!("{}.1", last.index));
        let mut entries = came;
        entries.push(Entry {
            target: here.to_owned(),
            index: index.clone(),
            cause: None,
        });
        Self {
            entries,
            here: index,
            tried: 0,
        }
    }

    /// The call is sent to another target.
    pub(crate) fn goes_to(&mut self, target: &str) {
        self.tried += 1;
        if self.entries.len() < ENTRIES_MAX {
            self.entries.push(Entry {
                target: target.to_owned(),
                index: format!("{}.{}", self.here, self.tried),
                cause: None,
            });
        }
    }

    /// The last target refused it.
    pub(crate) fn refused(&mut self, status: StatusCode) {
        if let Some(last) = self.entries.last_mut() {
            last.cause = Some(status);
        }
    }

    /// As the field is written.
    pub(crate) fn written(&self) -> String {
        let entries: Vec<String> = self.entries.iter().map(Entry::written).collect();
        entries.join(", ")
    }
}

impl Entry {
    /// What others wrote is kept without its parameters: nobody here reads them.
    fn read(value: &str) -> Option<Self> {
        let (_, rest) = value.split_once('<')?;
        let (target, params) = rest.split_once('>')?;
        let index = params
            .split(';')
            .filter_map(|param| param.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("index"))?
            .1
            .trim();
        let numbers = !index.is_empty()
            && index.len() <= 64
            && index
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
        numbers.then(|| Self {
            target: target.to_owned(),
            index: index.to_owned(),
            cause: None,
        })
    }

    fn written(&self) -> String {
        let Self {
            target,
            index,
            cause,
        } = self;
        let joint = if target.contains('?') { '&' } else { '?' };
        match cause {
            Some(cause) => format!("<{target}{joint}Reason=SIP%3Bcause%3D{cause}>;index={index}"),
            None => ["<", target, ">;index=", index].concat(),
        }
    }
}

/// How often this switch, by its mark, sent this call out already.
pub(crate) fn visits(request: &Request, mark: &str) -> u8 {
    let ours = request
        .headers
        .list(&VISITED)
        .filter_map(|value| value.split_once(';'))
        .filter(|(name, _)| name.trim() == mark);
    ours.filter_map(|(_, times)| times.trim().strip_prefix("n=")?.parse().ok())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use wire::sip::message::Message;

    use super::*;

    fn invite(extra: &str) -> Request {
        let text = format!(
            "INVITE sip:1177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5066;branch=z9hG4bK1\r\nFrom: <sip:a@127.0.0.1>;tag=a\r\n\
             To: <sip:1177@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        match Message::parse(text.as_bytes()).expect("a well-formed INVITE") {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request was written"),
        }
    }

    #[test]
    fn failover_is_told_with_its_cause() {
        let came = "History-Info: <sip:1177@operator.invalid>;index=1;foo=bar\r\n";
        let mut history = History::of(&invite(came), true, "sip:1177@127.0.0.1:5060");
        history.goes_to("sip:a@127.0.0.2");
        history.refused(StatusCode::BUSY_HERE);
        history.goes_to("sip:b@127.0.0.3");
        assert_eq!(
            history.written(),
            "<sip:1177@operator.invalid>;index=1, <sip:1177@127.0.0.1:5060>;index=1.1, \
             <sip:a@127.0.0.2?Reason=SIP%3Bcause%3D486>;index=1.1.1, <sip:b@127.0.0.3>;index=1.1.2"
        );
    }

    #[test]
    fn a_stranger_tells_no_history_and_nobody_too_much() {
        let came = "History-Info: <sip:x@y>;index=1\r\n";
        let history = History::of(&invite(came), false, "sip:h@127.0.0.1");
        assert_eq!(history.written(), "<sip:h@127.0.0.1>;index=1");
        let mut history = History::of(&invite(&came.repeat(100)), true, "sip:h@127.0.0.1");
        (0..100).for_each(|_| history.goes_to("sip:x@y"));
        assert!(history.entries.len() <= ENTRIES_MAX + 1);
    }

    #[test]
    fn only_our_own_mark_counts() {
        assert_eq!(visits(&invite("X-Vaxel-Visited: other;n=9\r\n"), "me"), 0);
        let both = "X-Vaxel-Visited: other;n=9, me;n=2\r\nX-Vaxel-Visited: me;n=1\r\n";
        assert_eq!(visits(&invite(both), "me"), 2);
        assert_eq!(visits(&invite("X-Vaxel-Visited: me;n=x\r\n"), "me"), 0);
    }
}
