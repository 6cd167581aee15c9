//! A recording session begins: checked, given ports, stored, and only then answered.

use std::sync::Arc;

use callcore::tag::RecordingTag;
use tokio::sync::oneshot;
use transport::media::RtpSocket;
use wire::{
    sdp::{Description, Kind, Origin},
    sip::{
        endpoint::SessionId,
        message::{HeaderName, Headers, Request, StatusCode},
    },
    siprec,
};

use super::{
    disk::{Begin, DiskError, Job},
    offer::{self, Agreed, Refusal, Wanted},
    run::Server,
    session::{Place, Session},
};
use crate::{index::State, names::RecordingId};

/// A session that is answered when its recording is on disk.
pub(super) struct Starting {
    tag: RecordingTag,
    answer: Description,
    places: Vec<Place>,
}

/// What the writer says of a recording that was to begin.
pub(super) struct Begun {
    session: SessionId,
    id: RecordingId,
    result: Result<(), DiskError>,
}

impl Server {
    /// A recording session is asked for: it's answered when its recording is on disk.
    pub(super) fn on_incoming(
        &mut self,
        session: SessionId,
        request: &Request,
        peer: std::net::IpAddr,
    ) -> Result<(), Refusal> {
        if self.sessions.len() + self.starting.len() >= self.options.recordings_max {
            return Err(no_room("full", "as many recordings as this recorder holds"));
        }
        let waits = u64::try_from(self.board.spool_bytes.get()).unwrap_or(0);
        if waits > self.options.spool_bytes_max {
            return Err(no_room("spool-full", "what waits for S3 fills the spool"));
        }
        let Wanted { tag, meta, offer } = offer::read(request, peer, &self.options)?;
        let id = RecordingId::random().map_err(|error| no_room("random", error.to_string()))?;
        let sockets = self.open_sockets(&offer, 0)?;
        let local: Vec<_> = sockets
            .iter()
            .map(|socket| socket.as_ref().map(RtpSocket::local_addr))
            .collect();
        let origin = Origin::new(session.0, self.driver.local_addr().ip());
        let (answer, agreed) = offer::answer(&offer, origin, &local)?;
        let streams = agreed
            .iter()
            .flatten()
            .map(|one| (one.label.clone(), one.law))
            .collect();
        let places = placed(agreed, sockets);

        let (begun, told) = oneshot::channel();
        let job = Job::Begin(Box::new(Begin {
            id,
            tag: tag.clone(),
            meta,
            streams,
            begun,
        }));
        self.jobs
            .try_send(job)
            .map_err(|_| no_room("disk-behind", "the disk is too slow for what is recorded"))?;
        self.starting.insert(
            session,
            Starting {
                tag,
                answer,
                places,
            },
        );
        self.begun.spawn(async move {
            // The writer gone without a word: the index doesn't know of it either.
            let result = told.await.unwrap_or_else(|_| {
                let source = std::io::Error::other("the writer stopped");
                Err(DiskError::Vault(crate::vault::VaultError::Unusable {
                    path: "the store".into(),
                    source,
                }))
            });
            Begun {
                session,
                id,
                result,
            }
        });
        Ok(())
    }

    pub(super) fn on_begun(&mut self, begun: Option<Begun>) {
        let Some(Begun {
            session,
            id,
            result,
        }) = begun
        else {
            return;
        };
        let starting = self.starting.remove(&session);
        match (starting, result) {
            (
                Some(Starting {
                    tag,
                    answer,
                    places,
                }),
                Ok(()),
            ) => {
                let hands = (self.jobs.clone(), Arc::clone(&self.board));
                let recording = Session::begin(id, tag, answer, places, hands);
                let (body, headers) = (recording.answer.to_body(), self.answer_headers());
                self.sessions.insert(session, recording);
                let now = self.driver.now();
                if self
                    .driver
                    .endpoint()
                    .answer_with(now, session, &headers, Some(body))
                    .is_err()
                {
                    self.close(session, State::Truncated);
                }
            }
            (Some(_), Err(_)) => {
                let text = "the recording can't be stored; the recorder's log says why";
                self.refuse(
                    session,
                    &Refusal::new(StatusCode::SERVER_INTERNAL_ERROR, "disk", text),
                );
            }
            // The caller gave up meanwhile.
            (None, Ok(())) => {
                let jobs = self.jobs.clone();
                self.closing.spawn(async move {
                    // Without a writer it's closed at the next start.
                    let _told = jobs.send(Job::Finish(id, State::Truncated)).await;
                });
            }
            (None, Err(_)) => {}
        }
    }

    /// Our Contact says that a recording server answers (RFC 7866 section 6.1.2).
    fn answer_headers(&self) -> Headers {
        let mut headers = Headers::new();
        let contact = format!(
            "<sip:recorder@{}>;{}",
            self.driver.local_addr(),
            siprec::SERVER_FEATURE
        );
        headers.push(HeaderName::Contact, contact.as_str());
        headers
    }

    /// A socket for every audio stream from that one on.
    pub(super) fn open_sockets(
        &self,
        offer: &Description,
        from: usize,
    ) -> Result<Vec<Option<RtpSocket>>, Refusal> {
        let wanted = offer
            .streams
            .iter()
            .skip(from)
            .map(|stream| stream.kind == Kind::Audio && !stream.is_rejected());
        let open = |wanted: bool| wanted.then(|| self.ports.open()).transpose();
        wanted
            .map(open)
            .collect::<Result<_, _>>()
            .map_err(|error| no_room("ports", error.to_string()))
    }
}

pub(super) fn placed(agreed: Vec<Option<Agreed>>, sockets: Vec<Option<RtpSocket>>) -> Vec<Place> {
    agreed
        .into_iter()
        .zip(sockets)
        .map(|(agreed, socket)| agreed.zip(socket))
        .collect()
}

pub(super) fn no_room(reason: &'static str, text: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason, text)
}
