//! What is asked of calls' audio.

use std::ops::RangeInclusive;

use super::Reader;
use crate::{
    scenario::{Media, raw::RawMedia},
    time::Span,
};

/// Telephones send 50 packets a second, and even those that send nothing in pauses tell so every few seconds; a minute is what
/// RTP proxies in the field give a call that has gone quiet (rtpengine's own default).
const SILENCE_DEFAULT_S: u32 = 60;
/// Shorter, and a phone that changes networks loses its call; longer than the longest call says nothing.
const SILENCE_S: RangeInclusive<u32> = 5..=14_400;

impl Reader<'_> {
    pub(super) fn media(&mut self, raw: &RawMedia) -> Media {
        let written = raw.silence_max_s.as_ref();
        let seconds = match written {
            Some(never) if *never.get_ref() == 0 => 0,
            Some(max) => self.within(max, SILENCE_S, "seconds without RTP (0: never ended)"),
            None => SILENCE_DEFAULT_S,
        };
        Media {
            silence_max: (seconds > 0).then(|| Span::from_secs(seconds)),
        }
    }
}
