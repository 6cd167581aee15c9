//! The Opus streams of a recording as an Ogg file (RFC 7845), without decoding them.
//!
//! Packets of one length, as nearly every phone sends them, become one stream with a channel for each who spoke, the caller
//! on the left. Else each is a stream of its own in the file. What never came is a packet that asks the decoder to conceal
//! it, or silence (RFC 7845 section 4.1), so that everything keeps its place on the timeline.

mod ogg;
mod track;

use bytes::Bytes;

use self::{ogg::Pages, track::Track};
use super::{ExportError, Part, Summed, streams_of};
use crate::{
    index::Entry,
    names::StreamLabel,
    opus as packet,
    vault::{Recording, VaultError},
};

/// Samples a second.
const RATE: u64 = 48_000;
/// A decoder is given so much silence first, and doesn't play it: so it is tuned when somebody speaks (RFC 7845 section 5.1).
const SKIP_MIN: u64 = 3840;
/// Channels that have an order (RFC 7845 section 5.1.1.2); with more who spoke, each is a stream.
const CHANNELS_MAX: usize = 8;

/// The Opus part of an unlocked recording.
#[derive(Debug)]
pub(super) struct Opus {
    recording: Recording,
    shape: Shape,
    length: u64,
}

/// What is known of it after it was looked through.
#[derive(Debug, Clone)]
struct Shape {
    serial: u32,
    tags: Vec<u8>,
    /// Of each track: whether it is of two channels.
    tracks: Vec<(StreamLabel, bool)>,
    /// The length of every packet, when all are alike and may share a stream.
    shared: Option<u32>,
    /// The silence before, in whole packets.
    skip: u64,
}

impl Opus {
    /// Looks through it once, to know how it is laid out and how long that is.
    pub(super) fn open(recording: Recording, entry: &Entry) -> Result<Self, ExportError> {
        let shape = Shape::of(&recording, entry)?;
        let mut opus = Self {
            recording,
            shape,
            length: 0,
        };
        let mut reader = opus.read_from(0)?;
        let mut length = 0;
        while let Some(piece) = reader.next_piece()? {
            length += piece.len() as u64;
        }
        opus.length = length;
        Ok(opus)
    }

    /// How many bytes the file has.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Begins to read at a byte. What comes before is read too: pages can't be counted without.
    pub(super) fn read_from(&self, place: u64) -> Result<OpusReader, ExportError> {
        let open = |(label, _): &(StreamLabel, bool)| {
            let reader = self.recording.stream_reader(label)?;
            Ok(Track::new(label.clone(), reader))
        };
        let tracks = self.shape.tracks.iter().map(open);
        let streams = if self.shape.shared.is_some() {
            1
        } else {
            self.shape.tracks.len()
        };
        let pages = (0..streams).map(|number| Pages::new(self.shape.serial + number as u32));
        Ok(OpusReader {
            tracks: tracks.collect::<Result<_, VaultError>>()?,
            pages: pages.collect(),
            shape: self.shape.clone(),
            played: 0,
            begun: false,
            over: false,
            skip: place,
        })
    }
}

impl Shape {
    fn of(recording: &Recording, entry: &Entry) -> Result<Self, ExportError> {
        let (mut tracks, mut lengths, mut odd) = (Vec::new(), Vec::new(), false);
        let streams = streams_of(recording, entry.state)?.into_iter();
        for (label, reader) in streams.filter(|(_, one)| Part::Opus.holds(one.codec())) {
            let mut track = Track::new(label.clone(), reader);
            let (mut stereo, mut any) = (false, false);
            while track.next_at()?.is_some() {
                let Some(payload) = track.take() else { break };
                any = true;
                stereo |= packet::is_stereo(&payload);
                let length = packet::samples(&payload);
                lengths.extend(length.filter(|length| !lengths.contains(length)));
                odd |= lengths.len() > 1;
            }
            if any || tracks.is_empty() {
                tracks.push((label, stereo));
            }
        }
        // The caller on the left.
        tracks.sort_by_key(|(label, _)| !matches!(label.as_str(), "caller" | "1"));
        let shared = lengths
            .first()
            .copied()
            .filter(|length| !odd && silent_for(*length).is_some())
            .filter(|_| (2..=CHANNELS_MAX).contains(&tracks.len()));
        let [a, b, c, ..] = *entry.id.as_bytes();
        Ok(Self {
            // Room below for a stream each.
            serial: u32::from_be_bytes([0, a, b, c]),
            tags: tags(entry),
            tracks,
            shared,
            skip: SKIP_MIN.next_multiple_of(shared.unwrap_or(960).into()),
        })
    }

    /// The first packet of a stream (RFC 7845 section 5.1).
    fn head(&self, stream: usize) -> Vec<u8> {
        let mut head = b"OpusHead\x01".to_vec();
        let stereo = self.tracks.get(stream).is_some_and(|(_, stereo)| *stereo);
        let channels = match self.shared {
            // At most eight.
            Some(_) => self.tracks.len() as u8,
            None => 1 + u8::from(stereo),
        };
        head.push(channels);
        // Two packets of 60 ms at most.
        head.extend_from_slice(&(self.skip as u16).to_le_bytes());
        head.extend_from_slice(&(RATE as u32).to_le_bytes());
        // No gain.
        head.extend_from_slice(&0_u16.to_le_bytes());
        if self.shared.is_some() {
            // As many streams as channels, none of them of two, each in its place.
            head.extend_from_slice(&[1, channels, 0]);
            head.extend(0..channels);
        } else {
            head.push(0);
        }
        head
    }
}

/// The Opus part being read.
pub(super) struct OpusReader {
    tracks: Vec<Track>,
    pages: Vec<Pages>,
    shape: Shape,
    /// Of a shared stream: where the next packet begins.
    played: u64,
    begun: bool,
    over: bool,
    /// Bytes that weren't asked for.
    skip: u64,
}

impl OpusReader {
    fn step(&mut self) -> Result<Vec<u8>, ExportError> {
        let mut out = Vec::new();
        if !self.begun {
            self.begun = true;
            for (stream, pages) in self.pages.iter_mut().enumerate() {
                pages.begin(&self.shape.head(stream), &mut out);
            }
            for pages in &mut self.pages {
                pages.put(&self.shape.tags, 0, &mut out);
                pages.flush(&mut out);
            }
        } else if let Some(length) = self.shape.shared {
            self.second_shared(length.into(), &mut out)?;
        } else {
            self.second_apart(&mut out)?;
        }
        Ok(out)
    }

    /// A second of a stream for all. The page before it is written when there is another, and is the last when not.
    fn second_shared(&mut self, length: u64, out: &mut Vec<u8>) -> Result<(), ExportError> {
        let until = self.played + RATE;
        let mut written = false;
        while self.played < until {
            let (mut any, mut due) = (false, Vec::new());
            for track in &mut self.tracks {
                let at = track.next_at()?;
                any |= at.is_some();
                due.push(at.is_some_and(|at| at + self.shape.skip < self.played + length / 2));
            }
            if !any {
                break;
            }
            if !std::mem::replace(&mut written, true) {
                self.pages[0].flush(out);
            }
            let last = self.tracks.len() - 1;
            let mut packet = Vec::new();
            for (number, (track, due)) in self.tracks.iter_mut().zip(due).enumerate() {
                let one = due.then(|| track.take()).flatten();
                put(one.as_deref(), length, number == last, &mut packet);
            }
            self.played += length;
            self.pages[0].put(&packet, self.played, out);
        }
        if !written {
            self.pages[0].end(out);
            self.over = true;
        }
        Ok(())
    }

    /// A second of the stream that is furthest behind.
    fn second_apart(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        let mut behind: Option<(usize, u64)> = None;
        for (number, track) in self.tracks.iter_mut().enumerate() {
            let granule = self.pages[number].granule();
            if track.next_at()?.is_some() && behind.is_none_or(|(_, least)| granule < least) {
                behind = Some((number, granule));
            }
        }
        let Some((number, begin)) = behind else {
            for pages in &mut self.pages {
                // A stream has a packet that is played.
                while pages.granule() <= self.shape.skip {
                    pages.put(&SILENCE, pages.granule() + 960, out);
                }
                pages.end(out);
            }
            self.over = true;
            return Ok(());
        };
        let (track, pages) = (&mut self.tracks[number], &mut self.pages[number]);
        pages.flush(out);
        while let Some(at) = track.next_at()? {
            let granule = pages.granule();
            if granule >= begin + RATE {
                break;
            }
            let gap = (at + self.shape.skip).saturating_sub(granule);
            let gap = u32::try_from(gap).unwrap_or(u32::MAX);
            if let Some((silence, samples)) = packet::silence(gap) {
                pages.put(&[silence], granule + u64::from(samples), out);
            } else if let Some(payload) = track.take() {
                let samples = packet::samples(&payload).unwrap_or(0);
                pages.put(&payload, granule + u64::from(samples), out);
            }
        }
        Ok(())
    }

    /// What was read of each stream.
    pub(super) fn summed(self) -> impl Iterator<Item = Summed> {
        self.tracks.into_iter().map(|track| Summed {
            label: track.label().clone(),
            ending: track.ending(),
            tally: track.tally,
            damaged: track.damaged,
        })
    }
}

impl OpusReader {
    /// The next pages; `None` at the end.
    pub(super) fn next_piece(&mut self) -> Result<Option<Bytes>, ExportError> {
        while !self.over {
            let piece = Bytes::from(self.step()?);
            let skipped = self.skip.min(piece.len() as u64);
            self.skip -= skipped;
            // No longer than the piece.
            let piece = piece.slice(skipped as usize..);
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

/// 20 ms of it.
const SILENCE: [u8; 1] = [0xF8];

/// A packet of one of those who share a stream, or silence in its place.
fn put(one: Option<&[u8]>, length: u64, last: bool, into: &mut Vec<u8>) {
    let silence = u32::try_from(length).ok().and_then(silent_for);
    let silence = [silence.unwrap_or(SILENCE[0])];
    let packet = one.unwrap_or(&silence);
    if last {
        into.extend_from_slice(packet);
    } else if !packet::put_delimited(packet, into) {
        packet::put_delimited(&silence, into);
    }
}

/// The one byte that says nothing for that long.
const fn silent_for(samples: u32) -> Option<u8> {
    Some(match samples {
        120 => 0xE0,
        240 => 0xE8,
        480 => 0xF0,
        960 => 0xF8,
        1920 => 0x50,
        2880 => 0x58,
        _ => return None,
    })
}

/// The second packet (RFC 7845 section 5.2): whose recording it is, as the chunks of a WAV file say.
fn tags(entry: &Entry) -> Vec<u8> {
    let vendor = concat!("vaxel ", env!("CARGO_PKG_VERSION"));
    let id = ("recording", entry.id.to_string());
    let fields = entry.tag.fields().into_iter().chain([id]);
    let comments: Vec<String> = fields
        .map(|(name, text)| format!("{}={text}", name.to_ascii_uppercase()))
        .collect();
    let mut tags = b"OpusTags".to_vec();
    let mut put = |text: &str| {
        // A tag's fields are short.
        tags.extend_from_slice(&(text.len() as u32).to_le_bytes());
        tags.extend_from_slice(text.as_bytes());
    };
    put(vendor);
    tags.extend_from_slice(&(comments.len() as u32).to_le_bytes());
    for comment in &comments {
        tags.extend_from_slice(&(comment.len() as u32).to_le_bytes());
        tags.extend_from_slice(comment.as_bytes());
    }
    tags
}

#[cfg(test)]
mod tests;
