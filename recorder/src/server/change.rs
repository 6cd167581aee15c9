//! A recording session changes: it pauses and goes on (a=inactive), gains streams, or tells more of who speaks.

use transport::media::RtpSocket;
use wire::{
    sdp::Description,
    sip::{
        endpoint::SessionId,
        message::{Body, Request, StatusCode},
    },
    siprec::{self, Metadata},
};

use super::{
    begin::{no_room, placed},
    disk::Job,
    offer::{self, Refusal},
    run::{Server, said},
};

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
                "gone",
                "no such recording",
            ));
        };
        let Some(body) = body else {
            // It asks what we would take: the same.
            let same = recording.answer.to_body();
            self.accept_change(session, Some(same));
            return Ok(());
        };
        if let Some(metadata) = lone_metadata(body)? {
            self.take_metadata(session, &metadata)?;
            self.accept_change(session, None);
            return Ok(());
        }
        let parts = offer::parts(Some(body))?;
        let answer = self.renegotiate(session, &parts.sdp)?;
        if let Some(metadata) = &parts.metadata {
            self.take_metadata(session, metadata)?;
        }
        self.accept_change(session, Some(answer.to_body()));
        Ok(())
    }

    fn renegotiate(
        &mut self,
        session: SessionId,
        offer: &Description,
    ) -> Result<Description, Refusal> {
        let unfit = |text| Refusal::new(StatusCode::NOT_ACCEPTABLE_HERE, "change", text);
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
        let mut local = recording.local();
        let sockets = self.open_sockets(offer, lines)?;
        local.extend(
            sockets
                .iter()
                .map(|socket| socket.as_ref().map(RtpSocket::local_addr)),
        );
        let (answer, mut agreed) = offer::answer(offer, recording.answer.origin.next(), &local)?;
        if !recording.fits(&agreed) {
            return Err(unfit(
                "a stream keeps its codec, and a new one needs a label of its own",
            ));
        }
        let new = agreed.split_off(lines);
        let streams: Vec<_> = new
            .iter()
            .flatten()
            .map(|one| (one.label.clone(), one.law))
            .collect();
        if !streams.is_empty() {
            let job = Job::AddStreams(recording.id, streams);
            self.jobs
                .try_send(job)
                .map_err(|_| no_room("disk-behind", "the disk is too slow"))?;
        }
        let recording = self
            .sessions
            .get_mut(&session)
            .ok_or_else(|| unfit("no such recording"))?;
        recording.change(&agreed);
        recording.add(placed(new, sockets));
        recording.answer = answer.clone();
        Ok(answer)
    }

    fn take_metadata(&self, session: SessionId, metadata: &Metadata) -> Result<(), Refusal> {
        let Some(recording) = self.sessions.get(&session) else {
            return Ok(());
        };
        if offer::changes_tag(metadata, &recording.tag) {
            let text = "a recording keeps the tag it began under: end it and begin another";
            return Err(Refusal::new(
                StatusCode::NOT_ACCEPTABLE_HERE,
                "tag-change",
                text,
            ));
        }
        if metadata.participants.is_empty() {
            return Ok(());
        }
        let job = Job::Meta(recording.id, Box::new(offer::meta(metadata)));
        self.jobs
            .try_send(job)
            .map_err(|_| no_room("disk-behind", "the disk is too slow"))
    }

    /// Metadata may also come in an INFO or another request inside the session, already answered.
    pub(super) fn on_told(&self, session: SessionId, request: &Request) {
        let Some(body) = request.body() else { return };
        let taken = lone_metadata(&body).and_then(|metadata| match metadata {
            Some(metadata) => self.take_metadata(session, &metadata),
            None => Ok(()),
        });
        if let Err(refusal) = taken {
            tracing::warn!(
                reason = refusal.reason,
                text = refusal.text,
                "metadata was passed over"
            );
        }
    }

    fn accept_change(&mut self, session: SessionId, body: Option<Body>) {
        let now = self.driver.now();
        said(self.driver.endpoint().accept_change(now, session, body));
    }
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
    parsed
        .map(Some)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "body", error.to_string()))
}
