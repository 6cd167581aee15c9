//! A recording session begins: checked, given ports, stored, and only then answered.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use callcore::tag::RecordingTag;
use tokio::sync::oneshot;
use transport::media::PortsError;
use wire::{
    sdp::{self, Description, Kind, Origin},
    sip::{
        endpoint::{Flow, SessionId, TransportKind},
        message::{HeaderName, Headers, Request, StatusCode},
    },
    siprec,
};

use super::{
    audio::shared::Key,
    audio::steering::Door,
    disk::{Begin, DiskError, Job},
    offer::{self, Agreed, Refusal, Wanted},
    parties::Parties,
    reason::RefusalReason,
    run::Server,
    say::Word,
    session::{Place, Session},
    srtp::Demand,
};
use crate::{
    index::State,
    names::{RecordingId, StreamLabel},
    vault::{Codec, Meta},
};

/// A session that is answered when its recording is on disk.
pub(super) struct Starting {
    tag: RecordingTag,
    parties: Parties,
    /// Where we are asked further, by the way this came.
    contact: String,
    answer: Description,
    demand: Demand,
    places: Vec<Place>,
    /// When it was asked for.
    came: Instant,
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
        flow: Flow,
    ) -> Result<(), Refusal> {
        let came = Instant::now();
        if self.options.named && self.driver.peer_name(flow).is_none() {
            let text =
                "this recorder takes recordings by TLS, from those whose certificate it trusts";
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                RefusalReason::Peer,
                text,
            ));
        }
        self.has_room()?;
        let Wanted {
            tag,
            parties,
            offer,
        } = offer::read(request, flow.peer().ip(), &self.options)?;
        let id = RecordingId::random()
            .map_err(|error| no_room(RefusalReason::Random, error.to_string()))?;
        let doors = self.open_doors(&offer, |_| true, Sharing::Allowed)?;
        let local: Vec<_> = local(&doors).collect();
        let own = self.own_address(flow.kind());
        let origin = Origin::new(session.0, own.ip());
        let demand = Demand::of(self.options.srtp, flow.kind() == TransportKind::Tls);
        let (answer, agreed) = offer::answer(&offer, origin, &local, demand)?;
        let agreed_ones = || agreed.iter().flatten();
        let streams = agreed_ones().map(|one| (one.label.clone(), one.codec));
        let names = agreed_ones().filter_map(|one| Some((one.named.as_deref()?, &one.label)));
        let whom = parties.meta(&names.collect());
        self.make(session, id, (tag.clone(), whom), streams.collect())?;
        self.segments.begins(parties.call(&tag), Instant::now());
        let places = placed(agreed, doors);
        let starting = Starting {
            tag,
            parties,
            contact: contact(own, flow.kind()),
            answer,
            demand,
            places,
            came,
        };
        self.starting.insert(session, starting);
        Ok(())
    }

    fn has_room(&self) -> Result<(), Refusal> {
        if self.sessions.len() + self.starting.len() >= self.options.recordings_max {
            return Err(no_room(
                RefusalReason::Full,
                "as many recordings as this recorder holds",
            ));
        }
        if self.is_spool_full() {
            return Err(no_room(
                RefusalReason::SpoolFull,
                "what waits for S3 fills the spool",
            ));
        }
        if self.board.index_damaged.get() != 0 {
            let text = "the index is damaged: restore it from a backup";
            return Err(no_room(RefusalReason::IndexDamaged, text));
        }
        Ok(())
    }

    pub(super) fn is_spool_full(&self) -> bool {
        let waits = u64::try_from(self.board.spool_bytes.get()).unwrap_or(0);
        waits > self.options.spool_bytes_max
    }

    /// Has the writer make a recording; [`on_begun`](Self::on_begun) hears of it.
    pub(super) fn make(
        &mut self,
        session: SessionId,
        id: RecordingId,
        (tag, meta): (RecordingTag, Meta),
        streams: Vec<(StreamLabel, Codec)>,
    ) -> Result<(), Refusal> {
        let (begun, told) = oneshot::channel();
        let job = Job::Begin(Box::new(Begin {
            id,
            tag,
            meta,
            streams,
            begun,
        }));
        self.jobs.try_send(job).map_err(|_| {
            no_room(
                RefusalReason::DiskBehind,
                "the disk is too slow for what is recorded",
            )
        })?;
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
        if self.goes_on(session, id, result.is_ok()) {
            return;
        }
        let starting = self.starting.remove(&session);
        match (starting, result) {
            (Some(starting), Ok(())) => self.answer(session, id, starting),
            (Some(_), Err(error)) => {
                let text = "the recording can't be stored; the recorder's log says why";
                let refusal = Refusal::new(StatusCode::SERVER_INTERNAL_ERROR, error.reason(), text);
                self.refuse(session, &refusal);
            }
            // The caller gave up meanwhile, or the call ended while its next recording was made: nobody has written to it, so that
            // nothing of it is missing.
            (None, Ok(())) => self.finish(id, State::Closed),
            (None, Err(_)) => {}
        }
    }

    /// Ends a recording that nobody has written to.
    pub(super) fn finish(&mut self, id: RecordingId, state: State) {
        let jobs = self.jobs.clone();
        self.closing.spawn(async move {
            // Without a writer it's closed at the next start.
            let _told = jobs.send(Job::Finish(id, state)).await;
        });
    }

    fn answer(&mut self, session: SessionId, id: RecordingId, starting: Starting) {
        let Starting {
            tag,
            parties,
            contact,
            answer,
            demand,
            places,
            came,
        } = starting;
        let hands = (self.jobs.clone(), Arc::clone(&self.board));
        let recording = Session::begin(came, (id, tag), (answer, demand), parties, places, hands);
        let body = recording.answer.to_body();
        let mut headers = Headers::new();
        headers.push(HeaderName::Contact, contact.as_str());
        self.sessions.insert(session, recording);
        self.say_when_obeyed(session, Word::Accepts(headers, body));
    }

    fn own_address(&self, kind: TransportKind) -> SocketAddr {
        let tls = self.driver.tls_addr();
        let by_tls = tls.filter(|_| kind == TransportKind::Tls);
        by_tls.unwrap_or(self.driver.local_addr())
    }

    /// Somewhere to receive every audio stream whose place is free: one port for all of them when each says by what its packets
    /// are known, else one for each.
    pub(super) fn open_doors(
        &mut self,
        offer: &Description,
        is_free: impl Fn(usize) -> bool,
        sharing: Sharing,
    ) -> Result<Vec<Option<Door>>, Refusal> {
        let wanted = |(place, stream): &(usize, &sdp::Stream)| {
            is_free(*place) && stream.kind == Kind::Audio && !stream.is_rejected()
        };
        let streams = || offer.streams.iter().enumerate();
        let keys = streams().filter(wanted).map(|(_, stream)| stream);
        let keys: Option<Vec<_>> = keys.map(Key::offered).collect();
        let no_port = |error: PortsError| no_room(RefusalReason::Ports, error.to_string());
        let claims = match keys {
            Some(keys) if sharing == Sharing::Allowed && !keys.is_empty() => {
                self.shared.claim(&keys).map_err(no_port)?
            }
            _ => None,
        };
        let mut claims = claims.unwrap_or_default().into_iter();
        let mut open = || match claims.next() {
            Some(claim) => Ok(Door::Shared(claim)),
            None => self.ports.open().map(Door::Own),
        };
        streams()
            .map(|stream| wanted(&stream).then(&mut open).transpose())
            .collect::<Result<_, _>>()
            .map_err(no_port)
    }
}

/// Whether a session's streams may come to shared ports: a session keeps the way it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    Allowed,
    Not,
}

/// What goes into SDP.
pub(super) fn local(doors: &[Option<Door>]) -> impl Iterator<Item = Option<SocketAddr>> {
    doors.iter().map(|door| door.as_ref().map(Door::local))
}

/// Our Contact says that a recording server answers (RFC 7866 section 6.1.2).
fn contact(own: SocketAddr, kind: TransportKind) -> String {
    let way = if kind == TransportKind::Tls {
        ";transport=tls"
    } else {
        ""
    };
    format!("<sip:recorder@{own}{way}>;{}", siprec::SERVER_FEATURE)
}

pub(super) fn placed(agreed: Vec<Option<Agreed>>, doors: Vec<Option<Door>>) -> Vec<Place> {
    agreed
        .into_iter()
        .zip(doors)
        .map(|(agreed, door)| agreed.zip(door))
        .collect()
}

pub(super) fn no_room(reason: RefusalReason, text: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason, text)
}
