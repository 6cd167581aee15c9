//! A recording's audio, decrypted as it is sent: whole, or the ranges that a player asks for.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Shared,
    answer::No,
    guard::Caller,
    range::{Wanted, wanted},
    recordings::{parse_id, theirs, write_down},
};
use crate::{
    export::{Part, Sound, SoundReader},
    index::State as Stage,
    names::RecordingId,
};

/// Recordings that are played at once: each costs a few hundred kilobytes, and a core plays thousands.
const PLAYED_AT_ONCE_MAX: usize = 100;
/// Of them by one token: half, so that who holds every place open, a byte a minute, keeps nobody else from listening.
const PLAYED_BY_ONE_MAX: usize = PLAYED_AT_ONCE_MAX / 2;
/// What is decrypted at a time: large enough that threads change seldom.
const PIECE: usize = 128 * 1024;
/// Pieces that wait for a slow listener.
const WAITING_MAX: usize = 2;
/// A player asks for a recording in many pieces: within this time they are one access, written down once.
const ONE_LISTENING: Duration = Duration::from_secs(15 * 60);
/// Listenings that are remembered; beyond, each piece is written down.
const LISTENINGS_MAX: usize = 10_000;

/// Which part is asked for: of a call where one side spoke G.711 and the other Opus also what came in Opus, as it came.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    part: Option<String>,
}

impl Asked {
    fn part(&self) -> Result<Option<Part>, No> {
        let Some(name) = &self.part else {
            return Ok(None);
        };
        let part = Part::parse(name);
        part.map(Some).ok_or_else(|| {
            let text = "`part` is `wav` or `opus`";
            No::new(StatusCode::BAD_REQUEST, "part", text)
        })
    }
}

pub(super) async fn audio(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, No> {
    let id = parse_id(&id)?;
    let place = shared.listening.place(&caller.token.id);
    let place =
        place.ok_or_else(|| No::busy("as many recordings are played as may be: come back soon"))?;
    let part = asked.part()?;
    let sound = open(&shared, caller, id, part).await?;
    let (length, part) = (sound.length(), sound.part());
    let tag = format!("\"{id}-{}-{length}\"", part.name());
    // A range of another version would be a part of something else (RFC 9110 section 13.1.5).
    let same = headers
        .get(header::IF_RANGE)
        .is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let range = headers.get(header::RANGE).filter(|_| same);
    let wanted = wanted(range.and_then(|value| value.to_str().ok()), length);
    let (status, first, last) = match wanted {
        Wanted::Beyond => return Ok(beyond(length)),
        Wanted::All => (StatusCode::OK, 0, length - 1),
        Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last),
    };
    let body = Body::from_stream(ReceiverStream::new(pieces(
        sound,
        first,
        last + 1 - first,
        place,
    )));
    let mut answer = (status, body).into_response();
    let mut say = |name, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            answer.headers_mut().insert(name, value);
        }
    };
    say(header::CONTENT_TYPE, part.media_type().to_owned());
    say(header::ACCEPT_RANGES, "bytes".to_owned());
    say(header::CONTENT_LENGTH, (last + 1 - first).to_string());
    say(header::ETAG, tag);
    let file = format!("attachment; filename=\"{id}.{}\"", part.name());
    say(header::CONTENT_DISPOSITION, file);
    if status == StatusCode::PARTIAL_CONTENT {
        say(
            header::CONTENT_RANGE,
            format!("bytes {first}-{last}/{length}"),
        );
    }
    Ok(answer)
}

/// Unlocks a recording that is the caller's to hear. Written to the access log first.
async fn open(
    shared: &Arc<Shared>,
    caller: Caller,
    id: RecordingId,
    part: Option<Part>,
) -> Result<Sound, No> {
    let (now, asked) = (Instant::now(), Arc::clone(shared));
    let token = caller.token.id.clone();
    shared
        .stores
        .ask_for(&token, move |vault, index| {
            let entry = theirs(index.get(id)?, &caller)?;
            if asked.listening.begins(&caller, id, now) {
                write_down(vault, &caller, "listen", id.to_string())?;
                asked.listening.is_written_down(&caller, id, now);
            }
            if entry.state == Stage::Open {
                let text = "this call is still being recorded: ask again when it is over";
                return Err(No::new(StatusCode::CONFLICT, "open", text));
            }
            Sound::open(vault, &entry, part).map_err(No::from)
        })
        .await
}

/// Nothing of the range is there (RFC 9110 section 15.5.17).
fn beyond(length: u64) -> Response {
    let text = format!("this recording has {length} bytes");
    let no = No::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", text);
    let mut answer = no.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        answer.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    answer
}

/// Decrypts piece by piece, as fast as the listener takes them. A fault in the middle ends the answer short, so that
/// nobody takes it for the whole.
fn pieces(sound: Sound, first: u64, count: u64, place: Place) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let _place = place;
        let begun = tokio::task::spawn_blocking(move || sound.read_from(first)).await;
        let mut reader = match begun {
            Ok(Ok(reader)) => reader,
            Ok(Err(error)) => return broken(&sender, &error).await,
            Err(error) => return broken(&sender, &error).await,
        };
        let mut left = count;
        while left > 0 {
            let read = tokio::task::spawn_blocking(move || {
                let piece = next(&mut reader, left);
                (reader, piece)
            });
            let piece = match read.await {
                Ok((back, Ok(piece))) => {
                    reader = back;
                    piece
                }
                Ok((_, Err(error))) => return broken(&sender, &error).await,
                Err(error) => return broken(&sender, &error).await,
            };
            left -= piece.len() as u64;
            // Whoever listened has gone, or there is less than was promised: the length shows it.
            if piece.is_empty() || sender.send(Ok(piece)).await.is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next piece, no longer than what is left; empty at the end.
fn next(reader: &mut SoundReader, left: u64) -> Result<Bytes, crate::export::ExportError> {
    let mut piece = BytesMut::new();
    while piece.len() < PIECE && (piece.len() as u64) < left {
        let Some(more) = reader.next_piece()? else {
            break;
        };
        piece.extend_from_slice(&more);
    }
    piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
    Ok(piece.freeze())
}

async fn broken(sender: &mpsc::Sender<io::Result<Bytes>>, error: &(dyn std::error::Error + Sync)) {
    tracing::error!(%error, "a recording could not be played to its end");
    // Gone already is no matter.
    let _told = sender
        .send(Err(io::Error::other("the recording is damaged here")))
        .await;
}

/// One recording that is played.
#[derive(Debug)]
struct Place {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Who listens to what.
#[derive(Debug)]
pub(super) struct Listening {
    places: Arc<Semaphore>,
    /// Of each token that plays something.
    own: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    /// Token, recording and purpose, and when it was written down.
    known: Mutex<BTreeMap<Key, Instant>>,
}

type Key = (String, RecordingId, String);

fn key(caller: &Caller, id: RecordingId) -> Key {
    (caller.token.id.clone(), id, caller.purpose.clone())
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < ONE_LISTENING
}

impl Listening {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLAYED_AT_ONCE_MAX)),
            own: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// A place to play one recording; `None` when all are taken, or this token has as many as it may.
    fn place(&self, token: &str) -> Option<Place> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.retain(|_, places| places.available_permits() < PLAYED_BY_ONE_MAX);
        let places = own
            .entry(token.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(PLAYED_BY_ONE_MAX)));
        Some(Place {
            _own: Arc::clone(places).try_acquire_owned().ok()?,
            _all: Arc::clone(&self.places).try_acquire_owned().ok()?,
        })
    }

    /// Whether this is an access of its own, and not the next piece of one.
    fn begins(&self, caller: &Caller, id: RecordingId, now: Instant) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        !known
            .get(&key(caller, id))
            .is_some_and(|at| is_fresh(*at, now))
    }

    /// Only now may what follows go without a line of its own: an access that couldn't be written down wasn't one.
    fn is_written_down(&self, caller: &Caller, id: RecordingId, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= LISTENINGS_MAX {
            known.retain(|_, at| is_fresh(*at, now));
        }
        if known.len() < LISTENINGS_MAX {
            known.insert(key(caller, id), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_does_not_take_every_place() {
        let listening = Listening::new();
        let place = |token: &str| listening.place(token);
        let one: Vec<_> = (0..PLAYED_AT_ONCE_MAX).filter_map(|_| place("a")).collect();
        assert_eq!(one.len(), PLAYED_BY_ONE_MAX);
        let other: Vec<_> = (0..PLAYED_AT_ONCE_MAX).filter_map(|_| place("b")).collect();
        assert_eq!(other.len(), PLAYED_AT_ONCE_MAX - PLAYED_BY_ONE_MAX);
        assert!(place("c").is_none());
        drop(one);
        assert!(place("c").is_some() && place("a").is_some());
    }
}
