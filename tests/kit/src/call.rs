//! One call of a phone, from its INVITE to its end.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use wire::{
    sdp::{Codec, Description, Origin, Preference, Stream, answer, read_answer},
    sip::{
        endpoint::{Ending, Event, SessionId},
        message::{Body, Headers, Request, StatusCode},
    },
};

use crate::{
    phone::Phone,
    plan::{CallResult, Ended, Until},
    voice::Voice,
};

/// What a phone offers: one stream, what telephones speak.
pub(crate) fn offer(voice: &Voice, version: u64) -> Description {
    let address = voice.local_addr();
    let stream = Stream::audio(address, Codec::telephony());
    let stream = match voice.offers() {
        Some(line) => stream.requiring(vec![line.clone()]),
        None => stream,
    };
    Description {
        origin: Origin {
            version,
            ..Origin::new(u64::from(address.port()), address.ip())
        },
        streams: vec![stream],
    }
}

pub(crate) struct Call<'a> {
    phone: &'a mut Phone,
    session: SessionId,
    voice: Voice,
    until: Until,
    deadline: Instant,
    started: Instant,
    tick: Interval,
    /// Our offer that waits for an answer.
    offered: Option<Description>,
    version: u64,
    hanging_up: bool,
    result: CallResult,
    done: bool,
}

enum Step {
    Event(Event),
    Heard(usize),
    Tick,
    Deadline,
    Nothing,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        phone: &'a mut Phone,
        session: SessionId,
        voice: Voice,
        until: Until,
        deadline: Instant,
    ) -> Self {
        let mut tick = interval(Duration::from_millis(20));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Self {
            phone,
            session,
            voice,
            until,
            deadline,
            started: Instant::now(),
            tick,
            offered: None,
            version: 1,
            hanging_up: false,
            result: CallResult::new(Ended::Deadline),
            done: false,
        }
    }

    /// This phone calls, with that offer.
    pub(crate) fn calling(mut self, offer: Description) -> Self {
        self.offered = Some(offer);
        self
    }

    /// This phone is called: rings, and answers.
    pub(crate) fn called(mut self, request: Box<Request>, ring: bool, answers: bool) -> Self {
        let now = self.phone.driver.now();
        let endpoint = self.phone.driver.endpoint();
        if ring || !answers {
            // The caller may have given up; then `Ended` follows.
            let _ = endpoint.progress(now, self.session, StatusCode::RINGING, None);
        }
        let body = request.body();
        self.result.request = Some(request);
        if answers {
            self.pick_up(body.as_ref());
        }
        self
    }

    fn pick_up(&mut self, offer: Option<&Body>) {
        let now = self.phone.driver.now();
        if let Some(body) = self.respond(offer) {
            if self
                .phone
                .driver
                .endpoint()
                .answer(now, self.session, Some(body))
                .is_ok()
            {
                self.answered(StatusCode::OK);
            }
        } else {
            let refusal = StatusCode::NOT_ACCEPTABLE_HERE;
            let _ =
                self.phone
                    .driver
                    .endpoint()
                    .reject(now, self.session, refusal, &Headers::new());
            self.result.status = Some(refusal);
            self.finish(Ended::Us);
        }
    }

    /// The answer to an offer, or an offer where there's none. `None`: nothing in common.
    fn respond(&mut self, theirs: Option<&Body>) -> Option<Body> {
        let ours = offer(&self.voice, self.version);
        self.version += 1;
        let Some(theirs) = theirs else {
            let body = ours.to_body();
            self.offered = Some(ours);
            return Some(body);
        };
        let theirs = Description::parse(&theirs.bytes).ok()?;
        let first = theirs
            .streams
            .iter()
            .position(|stream| stream.kind == wire::sdp::Kind::Audio)?;
        let mut local = vec![None; first];
        local.push(Some(self.voice.local_addr()));
        let answer = answer(
            &theirs,
            ours.origin,
            &local,
            &Codec::telephony(),
            Preference::Answerer,
            Some(&self.voice.key()),
        )
        .ok()?;
        self.voice
            .agree(answer.accepted.into_iter().flatten().next());
        Some(answer.description.to_body())
    }

    fn answered(&mut self, status: StatusCode) {
        self.result.status = Some(status);
        self.result.time_to_answer = Some(self.started.elapsed());
    }

    pub(crate) async fn run(mut self) -> CallResult {
        while !self.done {
            match self.step().await {
                Step::Event(event) => self.on_event(event),
                Step::Heard(len) => self.voice.hear(self.phone.driver.now(), len),
                Step::Tick => self.voice.say(),
                Step::Deadline => {
                    self.hang_up();
                    self.finish(Ended::Deadline);
                }
                Step::Nothing => {}
            }
            if !self.hanging_up && self.is_enough() {
                self.hang_up();
            }
        }
        self.phone.driver.flush();
        self.result.remote_audio = self.voice.agreed().map(|agreed| agreed.remote);
        self.result.packets_sent = self.voice.packets_sent();
        self.result.encrypted = self.voice.is_encrypted();
        let (heard, audio, keys, audio_source) = self.voice.finish();
        CallResult {
            heard,
            audio,
            keys,
            audio_source,
            ..self.result
        }
    }

    async fn step(&mut self) -> Step {
        tokio::select! {
            event = self.phone.driver.event() => Step::Event(event),
            len = self.voice.datagram() => len.map_or(Step::Nothing, Step::Heard),
            _ = self.tick.tick() => Step::Tick,
            () = sleep_until(self.deadline) => Step::Deadline,
        }
    }

    fn is_enough(&self) -> bool {
        let up = self.result.time_to_answer.is_some();
        match self.until {
            Until::PeerEnds => false,
            Until::Ringing => self
                .result
                .provisional
                .iter()
                .any(|status| status.code() >= 180),
            Until::Heard(span) => up && self.voice.time_heard() >= span,
            Until::HeardTone(hz) => up && self.voice.hears_tone(hz),
            Until::Sent(span) => up && self.voice.time_sent() >= span,
        }
    }

    fn hang_up(&mut self) {
        self.hanging_up = true;
        let now = self.phone.driver.now();
        // The other side may have been first; then `Ended` says so.
        let _ = self.phone.driver.endpoint().end(now, self.session, None);
    }

    fn finish(&mut self, ended: Ended) {
        self.result.ended = ended;
        self.done = true;
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Incoming { session, .. } => self.turn_away(session),
            Event::Progress {
                session,
                status,
                body,
                ..
            } if session == self.session => {
                self.result.provisional.push(status);
                self.read_answer(body.as_ref(), false);
            }
            Event::Answered { session, response } if session == self.session => {
                self.answered(response.status);
                self.read_answer(response.body().as_ref(), true);
                self.result.response = Some(response);
            }
            Event::Confirmed { session, body } if session == self.session => {
                self.read_answer(body.as_ref(), true)
            }
            Event::Rejected {
                session,
                status,
                contacts,
                ..
            } if session == self.session => {
                self.result.status = Some(status);
                self.result.contacts = contacts;
                self.finish(if self.hanging_up {
                    Ended::Us
                } else {
                    Ended::Rejected
                });
            }
            Event::ChangeRequested { session, body } if session == self.session => {
                self.change(body.as_ref())
            }
            Event::Ended { session, why } if session == self.session => self.finish(match why {
                Ending::Ours => Ended::Us,
                Ending::Bye | Ending::Cancelled => Ended::Peer,
                Ending::NoAck | Ending::Lost => Ended::Lost,
            }),
            // Of calls that are over, or of no meaning to a phone.
            _ => {}
        }
    }

    fn turn_away(&mut self, session: SessionId) {
        let now = self.phone.driver.now();
        let _ = self.phone.driver.endpoint().reject(
            now,
            session,
            StatusCode::BUSY_HERE,
            &Headers::new(),
        );
    }

    /// Early media's answer may be followed by another; the one in the 2xx counts.
    fn read_answer(&mut self, body: Option<&Body>, last: bool) {
        let theirs = body.and_then(|body| Description::parse(&body.bytes).ok());
        if let (Some(ours), Some(theirs)) = (&self.offered, theirs) {
            let agreed = read_answer(ours, &theirs).unwrap_or_default();
            self.voice.agree(agreed.into_iter().flatten().next());
            if last {
                self.offered = None;
            }
        }
    }

    fn change(&mut self, offer: Option<&Body>) {
        self.result.changes += 1;
        let now = self.phone.driver.now();
        // The peer may have withdrawn the question.
        let _ = match self.respond(offer) {
            Some(body) => self
                .phone
                .driver
                .endpoint()
                .accept_change(now, self.session, Some(body)),
            None => self.phone.driver.endpoint().reject_change(
                now,
                self.session,
                StatusCode::NOT_ACCEPTABLE_HERE,
            ),
        };
    }
}
