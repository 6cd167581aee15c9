//! One stream laid out on the timeline, a second at a time, so that a long call needs no more memory than a short one.

use wire::g711::Law;

use super::{BLOCK, Summed, heard::Heard};
use crate::{
    names::StreamLabel,
    tally::Tally,
    vault::{Codec, Ending, Kind, PAYLOAD_MAX, Packet, StreamReader, VaultError},
};

/// A packet may have been written this long after its place on the timeline has passed: as late as one is taken.
const LATE_MAX: usize = super::LATE_MAX as usize;

pub(super) struct Side {
    label: StreamLabel,
    reader: StreamReader,
    /// Of a stream in Opus.
    heard: Option<Box<Heard>>,
    /// Decoded samples from the current block on; packets lie in it where they belong.
    window: Vec<i16>,
    /// The first packet that lies beyond the window.
    held: Option<Packet>,
    tally: Tally,
    /// Chunks that aren't what was written.
    damaged: u64,
}

impl Side {
    pub(super) fn new(label: StreamLabel, reader: StreamReader) -> Self {
        Self {
            label,
            heard: (reader.codec() == Codec::Opus).then(Heard::new),
            reader,
            window: vec![0; BLOCK + LATE_MAX + PAYLOAD_MAX],
            held: None,
            tally: Tally::default(),
            damaged: 0,
        }
    }

    pub(super) const fn law(&self) -> Option<Law> {
        match self.reader.codec() {
            Codec::G711(law) => Some(law),
            Codec::Opus => None,
        }
    }

    /// What was read of it.
    pub(super) fn summed(self) -> Summed {
        Summed {
            ending: self.ending(),
            label: self.label,
            tally: self.tally,
            damaged: self.damaged,
        }
    }

    pub(super) const fn ending(&self) -> Option<Ending> {
        self.reader.ending()
    }

    /// Goes to a place on the timeline; the next block that is asked for begins there.
    pub(super) fn seek(&mut self, begin: u32) -> Result<(), VaultError> {
        self.held = None;
        self.window.fill(0);
        let Some(heard) = &mut self.heard else {
            return self.reader.seek(begin);
        };
        *heard = Heard::new();
        self.reader.seek(Heard::from(begin))
    }

    /// Adds the second that begins at `begin` to `block`. Blocks are asked for in order, each once. Gives the end of
    /// what has been read so far.
    pub(super) fn add_block(&mut self, begin: u32, block: &mut [i16]) -> Result<u32, VaultError> {
        while let Some(packet) = self.next()? {
            if packet.position as usize >= begin as usize + BLOCK + LATE_MAX {
                self.held = Some(packet);
                break;
            }
            self.place(begin, &packet);
        }
        for (sum, sample) in block.iter_mut().zip(&self.window) {
            *sum = sum.saturating_add(*sample);
        }
        self.window.drain(..BLOCK);
        self.window.resize(BLOCK + LATE_MAX + PAYLOAD_MAX, 0);
        Ok(self.tally.end)
    }

    fn next(&mut self) -> Result<Option<Packet>, VaultError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        loop {
            match self.reader.next_packet() {
                Ok(packet) => {
                    if let Some(packet) = &packet {
                        self.tally.count(packet);
                    }
                    return Ok(packet);
                }
                // What follows is heard; what isn't there is silence.
                Err(VaultError::Damaged { chunk, .. }) => {
                    self.damaged += 1;
                    tracing::error!(label = self.label.as_str(), chunk, "a chunk is damaged");
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn place(&mut self, begin: u32, packet: &Packet) {
        let late = begin.saturating_sub(packet.position) as usize;
        let at = packet.position.saturating_sub(begin) as usize;
        let places = self.window.iter_mut().skip(at);
        match (packet.kind, self.reader.codec(), &mut self.heard) {
            (Kind::Audio, Codec::G711(law), _) => {
                let codes = packet.payload.iter().skip(late);
                for (sample, code) in places.zip(codes) {
                    *sample = law.decode(*code);
                }
            }
            (Kind::Opus, _, Some(heard)) => {
                for (sample, heard) in places.zip(heard.hear(packet).skip(late)) {
                    *sample = heard;
                }
            }
            _ => {}
        }
    }
}
