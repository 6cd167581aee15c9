//! What of a stream's audio hasn't come yet: it may be late, and is told as lost when it can't be any more.

use crate::vault::Batch;

/// A gap is reported when this many packets have come after it: until then what is missing may only be late.
const LATE_PACKETS_MAX: u32 = 10;
/// Sequence numbers there are.
const SEQUENCES: u32 = 1 << 16;

/// What may still come late, the oldest first. A packet makes one more at most, and each waits for [`LATE_PACKETS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<Gap>);

/// Audio that hasn't come yet.
#[derive(Debug, Clone, Copy)]
struct Gap {
    from: u32,
    until: u32,
    packets_since: u32,
}

/// Packets that weren't heard.
#[derive(Debug, Clone, Copy)]
pub(super) enum Skipped {
    Just(u16),
    /// So many, or as many and some rounds of the sequence numbers.
    OrRounds(u16),
}

impl Gaps {
    pub(super) fn open(&mut self, from: u32, until: u32) {
        self.0.push(Gap {
            from,
            until,
            packets_since: 0,
        });
    }

    /// Some of it has come. In the middle of a gap that leaves two.
    pub(super) fn fill(&mut self, from: u32, until: u32) {
        for gap in std::mem::take(&mut self.0) {
            let (before, after) = (gap.until.min(from), gap.from.max(until));
            let left = [(gap.from, before), (after, gap.until)].into_iter();
            let left = left.filter(|(from, until)| from < until);
            self.0
                .extend(left.map(|(from, until)| Gap { from, until, ..gap }));
        }
    }

    /// Another packet has come.
    pub(super) fn age(&mut self, out: &mut Batch) {
        self.0.retain_mut(|gap| {
            gap.packets_since += 1;
            let waits = gap.packets_since <= LATE_PACKETS_MAX;
            if !waits {
                gap.report(out);
            }
            waits
        });
    }

    /// Nothing of it comes any more.
    pub(super) fn report(&mut self, out: &mut Batch) {
        self.0.drain(..).for_each(|gap| gap.report(out));
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl Gap {
    fn report(self, out: &mut Batch) {
        out.lost(self.from, self.until - self.from);
    }
}

impl Skipped {
    /// How much of the timeline they would fill, of which that much is empty.
    pub(super) fn samples(self, room: u32, length: u32) -> u32 {
        match self {
            Self::Just(packets) => u32::from(packets).saturating_mul(length),
            Self::OrRounds(packets) => {
                let fit = room.checked_div(length).unwrap_or(0);
                let rounds = fit.saturating_sub(packets.into()) / SEQUENCES;
                let packets = u32::from(packets) + rounds * SEQUENCES;
                packets.min(fit).saturating_mul(length)
            }
        }
    }
}
