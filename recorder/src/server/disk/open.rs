//! A recording being written: its files, and what is in them so far.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use callcore::tag::RecordingTag;
use jiff::{SignedDuration, Timestamp};

use super::Begin;
use crate::{
    index::{Closing, State},
    names::StreamLabel,
    tally::{self, Tally},
    vault::{Batch, Codec, Recording, StreamWriter, Vault, VaultError, folder::Out},
};

/// A recording being written.
#[derive(Debug)]
pub(in crate::server) struct Open {
    recording: Arc<Recording>,
    tag: RecordingTag,
    begun: Instant,
    streams: Vec<OpenStream>,
    /// It failed once and takes no more.
    pub(super) broken: bool,
}

#[derive(Debug)]
struct OpenStream {
    writer: StreamWriter,
    tally: Tally,
    file: String,
}

impl Open {
    /// Makes its folder, key, tag and files; key and tag are safe on disk when this returns.
    pub(super) fn make(vault: &Vault, begin: &Begin) -> Result<Self, VaultError> {
        let begun = Instant::now();
        let (recording, streams) = vault.begin_with(begin.id, &begin.tag, |recording| {
            recording.write_first_meta(&begin.meta)?;
            let streams = begin.streams.iter();
            streams
                .map(|stream| OpenStream::begin(recording, stream))
                .collect()
        })?;
        Ok(Self {
            recording: Arc::new(recording),
            tag: begin.tag.clone(),
            begun,
            streams,
            broken: false,
        })
    }

    /// Files with bytes that a power cut would take.
    pub(super) fn unsynced(&mut self) -> impl Iterator<Item = Out> {
        self.streams
            .iter_mut()
            .filter_map(|stream| stream.writer.take_unsynced())
    }

    pub(super) fn add_streams(
        &mut self,
        streams: &[(StreamLabel, Codec)],
    ) -> Result<(), VaultError> {
        for stream in streams {
            let stream = OpenStream::begin(&self.recording, stream)?;
            stream.writer.sync_name_too();
            self.streams.push(stream);
        }
        Ok(())
    }

    /// For whoever stores who takes part.
    pub(super) fn recording(&self) -> Arc<Recording> {
        Arc::clone(&self.recording)
    }

    pub(super) fn push(
        &mut self,
        stream: usize,
        batch: Batch,
        now: Instant,
    ) -> Result<(), VaultError> {
        let Some(stream) = self.streams.get_mut(stream) else {
            return Ok(());
        };
        stream.tally.add(batch.tally());
        stream.writer.push_batch(batch, now)
    }

    /// Whether there is audio that [`flush_due`](Self::flush_due) is to write later.
    pub(super) fn has_waiting(&self) -> bool {
        let mut streams = self.streams.iter();
        streams.any(|stream| stream.writer.has_pending())
    }

    pub(super) fn flush_due(&mut self, now: Instant) -> Result<(), VaultError> {
        self.streams
            .iter_mut()
            .try_for_each(|stream| stream.writer.flush_due(now))
    }

    /// Closes its files; what can't be closed is said to be truncated.
    pub(super) fn finish(self, state: State) -> Ended {
        let mut ended = Ended {
            lasted: self.begun.elapsed(),
            recording: self.recording,
            tag: self.tag,
            state: if self.broken { State::Truncated } else { state },
            broken: self.broken,
            tally: Tally::default(),
            files: Vec::new(),
            outs: Vec::new(),
        };
        for stream in self.streams {
            ended.tally.add(stream.tally);
            ended.files.push(stream.file);
            match stream.writer.end() {
                Ok((out, _)) => ended.outs.push(out),
                Err(_) => {
                    ended.state = State::Truncated;
                    ended.broken = true;
                }
            }
        }
        ended
    }
}

impl OpenStream {
    fn begin(
        recording: &Recording,
        (label, codec): &(StreamLabel, Codec),
    ) -> Result<Self, VaultError> {
        Ok(Self {
            writer: recording.stream_writer(label, *codec)?,
            tally: Tally::default(),
            file: recording.file_name(label),
        })
    }
}

/// A recording whose files are whole, and not safe yet.
#[derive(Debug)]
pub(super) struct Ended {
    recording: Arc<Recording>,
    tag: RecordingTag,
    state: State,
    /// Some of what was counted couldn't be written.
    broken: bool,
    lasted: Duration,
    tally: Tally,
    files: Vec<String>,
    outs: Vec<Out>,
}

/// A recording that has ended, for the index.
pub(super) type Closed = (RecordingTag, Closing);

impl Ended {
    /// The files that are to be made safe.
    pub(super) fn outs(&self) -> &[Out] {
        &self.outs
    }

    /// Waits until its files are safe; what can't be is said to be truncated.
    pub(super) fn make_safe(mut self) -> Closed {
        if !self.outs.iter().all(|out| out.sync().is_ok()) {
            self.state = State::Truncated;
        }
        self.closed()
    }

    /// When somebody has waited for that.
    pub(super) fn closed(mut self) -> Closed {
        if self.outs.iter().any(Out::is_spoilt) {
            self.state = State::Truncated;
        }
        if self.broken {
            self.tally = self.read_through().unwrap_or(self.tally);
        }
        let closing = Closing {
            state: self.state,
            ended: ended(&self.tag, self.tally, self.lasted),
            bytes: self.recording.stored_bytes().unwrap_or(0),
            tally: self.tally,
            files: self.files,
        };
        (self.tag, closing)
    }
}

impl Ended {
    /// What is in its files.
    fn read_through(&self) -> Result<Tally, VaultError> {
        let mut tally = Tally::default();
        for label in self.recording.labels()? {
            // Torn within its first bytes, it has nothing.
            if let Ok(mut reader) = self.recording.stream_reader(&label) {
                tally.add(Tally::read(&mut reader).0);
            }
        }
        Ok(tally)
    }
}

/// When a recording ended, by the clock that told when it began: the switch's, which may show another day than ours, and ours may be
/// set meanwhile. Nothing ends before its audio does.
fn ended(tag: &RecordingTag, tally: Tally, lasted: Duration) -> Timestamp {
    let started = tag.started.timestamp();
    let heard = Duration::from_micros(u64::from(tally.end) * 1_000_000 / u64::from(tally::RATE));
    let lasted = SignedDuration::try_from(lasted.max(heard)).unwrap_or(SignedDuration::MAX);
    started.saturating_add(lasted).unwrap_or(started)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use bytes::Bytes;
    use wire::g711::Law;

    use super::*;
    use crate::{
        server::disk::faults::one_stream,
        vault::{CHUNK_AGE_MAX, Packet, faults, test_tag},
    };

    /// Six seconds.
    const PACKETS: u32 = 300;

    /// A switch whose clock shows 2018 had its recordings end in another year than they began.
    #[test]
    fn a_recording_ends_by_the_clock_it_began_by() {
        let tag = test_tag("region-01");
        let tally = Tally {
            end: 16_000,
            ..Tally::default()
        };
        let after = |lasted| {
            let ended = ended(&tag, tally, Duration::from_secs(lasted));
            ended.duration_since(tag.started.timestamp()).as_secs()
        };
        assert_eq!(after(5), 5);
        assert_eq!(after(1), 2, "of audio");
    }

    fn vault() -> (tempfile::TempDir, Vault) {
        let place = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(&place.path().join("store"), &place.path().join("keys"));
        (place, vault.expect("fresh"))
    }

    /// A recording with one stream, of that many packets.
    fn recorded(vault: &Vault) -> (Begin, Open) {
        let begin = one_stream();
        let mut open = Open::make(vault, &begin).expect("begins");
        for number in 0..PACKETS {
            push(&mut open, number, Instant::now()).expect("written");
        }
        (begin, open)
    }

    fn push(open: &mut Open, number: u32, now: Instant) -> Result<(), VaultError> {
        let audio = Packet::audio(number * 160, Bytes::from_static(&[1; 160]));
        open.push(0, Batch::of(&audio, now), now)
    }

    #[test]
    fn a_stream_that_came_later_outlives_a_power_cut_too() {
        let (_place, vault) = vault();
        faults::plan(u64::MAX, ErrorKind::Other);
        let begin = one_stream();
        let mut open = Open::make(&vault, &begin).expect("begins");
        let label = StreamLabel::parse("2").expect("a label");
        let later = [(label.clone(), Law::A.into())];
        open.add_streams(&later).expect("there is room");
        let now = Instant::now();
        let audio = Packet::audio(0, Bytes::from_static(&[1; 160]));
        open.push(1, Batch::of(&audio, now), now).expect("written");
        open.flush_due(now + CHUNK_AGE_MAX).expect("written");
        for file in open.unsynced() {
            file.sync().expect("safe");
        }
        faults::end().cut_power().expect("ours");
        let recording = vault.unlock(begin.id, &begin.tag).expect("opens");
        let reader = recording.stream_reader(&label);
        let (tally, _) = Tally::read(&mut reader.expect("it is there"));
        assert_eq!(tally.packets, 1);
    }

    /// The system says once that the disk refused: the next wait is for what has come since.
    #[test]
    fn what_the_disk_refused_once_is_not_said_to_be_safe_later() {
        for by_whole in [false, true] {
            let (_place, vault) = vault();
            let (_, mut open) = recorded(&vault);
            faults::plan(0, ErrorKind::Other);
            for file in open.unsynced() {
                assert!(file.sync().is_err());
            }
            faults::end();
            let ended = open.finish(State::Closed);
            let (_, closing) = if by_whole {
                ended.closed()
            } else {
                ended.make_safe()
            };
            assert_eq!(closing.state, State::Truncated, "{by_whole}");
        }
    }

    #[test]
    fn what_a_full_disk_has_no_room_for_is_not_counted() {
        let (_place, vault) = vault();
        let (begin, mut open) = recorded(&vault);
        faults::plan(0, ErrorKind::StorageFull);
        let long_ago = Instant::now();
        let mut failed = false;
        for number in PACKETS..2 * PACKETS {
            failed |= push(&mut open, number, long_ago).is_err();
        }
        faults::end();
        assert!(failed);
        open.broken = true;
        let (_, closing) = open.finish(State::Closed).make_safe();
        let recording = vault.unlock(begin.id, &begin.tag).expect("opens");
        let label = StreamLabel::parse("1").expect("a label");
        let reader = recording.stream_reader(&label);
        let (tally, _) = Tally::read(&mut reader.expect("opens"));
        assert_eq!((closing.state, closing.tally), (State::Truncated, tally));
    }
}
