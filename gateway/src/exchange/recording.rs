//! The SIPREC client (SRC, RFC 7866 section 6): one recording session a call.
//!
//! A lost recorder never ends a call: the gap is counted, and recording resumes when the recorder answers again.

use std::time::Instant;

use callcore::{
    personal::CallerNumber,
    scenario::SEGMENTS_MAX,
    switch::{CallId, Input},
    tag::RecordingTag,
};
use rand::RngExt;
use transport::SipDriver;
use wire::{
    sdp::{Description, Direction},
    sip::{
        endpoint::{Invite, TransportKind},
        message::{HeaderName, Headers, Response, StatusCode},
    },
    siprec::{self, Aor, Id, Metadata, Participant, StreamInfo},
};

use super::{
    Exchange,
    call::{Leg, RecordingLeg},
    own_uri, ports,
};
use crate::{crypto::OurCrypto, negotiate};

impl Exchange {
    pub(super) fn start_recording(&mut self, sip: &mut SipDriver, id: CallId, tag: RecordingTag) {
        let up = self.recorder.as_ref().is_some_and(|recorder| recorder.up);
        if !up || self.invite_recorder(sip, id, tag).is_none() {
            self.input(Input::RecordingLost(id));
        }
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
        let streams = media.open_fork(&mut self.media, self.homes.ip(own));
        let streams = streams
            .inspect_err(|error| ports::log_none(id, error))
            .ok()?;
        // Says nothing of anybody, and no two calls are the same (RFC 7022).
        let cname = format!("{:024x}", self.rng.random::<u128>() >> 32);
        // Each stream by a key of its own, and by none that a call has (RFC 7866 section 12.2).
        let crypto = [(); 2].map(|()| OurCrypto::offering(recorder.srtp));
        let number = call.number.as_ref().filter(|_| recorder.private);
        let metadata = metadata(&tag, number, || Id::from_uuid(self.rng.random()));
        let mut headers = Headers::default();
        // RFC 7866 section 6.1: the SRS must understand a recording session.
        headers.push(HeaderName::Require, siprec::OPTION_TAG);
        let invite = Invite {
            next_hop: Some(recorder.address),
            local: Some(own),
            from: own_uri("src", self.homes.here(own)).into(),
            headers,
            body: Some(siprec::body(
                &negotiate::recording_offer(streams, &cname, &crypto),
                &metadata,
            )),
            ..Invite::anonymous(recorder.uri.clone())
        };
        let now = sip.now();
        let session = sip.endpoint().invite(now, invite).ok()?;
        self.legs.insert(session, Leg::Recording(id));
        call.recording = Some(Box::new(RecordingLeg {
            session,
            tag,
            established: false,
            streams,
            cname: cname.into(),
            crypto,
            wanted: Direction::SendOnly,
            told: Direction::SendOnly,
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
        let call = self.calls.get_mut(&id);
        let Some(leg) = call.and_then(|call| call.recording.as_mut()) else {
            return;
        };
        leg.wanted = wanted;
        if !leg.established || leg.told == wanted {
            return;
        }
        let body = Some(leg.next_offer().to_body());
        let now = sip.now();
        // While the recorder answers the change before, this one waits: `recording_turned` makes it.
        if sip.endpoint().change(now, leg.session, body).is_ok() {
            leg.told = wanted;
        }
    }

    /// Somebody else speaks, and the call has as many recordings as it may: the recorder marks it in the one that goes on.
    pub(super) fn tell_transfer(&mut self, sip: &mut SipDriver, id: CallId) {
        let (Some(recorder), Some(call)) = (&self.recorder, self.calls.get_mut(&id)) else {
            return;
        };
        let number = call.number.as_ref().filter(|_| recorder.private);
        let leg = call.recording.as_mut().filter(|leg| leg.established);
        let Some(leg) = leg else { return };
        let metadata = metadata(&leg.tag, number, || Id::from_uuid(self.rng.random()));
        let body = siprec::body(&leg.next_offer(), &metadata);
        let now = sip.now();
        // While the recorder answers another change, the place goes unmarked; what is said is recorded all the same.
        let _ = sip.endpoint().change(now, leg.session, Some(body));
    }

    /// The recorder has answered a change: another may be wanted meanwhile.
    pub(super) fn recording_turned(&mut self, sip: &mut SipDriver, id: CallId) {
        let leg = self.calls.get(&id).and_then(|call| call.recording.as_ref());
        if let Some(wanted) = leg.map(|leg| leg.wanted) {
            self.turn_recording(sip, id, wanted);
        }
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
        match (agreed, &call.media) {
            (Some((caller, far)), Some(media)) => {
                leg.established = true;
                media.fork(caller, far);
                self.observer.recorded(id, &leg.tag);
                self.input(Input::RecordingStarted(id));
                self.recording_turned(sip, id);
            }
            _ => self.recording_refused(sip, id),
        }
    }

    /// The recorder's address refuses the audio of the recording that bears that number, if it is still the call's.
    pub(super) fn audio_refused(&mut self, sip: &mut SipDriver, id: CallId, ssrc: u32) {
        let leg = self.calls.get(&id).and_then(|call| call.recording.as_ref());
        if leg.is_some_and(|leg| leg.streams.caller.ssrc == ssrc) {
            self.recording_refused(sip, id);
        }
    }

    /// The recorder's address refuses audio: it is gone, or has forgotten the session. Ask it at once.
    pub(super) fn recording_refused(&mut self, sip: &mut SipDriver, id: CallId) {
        if let Some(leg) = self.calls.get(&id).and_then(|call| call.recording.as_ref()) {
            let (session, now) = (leg.session, sip.now());
            self.legs.remove(&session);
            let _ = sip.endpoint().end(now, session, None);
            self.recording_lost(id);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.up = false;
            recorder.next_ping = Instant::now();
        }
    }

    /// The recorder ended the session or had no room. A fault of ours (4xx) would be refused again; the rest may pass.
    pub(super) fn recording_ended(&mut self, id: CallId, status: Option<StatusCode>) {
        let passes = status
            .is_none_or(|status| status.code() >= 500 || status == StatusCode::REQUEST_TIMEOUT);
        if let Some(recorder) = self.recorder.as_mut().filter(|_| passes) {
            recorder.try_again = true;
        }
        self.recording_lost(id);
    }

    /// Nothing goes to the recorder any more. Gives the session, if there was one, which is left as it is.
    pub(super) fn recording_lost(&mut self, id: CallId) -> Option<Box<RecordingLeg>> {
        let call = self.calls.get_mut(&id)?;
        let leg = call.recording.take()?;
        if let Some(media) = &call.media {
            media.fork_off();
        }
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
        self.close_recording(sip, id, *leg);
    }

    /// Ends a recording session. One that the recorder hasn't answered is not cancelled: it may have begun a recording in
    /// this moment, which nobody would count.
    pub(super) fn close_recording(&mut self, sip: &mut SipDriver, id: CallId, leg: RecordingLeg) {
        if !leg.established {
            self.legs.insert(leg.session, Leg::Closing(id));
            self.closing.insert(leg.session, leg.tag);
            return;
        }
        let now = sip.now();
        let _ = sip.endpoint().end(now, leg.session, None);
    }

    /// The recorder answered after the call had ended: an empty recording, but one.
    pub(super) fn closing_answered(
        &mut self,
        sip: &mut SipDriver,
        session: wire::sip::endpoint::SessionId,
    ) {
        if let Some(tag) = self.closing.remove(&session) {
            self.observer.recorded_late(&tag);
        }
        let now = sip.now();
        let _ = sip.endpoint().end(now, session, None);
    }
}

impl RecordingLeg {
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

/// What the recorder is told: two parties, two streams, and the tag. The caller's number only on a private way: it lies
/// encrypted in the store, so that an extract (uttag) can find a person's calls.
fn metadata(
    tag: &RecordingTag,
    number: Option<&CallerNumber>,
    mut id: impl FnMut() -> Id,
) -> Metadata {
    let streams = [negotiate::CALLER_LABEL, negotiate::NURSE_LABEL].map(|label| StreamInfo {
        id: id(),
        label: label.into(),
    });
    let [caller, nurse] = streams.each_ref().map(|stream| stream.id.clone());
    let address = number.map(|number| Aor::new(format!("tel:{}", number.reveal().as_str())));
    let party = |id, name: &str, aor, sends: &Id, receives: &Id| Participant {
        id,
        aor,
        name: Some(name.into()),
        sends: vec![sends.clone()],
        receives: vec![receives.clone()],
    };
    let mut metadata = Metadata::new(id());
    metadata.start_time = Some(tag.started.timestamp().to_string().into());
    metadata.participants = vec![
        party(id(), "caller", address, &caller, &nurse),
        party(id(), "nurse", None, &nurse, &caller),
    ];
    metadata.streams = streams.into();
    metadata.extension = tag
        .fields()
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    metadata
}
