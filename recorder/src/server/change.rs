//! A recording session changes: it pauses and goes on (a=inactive), gains streams, or tells more of who speaks.

use std::{collections::BTreeSet, time::Instant};

use callcore::tag::RecordingTag;
use wire::{
    sdp::Description,
    sip::{
        endpoint::SessionId,
        message::{Body, Request, StatusCode},
    },
    siprec::{self, Metadata},
};

use super::{
    audio::shared::Claim,
    begin::{Sharing, local, no_room},
    disk::Job,
    offer::{self, Agreed, Refusal},
    parties::Told,
    reason::RefusalReason,
    run::Server,
    say::Word,
    session::New,
};
use crate::{index::State, names::RecordingId};

/// Whether a change ends a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Over,
    Not,
}

/// What begins with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// The call's next recording.
    Next,
    Nothing,
}

impl Server {
    /// The sender pauses, goes on, adds streams, or says more of who speaks.
    pub(super) fn on_change(
        &mut self,
        session: SessionId,
        body: Option<&Body>,
    ) -> Result<(), Refusal> {
        let Some(recording) = self.sessions.get(&session) else {
            return Err(Refusal::new(
                StatusCode::CALL_DOES_NOT_EXIST,
                RefusalReason::Gone,
                "no such recording",
            ));
        };
        let Some(body) = body else {
            // It asks what we would take: the same.
            let same = recording.answer.to_body();
            self.say_when_obeyed(session, Word::Changes(Some(same)));
            return Ok(());
        };
        if let Some(metadata) = lone_metadata(body)? {
            let begins = self.take_metadata(session, &metadata, Hold::Not)?;
            self.answer_change(session, None, begins);
            return Ok(());
        }
        let parts = offer::parts(Some(body))?;
        if let Some(metadata) = &parts.metadata {
            // Refused whole: what was agreed stays as it was (RFC 3261 section 14.1).
            keeps_tag(metadata, &recording.tag)?;
        }
        let (answer, hold) = self.renegotiate(session, &parts.sdp)?;
        let begins = match &parts.metadata {
            Some(metadata) => self.take_metadata(session, metadata, hold)?,
            None => self.follow(session, Told::Nothing, hold),
        };
        self.answer_change(session, Some(answer.to_body()), begins);
        Ok(())
    }

    fn renegotiate(
        &mut self,
        session: SessionId,
        offer: &Description,
    ) -> Result<(Description, Hold), Refusal> {
        let unfit =
            |text| Refusal::new(StatusCode::NOT_ACCEPTABLE_HERE, RefusalReason::Change, text);
        let recording = self
            .sessions
            .get(&session)
            .ok_or_else(|| unfit("no such recording"))?;
        let lines = recording.lines();
        if offer.streams.len() < lines {
            return Err(unfit(
                "a change may not leave streams out (RFC 3264 section 8)",
            ));
        }
        offer::check_streams(offer)?;
        let sharing = if recording.is_shared() {
            Sharing::Allowed
        } else {
            Sharing::Not
        };
        let (mut ours, origin) = (recording.local(), recording.answer.origin.next());
        let (id, demand) = (recording.id, recording.demand);
        let free: BTreeSet<usize> = (0..offer.streams.len())
            .filter(|place| recording.is_free(*place))
            .collect();
        let doors = self.open_doors(offer, |place| free.contains(&place), sharing)?;
        ours.resize(offer.streams.len(), None);
        for (ours, new) in ours.iter_mut().zip(local(&doors)) {
            *ours = ours.or(new);
        }
        let (answer, mut agreed) = offer::answer(offer, origin, &ours, demand)?;
        let mut new = New::of(&mut agreed, doors);
        let claims = self.claim_renamed(session, &agreed, &mut new)?;
        let streams: Vec<_> = new
            .iter()
            .map(|one| (one.agreed.label.clone(), one.agreed.codec))
            .collect();
        if !streams.is_empty() {
            let job = Job::AddStreams(id, streams);
            self.jobs
                .try_send(job)
                .map_err(|_| no_room(RefusalReason::DiskBehind, "the disk is too slow"))?;
        }
        let recording = self
            .sessions
            .get_mut(&session)
            .ok_or_else(|| unfit("no such recording"))?;
        let hold = if recording.resumes(&agreed) {
            Hold::Over
        } else {
            Hold::Not
        };
        recording.rename(claims);
        recording.change(&agreed);
        recording.add_at(new, offer.streams.len());
        recording.answer = answer.clone();
        Ok((answer, hold))
    }

    /// Checks that the streams there are can go on as agreed; gives places to those that have another name from now on.
    fn claim_renamed(
        &mut self,
        session: SessionId,
        agreed: &[Option<Agreed>],
        new: &mut [New],
    ) -> Result<Vec<(usize, Claim)>, Refusal> {
        let unfit =
            |text| Refusal::new(StatusCode::NOT_ACCEPTABLE_HERE, RefusalReason::Change, text);
        let Some(recording) = self.sessions.get(&session) else {
            return Err(unfit("no such recording"));
        };
        if !recording.fits(agreed) || !recording.name(new) {
            return Err(unfit(
                "a stream keeps its codec and payload type, and a new one needs a label of its own",
            ));
        }
        let renamed = recording.renamed(agreed).into_iter();
        let claims = renamed.map(|(place, key)| {
            let seat = recording.streams[place].as_ref()?.steering.seat()?;
            Some((place, self.shared.claim_beside(seat, key)?))
        });
        claims
            .collect::<Option<_>>()
            .ok_or_else(|| unfit("another stream from that address has that SSRC"))
    }

    fn take_metadata(
        &mut self,
        session: SessionId,
        metadata: &Metadata,
        hold: Hold,
    ) -> Result<Begins, Refusal> {
        let Some(recording) = self.sessions.get_mut(&session) else {
            return Ok(Begins::Nothing);
        };
        keeps_tag(metadata, &recording.tag)?;
        let told = recording.parties.learn(metadata);
        Ok(self.follow(session, told, hold))
    }

    /// What a hold that is over, and who takes part now, mean for what is written: the next recording of the call, or a
    /// mark in this one.
    fn follow(&mut self, session: SessionId, told: Told, hold: Hold) -> Begins {
        let Some(recording) = self.sessions.get(&session) else {
            return Begins::Nothing;
        };
        let cut = hold == Hold::Over || told == Told::Transfer;
        if cut
            && recording.next.is_none()
            && self.segments.may_begin(&recording.call(), Instant::now())
        {
            match self.begin_next(session, hold, told) {
                Ok(()) => return Begins::Next,
                Err(refusal) => {
                    tracing::error!(
                        text = refusal.text,
                        "the call goes on in the same recording"
                    );
                }
            }
        }
        if let Some(recording) = self.sessions.get_mut(&session) {
            recording.tell(told);
        }
        Begins::Nothing
    }

    fn begin_next(&mut self, session: SessionId, hold: Hold, told: Told) -> Result<(), Refusal> {
        let Some(recording) = self.sessions.get_mut(&session) else {
            return Ok(());
        };
        let id = RecordingId::random()
            .map_err(|error| no_room(RefusalReason::Random, error.to_string()))?;
        let (streams, whom) = recording.prepare_next(id, told);
        let begins = (recording.tag_now(), whom);
        let call = recording.call();
        let made = self.make(session, id, begins, streams);
        if made.is_ok() {
            self.segments.begins(call, Instant::now());
        }
        if let Some(recording) = self.sessions.get_mut(&session) {
            match (&made, hold) {
                (Err(_), _) => recording.stay(),
                (Ok(()), Hold::Over) => recording.wait(),
                (Ok(()), Hold::Not) => {}
            }
        }
        made
    }

    /// The next recording of a session is on disk, or can't be made; false when it is nobody's next.
    pub(super) fn goes_on(&mut self, session: SessionId, id: RecordingId, made: bool) -> bool {
        let Some(recording) = self.sessions.get_mut(&session) else {
            return false;
        };
        let Some(mut next) = recording.next.take_if(|next| next.id == id) else {
            return false;
        };
        let answer = next.answer.take();
        if made && recording.add_late(&mut next) {
            let closed = recording.enter(next);
            self.closing.spawn(closed);
        } else {
            tracing::error!(
                "the next recording of a call can't be made: it goes on in the same one"
            );
            recording.stay();
            recording.tell(next.told);
            if made {
                self.finish(id, State::Closed);
            }
        }
        if let Some(body) = answer {
            self.say_when_obeyed(session, Word::Changes(body));
        }
        true
    }

    /// Answers a change; when the next recording begins with it, as soon as that is there.
    fn answer_change(&mut self, session: SessionId, body: Option<Body>, begins: Begins) {
        let recording = self.sessions.get_mut(&session);
        match recording.and_then(|recording| recording.next.as_mut()) {
            Some(next) if begins == Begins::Next => next.answer = Some(body),
            _ => self.say_when_obeyed(session, Word::Changes(body)),
        }
    }

    /// Metadata may also come in an INFO or another request inside the session, already answered.
    pub(super) fn on_told(&mut self, session: SessionId, request: &Request) {
        let Some(body) = request.body() else { return };
        let taken = lone_metadata(&body).and_then(|metadata| match metadata {
            Some(metadata) => self.take_metadata(session, &metadata, Hold::Not).map(drop),
            None => Ok(()),
        });
        if let Err(refusal) = taken {
            tracing::warn!(
                reason = refusal.reason.name(),
                text = refusal.text,
                "metadata was passed over"
            );
        }
    }
}

fn keeps_tag(metadata: &Metadata, tag: &RecordingTag) -> Result<(), Refusal> {
    if !offer::changes_tag(metadata, tag) {
        return Ok(());
    }
    let (status, text) = (
        StatusCode::NOT_ACCEPTABLE_HERE,
        "a recording keeps the tag it began under: end it and begin another",
    );
    Err(Refusal::new(status, RefusalReason::TagChange, text))
}

/// Metadata that comes alone, in an UPDATE or INFO (RFC 7866 section 7.1.1).
fn lone_metadata(body: &Body) -> Result<Option<Metadata>, Refusal> {
    let kind = body
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    // Some clients leave the `+xml` out.
    let known = [siprec::METADATA_TYPE, "application/rs-metadata"];
    if !known.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Ok(None);
    }
    let parsed = Metadata::parse(&body.bytes);
    parsed.map(Some).map_err(|error| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            RefusalReason::Body,
            error.to_string(),
        )
    })
}
