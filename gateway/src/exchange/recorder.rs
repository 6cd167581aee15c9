//! The recorder as the switch knows it: where it is, and whether it is there.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use callcore::{
    scenario::{RecorderSettings, SEGMENTS_MAX, Srtp},
    switch::{CallId, Input},
};
use transport::SipDriver;
use wire::sip::{
    endpoint::{PingId, TransportKind},
    uri::{Scheme, Uri},
};

use super::{Exchange, Why};

/// How often the recorder is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// A recorder that hasn't answered OPTIONS for this long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest pause before recordings are begun anew that the recorder loses each time.
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// What has been recorded for so many times the pause before the next attempt was worth beginning: 8 s at first.
const LASTED: u32 = 4;

/// The recorder as this switch knows it.
#[derive(Debug)]
pub(crate) struct RecorderLink {
    pub(super) uri: Uri,
    pub(super) address: SocketAddr,
    /// Nobody reads what it is sent: it is on this machine, or reached by TLS.
    pub(super) private: bool,
    /// Whether it is offered encrypted audio.
    pub(super) srtp: Srtp,
    /// Recordings of one call.
    pub(super) segments_max: u8,
    pub(super) up: bool,
    /// What became of it last.
    pub(super) why: Why,
    /// Whether it answered the last question.
    answers: bool,
    /// When what it lost, though it is there, is tried again.
    again: Again,
    pub(super) next_ping: Instant,
    /// When it was, or is, asked out of turn.
    hurried: Option<Instant>,
    asked: Option<Instant>,
    ping: Option<PingId>,
}

impl RecorderLink {
    /// The recorder of the scenario; `None` when its URI has no numeric address.
    pub(crate) fn new(settings: &RecorderSettings) -> Option<Self> {
        let uri = Uri::parse(&settings.siprec).ok()?;
        let address = uri.address()?;
        let by_tls = is_secure(&uri);
        // Keys travel in SIP: where nobody reads that, audio is worth encrypting, and a recorder must be able to (RFC 7866
        // section 12.2).
        let usual = if by_tls { Srtp::Require } else { Srtp::Off };
        Some(Self {
            private: address.ip().is_loopback() || by_tls,
            srtp: settings.srtp.unwrap_or(usual),
            uri,
            address,
            segments_max: settings.segments_max.unwrap_or(SEGMENTS_MAX),
            up: true,
            why: Why::NoAnswer,
            answers: true,
            again: Again::default(),
            next_ping: Instant::now(),
            hurried: None,
            asked: None,
            ping: None,
        })
    }

    /// Asks it out of turn, for it seems to be gone; not again before its turn: a recorder that answers this and refuses audio all
    /// the same would have its recordings begun anew as fast as it answers.
    pub(super) fn ask_soon(&mut self, now: Instant) {
        let soon = self.hurried.map(|last| last + PING_INTERVAL);
        self.next_ping = self.next_ping.min(soon.map_or(now, |soon| now.max(soon)));
        self.hurried = Some(self.next_ping);
    }

    /// When it must be asked, or given up, next.
    pub(super) fn next_ping(&self) -> Instant {
        self.asked
            .map_or(self.next_ping, |asked| asked + PING_TIMEOUT)
    }
}

impl Exchange {
    pub(super) fn ping_recorder(&mut self, sip: &mut SipDriver, now: Instant) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        if recorder
            .asked
            .is_some_and(|asked| asked + PING_TIMEOUT <= now)
        {
            self.recorder_pong(sip, Err(Why::NoAnswer));
            return;
        }
        if recorder.asked.is_none() && recorder.next_ping <= now {
            recorder.asked = Some(now);
            let (uri, address, at) = (recorder.uri.clone(), recorder.address, sip.now());
            let kind = TransportKind::asked_by(&uri).unwrap_or(TransportKind::Udp);
            let own = sip.local_to(address.ip(), kind);
            recorder.ping = sip.endpoint().ping(at, uri, Some(address), None, own).ok();
            if recorder.ping.is_none() {
                self.recorder_pong(sip, Err(Why::Own));
            }
        }
    }

    /// Whether this question was put to the recorder, and is open.
    pub(super) fn is_recorders(&self, ping: PingId) -> bool {
        self.recorder
            .as_ref()
            .is_some_and(|recorder| recorder.ping == Some(ping))
    }

    /// The recorder answered OPTIONS, or didn't.
    pub(super) fn recorder_pong(&mut self, sip: &mut SipDriver, answer: Result<(), Why>) {
        let now = Instant::now();
        let alive = answer.is_ok();
        if alive {
            self.give_up_unanswered(sip, now);
        }
        self.give_up_closing(sip, Some(now));
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        recorder.asked = None;
        recorder.ping = None;
        recorder.next_ping = now + PING_INTERVAL;
        recorder.up = alive;
        recorder.why = answer.err().unwrap_or(recorder.why);
        let why = recorder.why;
        let answered = std::mem::replace(&mut recorder.answers, alive);
        if !alive {
            recorder.again = Again::default();
        }
        let again = alive && recorder.again.is_due(now);
        self.observer.recorder_is(answer);
        if alive && !answered {
            tracing::info!("the recorder answers again");
            self.input(Input::RecorderBack);
        } else if again {
            self.input(Input::RecorderBack);
        } else if !alive && answered {
            tracing::warn!(
                why = why.label(),
                "the recorder is lost; calls go on without recording"
            );
            let lost: Vec<CallId> = self
                .calls
                .iter()
                .filter(|(_, call)| call.recording.is_some())
                .map(|(id, _)| *id)
                .collect();
            for id in lost {
                // It may only have been out of reach: what it began must not stay open beside what begins when it is back.
                if let Some(leg) = self.recording_lost(id, why) {
                    self.close_recording(sip, id, *leg, true);
                }
            }
        }
    }
}

impl Exchange {
    /// The recorder is there, and a recording was lost all the same: it is to be begun anew.
    pub(super) fn recorder_fails(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.again.lost(Instant::now());
        }
    }
}

/// When recordings are begun anew that were lost though the recorder is there: it refused or ended them, takes no audio, or was begun
/// anew itself, faster than it could be missed. Each attempt may leave a recording with next to nothing in it. So the first comes at
/// once, and the pauses grow while all is lost again.
#[derive(Debug, Default)]
struct Again {
    wanted: bool,
    last: Option<Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Instant,
    /// Until the next one, at least.
    pause: Duration,
}

impl Again {
    /// One was lost. When the last attempt has lasted, this is a trouble of its own.
    fn lost(&mut self, now: Instant) {
        let lasted = |last: Attempt| last.at + last.pause * LASTED < now;
        if self.last.is_some_and(lasted) {
            self.last = None;
        }
        self.wanted = true;
    }

    /// Whether they are to be begun anew now, which is one attempt.
    fn is_due(&mut self, now: Instant) -> bool {
        if !self.wanted || self.last.is_some_and(|last| now < last.at + last.pause) {
            return false;
        }
        let grown = |last: Attempt| (last.pause * 2).min(AGAIN_MAX);
        *self = Self {
            wanted: false,
            last: Some(Attempt {
                at: now,
                pause: self.last.map_or(PING_INTERVAL, grown),
            }),
        };
        true
    }
}

/// By TLS: nobody on the way reads it.
fn is_secure(uri: &Uri) -> bool {
    let by_tls = |transport: &str| transport.eq_ignore_ascii_case("tls");
    uri.scheme == Scheme::Sips || uri.transport().is_some_and(by_tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> RecorderLink {
        let text = crate::exchange::bench::recorded(([127, 0, 0, 1], 5070).into(), "");
        let scenario = crate::exchange::bench::scenario(&text);
        RecorderLink::new(scenario.recorder.as_ref().expect("named")).expect("an address")
    }

    #[test]
    fn what_is_lost_each_time_is_begun_anew_ever_more_slowly_and_at_once_after_it_has_lasted() {
        let (mut again, begun) = (Again::default(), Instant::now());
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut attempts = Vec::new();
        for second in (0..3600).step_by(2) {
            again.lost(at(second));
            if again.is_due(at(second)) {
                attempts.push(second);
            }
        }
        assert_eq!(attempts[..8], [0, 2, 6, 14, 30, 62, 122, 182]);
        assert_eq!(attempts.len(), 64);
        // The last has lasted: it is not known for a recorder that loses all.
        again.lost(at(7200));
        assert!(again.is_due(at(7200)) && !again.is_due(at(7202)));
        again.lost(at(7202));
        assert!(again.is_due(at(7202)));
    }

    /// One that dies every quarter of a minute, and is back before it is missed: what was said meanwhile is worth its file.
    #[test]
    fn what_lasted_for_a_while_is_begun_anew_at_once_each_time() {
        let (mut again, begun) = (Again::default(), Instant::now());
        for death in 0..20 {
            let now = begun + Duration::from_secs(15 * death);
            again.lost(now);
            assert!(again.is_due(now), "death {death}");
        }
    }

    #[test]
    fn a_recorder_that_answers_and_refuses_audio_is_asked_no_faster_than_in_turn() {
        let (mut link, begun) = (link(), Instant::now());
        let mut now = begun;
        for _ in 0..1000 {
            link.ask_soon(now);
            // It answers at once.
            now = now.max(link.next_ping()) + Duration::from_millis(1);
            link.next_ping = now + PING_INTERVAL;
        }
        assert!(now - begun >= PING_INTERVAL * 998);
    }
}
