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

/// Entries of History-Info that are told on; more is a circle that nobody noticed.
const ENTRIES_MAX: usize = 16;

/// Of those that came with the call, the latest: there is room for where it goes from here.
const CAME_MAX: usize = 8;

/// Marks of other switches that are passed on: so many that pass a call on to each other are a circle too.
const MARKS_MAX: usize = 8;

/// A mark is 16 characters; others' may be longer.
const MARK_LEN_MAX: usize = 64;

/// The entries of a call's History-Info, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: Vec<Entry>,
    /// The index of the entry that is this switch.
    here: String,
    /// Targets tried from here.
    tried: u32,
    /// The entry of the last of them, if there was room for it.
    last: Option<usize>,
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
        let came = request.headers.list(&HeaderName::HistoryInfo);
        let came = came.filter(|_| trusted).filter_map(Entry::read);
        let mut entries: Vec<Entry> = came.collect();
        entries.drain(..entries.len().saturating_sub(CAME_MAX));
        let index = entries
            .last()
            .map_or_else(|| "1".to_owned(), |last| format!("{}.1", last.index));
        entries.push(Entry {
            target: here.to_owned(),
            index: index.clone(),
            cause: None,
        });
        Self {
            entries,
            here: index,
            tried: 0,
            last: None,
        }
    }

    /// The call is sent to another target.
    pub(crate) fn goes_to(&mut self, target: &str) {
        self.tried += 1;
        self.last = (self.entries.len() < ENTRIES_MAX).then_some(self.entries.len());
        if self.last.is_some() {
            self.entries.push(Entry {
                target: target.to_owned(),
                index: format!("{}.{}", self.here, self.tried),
                cause: None,
            });
        }
    }

    /// The last target refused it.
    pub(crate) fn refused(&mut self, status: StatusCode) {
        if let Some(last) = self.last.and_then(|last| self.entries.get_mut(last)) {
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
        let (target, params) = past_name(value)?.strip_prefix('<')?.split_once('>')?;
        if target.contains(['<', '"', ' ', '\t']) {
            return None;
        }
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

/// What follows a display name, which may hold anything where it is quoted (RFC 3261 section 20.10).
fn past_name(value: &str) -> Option<&str> {
    let value = value.trim_start();
    let Some(quoted) = value.strip_prefix('"') else {
        return value.find('<').map(|at| &value[at..]);
    };
    let mut escaped = false;
    let end = quoted.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some(quoted[end + 1..].trim_start())
}

/// The marks of other switches, as they are passed on: a call that comes back to one of them by way of this one is known there.
pub(crate) fn others_marks(request: &Request, mark: &str) -> Vec<String> {
    let marks = request.headers.list(&VISITED).filter_map(|value| {
        let (name, times) = value.split_once(';')?;
        let (name, times) = (name.trim(), times.trim());
        let count: u8 = times.strip_prefix("n=")?.parse().ok()?;
        let token = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let fits = token && !name.is_empty() && name.len() <= MARK_LEN_MAX && name != mark;
        fits.then(|| format!("{name};n={count}"))
    });
    marks.take(MARKS_MAX).collect()
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
        assert!(history.entries.len() <= ENTRIES_MAX);
    }

    #[test]
    fn who_came_by_many_is_told_of_the_latest_and_of_where_it_goes_and_nobody_is_blamed_for_another()
     {
        let mut came = String::new();
        for last in 1..=40 {
            let index = vec!["1"; last.min(30)].join(".");
            came += &format!("History-Info: <sip:{last}@a.invalid>;index={index}\r\n");
        }
        let mut history = History::of(&invite(&came), true, "sip:h@127.0.0.1");
        let here = history.here.clone();
        assert_eq!(here.split('.').count(), 31, "after the last that came");
        for target in 0..20 {
            history.goes_to(&format!("sip:{target}@b.invalid"));
            history.refused(StatusCode::BUSY_HERE);
        }
        let of_target = |entry: &Entry| entry.target.ends_with("@b.invalid");
        assert!(
            history
                .entries
                .iter()
                .filter(|entry| of_target(entry))
                .count()
                >= 4
        );
        let blamed = history.entries.iter().filter(|entry| entry.cause.is_some());
        assert!(blamed.clone().count() > 0 && blamed.clone().all(of_target));
        let mut silent = History::of(&invite(&came), true, "sip:h@127.0.0.1");
        (0..20).for_each(|_| silent.goes_to("sip:x@b.invalid"));
        silent.refused(StatusCode::BUSY_HERE);
        assert!(!silent.written().contains("486"), "it wasn't told of");
    }

    #[test]
    fn a_quoted_name_is_no_address_and_what_cannot_be_written_is_left_out() {
        let read = |value: &str| Entry::read(value).map(|entry| entry.target);
        let sip = Some("sip:x@y".to_owned());
        assert_eq!(read(r#""a \"<sip:b>\"" <sip:x@y>;index=1"#), sip);
        assert_eq!(read("A B <sip:x@y>;index=1.1"), sip);
        assert_eq!(
            read("<tel:+46701740605>;index=1").as_deref(),
            Some("tel:+46701740605")
        );
        for bad in [
            r#""a <sip:x@y>;index=1"#,
            "<sip:x@y;index=1",
            "<sip:x y>;index=1",
            "<<sip:x@y>;index=1",
            "sip:x@y;index=1",
            "<sip:x@y>",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_marks_of_other_switches_are_passed_on_and_no_more_than_a_few() {
        let text = "X-Vaxel-Visited: other;n=2, me;n=1\r\nX-Vaxel-Visited: b ad;n=1, x;n=999, ;n=1, third;n=0\r\n";
        assert_eq!(
            others_marks(&invite(text), "me"),
            ["other;n=2", "third;n=0"]
        );
        let many = "X-Vaxel-Visited: other;n=2\r\n".repeat(100);
        assert_eq!(others_marks(&invite(&many), "me").len(), MARKS_MAX);
    }

    #[test]
    fn only_our_own_mark_counts() {
        assert_eq!(visits(&invite("X-Vaxel-Visited: other;n=9\r\n"), "me"), 0);
        let both = "X-Vaxel-Visited: other;n=9, me;n=2\r\nX-Vaxel-Visited: me;n=1\r\n";
        assert_eq!(visits(&invite(both), "me"), 2);
        assert_eq!(visits(&invite("X-Vaxel-Visited: me;n=x\r\n"), "me"), 0);
    }
}
