//! What commands and the API show of recordings.

use callcore::tag::RecordingTag;
use serde::Serialize;

use crate::{
    index::Entry,
    names::StreamLabel,
    tally::Tally,
    vault::{Ending, Recording},
};

/// One recording in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// `open`, `closed` or `truncated`.
    pub state: &'static str,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// When it ended; empty while it is open.
    pub ended: String,
    /// Seconds of audio.
    pub seconds: f64,
    /// Whose it is.
    pub controller: String,
    /// Who records for it.
    pub processor: String,
    /// The region's code.
    pub region: String,
    /// The kommun-ID.
    pub kommun: String,
    /// The route that won.
    pub route: String,
    /// First day on which it may be erased, if a decision says so.
    pub earliest: String,
    /// Last day on which it may still be there; empty when there is none.
    pub latest: String,
    /// Streams in it.
    pub streams: usize,
    /// Packets of audio; of what an index was told again from the bucket nobody knows, nor what follows.
    pub packets: Option<u64>,
    /// Packets that never came.
    pub packets_lost: Option<u64>,
    /// Stretches without audio because of that.
    pub gaps: Option<u64>,
    /// Encrypted bytes in the store.
    pub bytes: u64,
}

impl Row {
    pub(crate) fn of(entry: &Entry) -> Self {
        let tag = &entry.tag;
        Self {
            id: entry.id.to_string(),
            state: entry.state.name(),
            started: tag.started.timestamp().to_string(),
            ended: entry.ended.map(|at| at.to_string()).unwrap_or_default(),
            seconds: entry.tally.seconds(),
            controller: tag.controller.to_string(),
            processor: tag.processor.to_string(),
            region: tag.region.to_string(),
            kommun: tag.kommun.to_string(),
            route: tag.route.to_string(),
            earliest: tag.earliest.to_string(),
            latest: tag.latest.map(|day| day.to_string()).unwrap_or_default(),
            streams: entry.files.len(),
            packets: entry.tally.known(entry.tally.packets),
            packets_lost: entry.tally.known(entry.tally.packets_lost),
            gaps: entry.tally.known(entry.tally.gaps),
            bytes: entry.bytes,
        }
    }
}

/// One recording in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// As in the list.
    #[serde(flatten)]
    pub row: Row,
    /// Every field of its tag, in the tag's order.
    pub tag: Vec<Field>,
    /// Each of its streams, read through to its end.
    pub files: Vec<StreamShown>,
}

/// A field of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

impl Field {
    pub(crate) fn all(tag: &RecordingTag) -> Vec<Self> {
        let fields = tag.fields().into_iter();
        fields.map(|(name, text)| Self { name, text }).collect()
    }
}

/// One stream of a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamShown {
    /// Its label.
    pub label: String,
    /// Its file, relative to the store.
    pub file: String,
    /// `whole`; `short` when it lost more than a line does; `empty` without audio; `truncated`; or what is wrong with it.
    pub condition: String,
    /// How it is coded.
    pub codec: &'static str,
    /// Seconds from the recording's beginning to this stream's end.
    pub seconds: f64,
    /// Packets of audio.
    pub packets: u64,
    /// Packets that never came.
    pub packets_lost: u64,
}

impl StreamShown {
    pub(super) fn of(recording: &Recording, label: &StreamLabel) -> Self {
        let read = recording.stream_reader(label).map(|mut reader| {
            let codec = reader.codec().name();
            (codec, Tally::read(&mut reader))
        });
        let unread = |error| ("", (Tally::default(), Err(error)));
        let (codec, (tally, ending)) = read.unwrap_or_else(unread);
        Self {
            label: label.as_str().to_owned(),
            file: recording.file_name(label),
            condition: match ending {
                Ok(Ending::Whole) if tally.packets == 0 => "empty".to_owned(),
                Ok(Ending::Whole) if tally.seconds_heard(1) < tally.seconds() => "short".to_owned(),
                Ok(Ending::Whole) => "whole".to_owned(),
                Ok(Ending::Truncated) => "truncated".to_owned(),
                Err(error) => error.to_string(),
            },
            codec,
            seconds: tally.seconds(),
            packets: tally.packets,
            packets_lost: tally.packets_lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use wire::g711::Law;

    use super::*;
    use crate::{
        index::Index,
        names::RecordingId,
        store::{By, Store},
        vault::{Packet, Vault, test_tag},
    };

    /// Its file is as it was written, and holds nothing to hear.
    #[test]
    fn a_stream_that_lost_its_audio_is_not_shown_as_whole() {
        let place = tempfile::tempdir().expect("a folder");
        let (store, keys) = (place.path().join("store"), place.path().join("keys"));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let index = Index::open(&vault).expect("fresh");
        let (id, tag) = (
            RecordingId::random().expect("random"),
            test_tag("region-01"),
        );
        let recording = vault.begin(id, &tag).expect("begins");
        index.insert_open(id, &tag).expect("entered");
        let audio = |position| Packet::audio(position, Bytes::from_static(&[1; 160]));
        let streams = [
            ("1", vec![audio(0), audio(160)], "whole"),
            ("2", vec![Packet::lost(0, 80_000)], "empty"),
            ("3", vec![], "empty"),
            ("4", vec![audio(0), Packet::lost(160, 1600)], "short"),
        ];
        for (label, packets, _) in &streams {
            let label = StreamLabel::parse(label).expect("a label");
            let writer = recording.stream_writer(&label, Law::A);
            let mut writer = writer.expect("a stream");
            for packet in packets {
                writer.push(packet, Instant::now()).expect("written");
            }
            writer.finish().expect("finished");
        }
        let store = Store { vault, index };
        let shown = store.show(&id.to_string(), &By::default()).expect("shown");
        let shown: Vec<&str> = shown.files.iter().map(|it| &*it.condition).collect();
        assert_eq!(shown, streams.map(|(_, _, condition)| condition));
    }
}
