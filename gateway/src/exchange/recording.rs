//! The SIPREC client (SRC, RFC 7866 section 6): one recording session a call.
//!
//! A lost recorder never ends a call: the gap is counted, and recording resumes when the recorder answers again.

mod closing;
mod whom;
mod why;

use std::time::Instant;

use callcore::{
    scenario::{AgentId, SEGMENTS_MAX},
    switch::{CallId, Input},
    tag::RecordingTag,
};
use rand::RngExt;
use transport::SipDriver;
use wire::{
    sdp::{Description, Direction, Stream},
    sip::{
        endpoint::{Invite, Local, SessionId, TransportKind},
        message::{Body, HeaderName, Headers, Response, StatusCode},
    },
    siprec,
};

pub(crate) use self::why::Why;
pub(super) use self::{closing::Closing, whom::Whom};
use super::{
    Exchange,
    call::{Call, Leg, RecordingLeg},
    own_uri, ports,
};
use crate::{
    crypto::OurCrypto,
    media::{ANSWER_MAX, Gate},
    negotiate,
};

impl Exchange {
    pub(super) fn start_recording(&mut self, sip: &mut SipDriver, id: CallId, tag: RecordingTag) {
        let down = self.recorder.as_ref().filter(|recorder| !recorder.up);
        let down = down.map(|recorder| recorder.why);
        if down.is_none() {
            if self.invite_recorder(sip, id, tag).is_some() {
                return;
            }
            // Such as for want of a port: others may be free by and by.
            self.recorder_fails();
        }
        self.observer.recording_fails(id, down.unwrap_or(Why::Own));
        self.input(Input::RecordingLost(id));
    }

    fn invite_recorder(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        tag: RecordingTag,
    ) -> Option<()> {
        let recorder = self.recorder.as_ref()?;
        let kind = TransportKind::asked_by(&recorder.uri);
        let own = self.way_out(sip, recorder.address, kind).ok()?;
        let call = self.calls.get_mut(&id)?;
        let media = call.media.as_ref()?;
        let named = || siprec::Id::from_uuid(self.rng.random());
        let named = call.named.get_or_insert_with(named).clone();
        let streams = media.open_fork(&mut self.media, self.homes.ip(own));
        let streams = streams
            .inspect_err(|error| ports::log_none(id, error))
            .ok()?;
        // Says nothing of anybody, and no two calls are the same (RFC 7022).
        let cname = format!("{:024x}", self.rng.random::<u128>() >> 32);
        // Each stream by a key of its own, and by none that a call has (RFC 7866 section 12.2).
        let crypto = [(); 2].map(|()| OurCrypto::offering(recorder.srtp));
        let number = call.number.as_ref().filter(|_| recorder.private);
        let whom = Whom::new(named, call.far.agent(), || self.rng.random());
        let metadata = whom.metadata(&tag, number);
        let invite = Invite {
            next_hop: Some(recorder.address),
            local: Some(own),
            from: own_uri("src", self.homes.here(own)).into(),
            headers: asks_to_record(sip, own, kind.unwrap_or(TransportKind::Udp)),
            body: Some(siprec::body(
                &negotiate::recording_offer(streams, &cname, &crypto),
                &metadata,
            )),
            ..Invite::anonymous(recorder.uri.clone())
        };
        let now = sip.now();
        let Ok(session) = sip.endpoint().invite(now, invite) else {
            media.fork_off();
            return None;
        };
        // One that begins anew may begin in a hold.
        let wanted = if call.hold.is_held() {
            Direction::Inactive
        } else {
            Direction::SendOnly
        };
        if wanted == Direction::Inactive {
            media.fork_gate(Gate::Shut);
        }
        self.legs.insert(session, Leg::Recording(id));
        call.recording = Some(Box::new(RecordingLeg {
            session,
            tag,
            asked: Instant::now(),
            established: false,
            theirs: Vec::new(),
            streams,
            cname: cname.into(),
            crypto,
            whom,
            wanted,
            told: Direction::SendOnly,
            taken: Direction::SendOnly,
            version: 0,
        }));
        Some(())
    }

    /// Recordings that hold and transfer may add to the first of a call.
    pub(super) fn segments_further(&self) -> u8 {
        let max = self.recorder.as_ref().map(|recorder| recorder.segments_max);
        max.unwrap_or(SEGMENTS_MAX).saturating_sub(1)
    }

    /// Pauses the recording of a call (`a=inactive`), or goes on with it.
    pub(super) fn turn_recording(&mut self, sip: &mut SipDriver, id: CallId, wanted: Direction) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(leg) = call.recording.as_mut() else {
            return;
        };
        if let Some(media) = call.media.as_ref().filter(|_| leg.wanted != wanted) {
            media.fork_gate(match (wanted, leg.told) {
                (Direction::Inactive, _) => Gate::Shut,
                // It has heard of the pause, and must hear of its end.
                (_, Direction::Inactive) => Gate::Keep,
                _ => Gate::Open,
            });
        }
        leg.wanted = wanted;
        if !leg.established || leg.told == wanted {
            return;
        }
        let body = Some(leg.next_offer().to_body());
        let now = sip.now();
        // While the recorder answers the change before, this one waits: `recording_changed` makes it.
        if sip.endpoint().change(now, leg.session, body).is_ok() {
            leg.told = wanted;
        }
    }

    /// Somebody else speaks, and the call has as many recordings as it may: the recorder marks it in the one that goes on.
    pub(super) fn tell_transfer(&mut self, sip: &mut SipDriver, id: CallId, to: Option<AgentId>) {
        let (Some(recorder), Some(call)) = (&self.recorder, self.calls.get_mut(&id)) else {
            return;
        };
        let number = call.number.as_ref().filter(|_| recorder.private);
        let leg = call.recording.as_mut().filter(|leg| leg.established);
        let Some(leg) = leg else { return };
        leg.whom.nurse_is(to, || self.rng.random());
        let metadata = leg.whom.metadata(&leg.tag, number);
        let body = siprec::body(&leg.next_offer(), &metadata);
        let now = sip.now();
        // While the recorder answers another change, the place goes unmarked; what is said is recorded all the same.
        if sip.endpoint().change(now, leg.session, Some(body)).is_ok() {
            leg.told = leg.wanted;
        }
    }

    /// The recorder has answered a change: another may be wanted meanwhile. One that won't go on after a pause, or hears no more, is
    /// left, and what is said from now on is another recording.
    pub(super) fn recording_changed(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        session: SessionId,
        answer: Result<Option<&Body>, StatusCode>,
    ) {
        let Some(leg) = self.recording_by(id, session) else {
            return;
        };
        let runs = leg.told == Direction::SendOnly;
        let stays_paused = (leg.taken, leg.told) == (Direction::Inactive, Direction::SendOnly);
        let left = match answer {
            Ok(answer) => {
                leg.taken = leg.told;
                runs && answer.is_some_and(|answer| !negotiate::hears(answer))
            }
            Err(_) => stays_paused,
        };
        if left {
            let why = answer.map_or_else(Why::Refused, |_| Why::NotHeard);
            self.leave_recording(sip, id, why);
            self.recorder_fails();
            return;
        }
        if runs {
            self.open_gate(id);
        }
        self.turn_as_wanted(sip, id);
    }

    /// The recorder listens; unless another pause is wanted meanwhile, it gets what was said since the last.
    fn open_gate(&self, id: CallId) {
        let wants = |call: &&Call| {
            let leg = call.recording.as_ref();
            leg.is_some_and(|leg| leg.wanted == Direction::SendOnly)
        };
        let call = self.calls.get(&id).map(|call| &**call).filter(wants);
        if let Some(media) = call.and_then(|call| call.media.as_ref()) {
            media.fork_gate(Gate::Open);
        }
    }

    fn turn_as_wanted(&mut self, sip: &mut SipDriver, id: CallId) {
        let leg = self.calls.get(&id).and_then(|call| call.recording.as_ref());
        if let Some(wanted) = leg.map(|leg| leg.wanted) {
            self.turn_recording(sip, id, wanted);
        }
    }

    /// The recording that goes by that session, when the recorder has taken it.
    fn recording_by(&mut self, id: CallId, session: SessionId) -> Option<&mut RecordingLeg> {
        let leg = self.calls.get_mut(&id)?.recording.as_deref_mut()?;
        (leg.session == session && leg.established).then_some(leg)
    }

    /// The session must be refreshed by re-INVITE: what was said last is said again.
    pub(super) fn refresh_recording(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        session: SessionId,
    ) {
        if let Some(leg) = self.recording_by(id, session) {
            let body = leg.next_offer().to_body();
            let now = sip.now();
            // One that is under way refreshes it as well.
            if sip.endpoint().change(now, session, Some(body)).is_ok() {
                leg.told = leg.wanted;
            }
        }
    }

    /// The recorder asks to change the session, as it does to refresh it. Only one that leaves all as it is can be taken: what goes to
    /// the recorder goes on as it was agreed.
    pub(super) fn recorder_changes(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        session: SessionId,
        offer: Option<&Body>,
    ) {
        let leg = self.recording_by(id, session);
        let reply = leg.and_then(|leg| leg.reply_to(offer));
        let now = sip.now();
        let endpoint = sip.endpoint();
        // One that was withdrawn meanwhile needs no answer.
        let _ = match reply {
            Some(reply) => endpoint.accept_change(now, session, Some(reply)),
            None => endpoint.reject_change(now, session, StatusCode::NOT_ACCEPTABLE_HERE),
        };
    }

    pub(super) fn recording_answered(
        &mut self,
        sip: &mut SipDriver,
        id: CallId,
        response: &Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(leg) = call.recording.as_mut() else {
            return;
        };
        let body = response.body();
        let agreed = body
            .as_ref()
            .and_then(|body| negotiate::recording_agreed(body, &mut leg.crypto));
        let hears = body.as_ref().is_none_or(negotiate::hears);
        match (agreed, &call.media) {
            (Some((caller, far)), Some(media)) if hears => {
                leg.established = true;
                leg.theirs = body.as_ref().map(streams_of).unwrap_or_default();
                media.fork(caller, far);
                self.observer.recorded(id, &leg.tag);
                self.input(Input::RecordingStarted(id));
                self.turn_as_wanted(sip, id);
            }
            // It takes the call and not its audio, for now.
            _ if !hears => {
                self.leave_recording(sip, id, Why::NotHeard);
                self.recorder_fails();
            }
            // It would be answered so again.
            _ => self.leave_recording(sip, id, Why::NotHeard),
        }
    }

    /// The recorder's address refuses the audio of the recording that bears that number, if it is still the call's.
    pub(super) fn audio_refused(&mut self, sip: &mut SipDriver, id: CallId, ssrc: u32) {
        let leg = self.calls.get(&id).and_then(|call| call.recording.as_ref());
        if leg.is_some_and(|leg| leg.streams.caller.ssrc == ssrc) {
            self.recording_refused(sip, id);
        }
    }

    /// The recorder's address refuses audio: it is gone, or has forgotten the session. Ask it soon.
    fn recording_refused(&mut self, sip: &mut SipDriver, id: CallId) {
        self.leave_recording(sip, id, Why::Unreachable);
        self.recorder_fails();
        if let Some(recorder) = &mut self.recorder {
            (recorder.up, recorder.why) = (false, Why::Unreachable);
            recorder.ask_soon(Instant::now());
        }
    }

    /// Ends a recording that is of no use, and counts the gap.
    fn leave_recording(&mut self, sip: &mut SipDriver, id: CallId, why: Why) {
        if let Some(leg) = self.recording_lost(id, why) {
            let now = sip.now();
            self.legs.remove(&leg.session);
            let _ = sip.endpoint().end(now, leg.session, None);
        }
    }

    /// Recordings that the recorder was asked for and has said nothing of, though it is there: what is said is not recorded, and that
    /// is known now and not when the call is over.
    pub(super) fn give_up_unanswered(&mut self, sip: &mut SipDriver, now: Instant) {
        let unanswered = |leg: &RecordingLeg| {
            !leg.established && now.saturating_duration_since(leg.asked) >= ANSWER_MAX
        };
        let calls = self.calls.iter();
        let late = calls.filter(|(_, call)| call.recording.as_deref().is_some_and(unanswered));
        let late: Vec<CallId> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.leave_recording(sip, id, Why::NoAnswer);
            self.recorder_fails();
        }
    }

    /// The recorder ended the session or had no room. A fault of ours (4xx) would be refused again; the rest may pass, and so may what
    /// it says of itself for now: that it takes too long, can't at present, or is busy.
    pub(super) fn recording_ended(&mut self, id: CallId, why: Why) {
        let passes = why
            .status()
            .is_none_or(|status| matches!(status, 408 | 480 | 486 | 500..));
        if passes {
            self.recorder_fails();
        }
        self.recording_lost(id, why);
    }

    /// Nothing goes to the recorder any more. Gives the session, if there was one, which is left as it is.
    pub(super) fn recording_lost(&mut self, id: CallId, why: Why) -> Option<Box<RecordingLeg>> {
        let call = self.calls.get_mut(&id)?;
        let leg = call.recording.take()?;
        // What begins in its place is one more.
        call.segments = call.segments.saturating_add(u8::from(leg.established));
        if let Some(media) = &call.media {
            media.fork_off();
        }
        self.observer.recording_fails(id, why);
        self.input(Input::RecordingLost(id));
        Some(leg)
    }

    pub(super) fn stop_recording(&mut self, sip: &mut SipDriver, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(leg) = call.recording.take() else {
            return;
        };
        if let Some(media) = &call.media {
            media.fork_off();
        }
        self.close_recording(sip, id, *leg, false);
    }
}

impl RecordingLeg {
    /// The answer to the recorder's offer, or an offer of ours where it made none; `None`: it is another session that is offered.
    fn reply_to(&mut self, offer: Option<&Body>) -> Option<Body> {
        let as_it_is = |(offered, known): (&Stream, &Stream)| {
            let receives = offered.direction != Direction::Inactive;
            let place = (offered.address, &offered.codecs, &offered.crypto);
            place == (known.address, &known.codecs, &known.crypto)
                && (receives || self.wanted == Direction::Inactive)
        };
        if let Some(offer) = offer {
            let offered = streams_of(offer);
            let same = offered.len() == self.theirs.len()
                && offered.iter().zip(&self.theirs).all(as_it_is);
            if !same {
                return None;
            }
        }
        Some(self.next_offer().to_body())
    }

    /// Our description again, with the next version and the direction that is wanted.
    fn next_offer(&mut self) -> Description {
        self.version += 1;
        let mut offer = negotiate::recording_offer(self.streams, &self.cname, &self.crypto);
        offer.origin.version = offer.origin.version.saturating_add(self.version);
        for stream in &mut offer.streams {
            stream.direction = self.wanted;
        }
        offer
    }
}

/// RFC 7866 section 6.1.1: the recorder must understand a recording session, and a recording client says that it is one.
fn asks_to_record(sip: &mut SipDriver, own: Local, kind: TransportKind) -> Headers {
    let mut headers = Headers::default();
    headers.push(HeaderName::Require, siprec::OPTION_TAG);
    let contact = sip.endpoint().default_contact(own, kind);
    let contact = [contact.as_str(), ";", siprec::CLIENT_FEATURE].concat();
    headers.push(HeaderName::Contact, contact);
    headers
}

fn streams_of(body: &Body) -> Vec<Stream> {
    let description = Description::parse(&negotiate::session_part(body.clone()).bytes);
    description.map(|it| it.streams).unwrap_or_default()
}

#[cfg(test)]
mod tests;
