//! Recordings that are over before the recorder has answered: what becomes of them is known only then.

use std::time::{Duration, Instant};

use callcore::{switch::CallId, tag::RecordingTag};
use transport::SipDriver;
use wire::sip::endpoint::SessionId;

use super::Why;
use crate::exchange::{
    Exchange,
    call::{Leg, RecordingLeg},
};
use crate::media::ANSWER_MAX;

/// A recording that its recorder would have begun after it had ended lacks nothing worth telling when it was no longer than this: a
/// caller hangs up in the moment in which the nurse answers.
const NOTHING_SAID_MAX: Duration = Duration::from_millis(1500);

/// A session that the recorder was asked for, and that nobody wants any more.
#[derive(Debug)]
pub(in crate::exchange) struct Closing {
    call: CallId,
    tag: RecordingTag,
    asked: Instant,
    over: Instant,
    /// That it is lacking has been told.
    told: bool,
}

impl Exchange {
    /// Ends a recording session; `lost`: that it is lacking has been told. One that the recorder hasn't answered is not cancelled: it
    /// may have begun a recording in this moment, which nobody would count.
    pub(in crate::exchange) fn close_recording(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        leg: RecordingLeg,
        lost: bool,
    ) {
        if leg.established {
            let now = sip.now();
            let _ = sip.endpoint().end(now, leg.session, None);
            return;
        }
        self.legs.insert(leg.session, Leg::Closing(id));
        let closing = Closing {
            call: id,
            tag: leg.tag,
            asked: leg.asked,
            over: Instant::now(),
            told: lost,
        };
        self.closing.insert(leg.session, closing);
    }

    /// The recorder answered after the recording was over: an empty one, but one.
    pub(in crate::exchange) fn closing_answered(
        &mut self,
        sip: &mut SipDriver,
        session: SessionId,
    ) {
        if let Some(closing) = self.closing.remove(&session) {
            self.observer.recorded_late(&closing.tag);
            if closing.over.saturating_duration_since(closing.asked) > NOTHING_SAID_MAX {
                self.tell_lacking(&closing, Why::NoAnswer);
            }
        }
        let now = sip.now();
        let _ = sip.endpoint().end(now, session, None);
    }

    /// The recorder said no, or the session is gone: there is no recording of what was said.
    pub(in crate::exchange) fn closing_failed(&mut self, session: SessionId, why: Why) {
        if let Some(closing) = self.closing.remove(&session) {
            self.tell_lacking(&closing, why);
        }
    }

    /// Those that the recorder has said nothing of for so long are waited for no more; all of them, when the program ends.
    pub(in crate::exchange) fn give_up_closing(
        &mut self,
        sip: &mut SipDriver,
        now: Option<Instant>,
    ) {
        let late = |closing: &Closing| {
            now.is_none_or(|now| now.saturating_duration_since(closing.asked) >= ANSWER_MAX)
        };
        let closing = self.closing.iter();
        let late: Vec<SessionId> = closing
            .filter(|(_, closing)| late(closing))
            .map(|(session, _)| *session)
            .collect();
        for session in late {
            self.legs.remove(&session);
            let at = sip.now();
            let _ = sip.endpoint().end(at, session, None);
            self.closing_failed(session, Why::NoAnswer);
        }
    }

    fn tell_lacking(&mut self, closing: &Closing, why: Why) {
        if !closing.told {
            self.observer.recording_lacks(closing.call, why);
        }
    }
}
