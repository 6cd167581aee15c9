//! What came of a stream: order, loss, duplicates, jitter (RFC 3550 appendix A.1, A.3, A.8).

use super::Packet;
use crate::time::Time;

/// A jump forward of this many packets may be loss; a longer one is a stream that started over (appendix A.1).
const DROPOUT_MAX: u16 = 3000;
/// A packet this much behind the newest may be late; one further back is a stream that started over (appendix A.1).
const MISORDER_MAX: u16 = 100;

/// Where a packet stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The first of a stream: the first of all, one by another source, or one after a jump (play it without regard
    /// to what came before).
    First {
        /// Its sequence number with the wraps counted.
        sequence: u64,
    },
    /// Newer than all before it; `missing` packets between are lost or late.
    Next {
        /// Its sequence number with the wraps counted.
        sequence: u64,
        /// Packets skipped.
        missing: u16,
    },
    /// Older than the newest, and not seen before.
    Late {
        /// Its sequence number with the wraps counted.
        sequence: u64,
    },
    /// Seen before: to be dropped.
    Duplicate,
    /// So far off that it's noise until the next one follows it: to be dropped.
    Doubtful,
}

/// Counts of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stats {
    /// Packets that came, without duplicates.
    pub received: u64,
    /// Packets that were to come, by sequence number, and didn't (yet).
    pub lost: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a newer one.
    pub reordered: u64,
    /// Packets dropped as noise.
    pub doubtful: u64,
    /// Times the stream started over: another source, or a jump.
    pub restarts: u64,
    /// Interarrival jitter in timestamp units (RFC 3550 section 6.4.1).
    pub jitter: u32,
    /// Highest sequence number with the wraps counted.
    pub highest: u64,
}

/// The receiving side of a stream. First what every packet asks for, so that it lies together in a processor's cache.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Receiver {
    clock_rate: u32,
    run: Option<Run>,
    stats: Stats,
    /// Expected packets of the runs before this one.
    expected_before: u64,
}

/// An unbroken count of sequence numbers by one source.
#[derive(Debug, Clone)]
struct Run {
    ssrc: u32,
    first: u64,
    highest: u64,
    /// Bit n: the packet n before the highest came.
    seen: u128,
    /// The sequence number that would follow the last doubtful packet.
    doubtful_next: Option<u16>,
    transit: i64,
    /// Sixteen times the jitter, as appendix A.8 keeps it.
    jitter_16: i64,
}

impl Receiver {
    /// A stream whose timestamps count `clock_rate` a second.
    pub const fn new(clock_rate: u32) -> Self {
        const ZERO: Stats = Stats {
            received: 0,
            lost: 0,
            duplicates: 0,
            reordered: 0,
            doubtful: 0,
            restarts: 0,
            jitter: 0,
            highest: 0,
        };
        Self {
            clock_rate,
            run: None,
            stats: ZERO,
            expected_before: 0,
        }
    }

    /// Counts a packet that came at `now`.
    pub fn receive(&mut self, now: Time, packet: &Packet<'_>) -> Arrival {
        let transit = self.transit(now, packet.timestamp);
        let arrival = match &mut self.run {
            Some(run) if run.ssrc == packet.ssrc => run.place(packet.sequence),
            _ => Place::Restart,
        };
        let arrival = match arrival {
            Place::Restart => self.restart(packet, transit),
            Place::Doubtful => {
                self.stats.doubtful += 1;
                return Arrival::Doubtful;
            }
            Place::Known(arrival) => arrival,
        };
        match arrival {
            Arrival::Duplicate => {
                self.stats.duplicates += 1;
                return arrival;
            }
            Arrival::Late { .. } => self.stats.reordered += 1,
            _ => {}
        }
        self.stats.received += 1;
        if let Some(run) = &mut self.run {
            run.measure(transit);
        }
        arrival
    }

    /// The counts so far.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        let expected = self.expected_before + self.run.as_ref().map_or(0, Run::expected);
        stats.lost = expected.saturating_sub(stats.received);
        if let Some(run) = &self.run {
            stats.highest = run.highest;
            stats.jitter = u32::try_from(run.jitter_16 >> 4).unwrap_or(u32::MAX);
        }
        stats
    }

    /// The source that is heard.
    pub fn ssrc(&self) -> Option<u32> {
        self.run.as_ref().map(|run| run.ssrc)
    }

    fn restart(&mut self, packet: &Packet<'_>, transit: i64) -> Arrival {
        if let Some(run) = &self.run {
            self.expected_before += run.expected();
            self.stats.restarts += 1;
        }
        // One cycle up, so that a late packet from before the first has a number too.
        let sequence = CYCLE + u64::from(packet.sequence);
        self.run = Some(Run {
            ssrc: packet.ssrc,
            first: sequence,
            highest: sequence,
            seen: 1,
            doubtful_next: None,
            transit,
            jitter_16: 0,
        });
        Arrival::First { sequence }
    }

    /// Arrival minus timestamp, in timestamp units; only differences mean anything, and those wrap.
    fn transit(&self, now: Time, timestamp: u32) -> i64 {
        let rate = u64::from(self.clock_rate);
        let part = u64::from(now.0.subsec_nanos()) * rate / 1_000_000_000;
        let units = now.0.as_secs().wrapping_mul(rate).wrapping_add(part);
        // Only the low 32 bits take part, as in the timestamp itself.
        let arrival = (units & u64::from(u32::MAX)) as u32;
        i64::from(arrival.wrapping_sub(timestamp))
    }
}

const CYCLE: u64 = 1 << 16;

enum Place {
    Known(Arrival),
    Restart,
    Doubtful,
}

impl Run {
    fn place(&mut self, sequence: u16) -> Place {
        let newest = (self.highest & 0xFFFF) as u16;
        let ahead = sequence.wrapping_sub(newest);
        let behind = newest.wrapping_sub(sequence);
        if ahead != 0 && ahead < DROPOUT_MAX {
            self.highest += u64::from(ahead);
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.doubtful_next = None;
            return Place::Known(Arrival::Next {
                sequence: self.highest,
                missing: ahead - 1,
            });
        }
        if behind <= MISORDER_MAX {
            let bit = 1 << behind;
            if self.seen & bit != 0 {
                return Place::Known(Arrival::Duplicate);
            }
            self.seen |= bit;
            // At least one cycle up (see `restart`), so this can't go below zero.
            let sequence = self.highest.saturating_sub(u64::from(behind));
            self.first = self.first.min(sequence);
            return Place::Known(Arrival::Late { sequence });
        }
        if self.doubtful_next == Some(sequence) {
            return Place::Restart;
        }
        self.doubtful_next = Some(sequence.wrapping_add(1));
        Place::Doubtful
    }

    const fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    fn measure(&mut self, transit: i64) {
        // The difference wraps with the 32 bits of the timestamp.
        let difference = i64::from((transit - self.transit) as i32).abs();
        self.transit = transit;
        self.jitter_16 += difference - ((self.jitter_16 + 8) >> 4);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn packet(sequence: u16, timestamp: u32) -> Packet<'static> {
        Packet {
            payload_type: 8,
            marker: false,
            sequence,
            timestamp,
            ssrc: 1,
            payload: &[],
        }
    }

    fn at(ms: u64) -> Time {
        Time(Duration::from_millis(ms))
    }

    fn feed(receiver: &mut Receiver, sequences: &[u16]) -> Vec<Arrival> {
        sequences
            .iter()
            .map(|&sequence| receiver.receive(at(0), &packet(sequence, 0)))
            .collect()
    }

    #[test]
    fn loss_order_duplicates_and_a_wrap() {
        let mut receiver = Receiver::new(8000);
        let arrivals = feed(&mut receiver, &[65534, 65535, 1, 0, 0, 3]);
        assert_eq!(
            arrivals[2..],
            [
                Arrival::Next {
                    sequence: 2 * CYCLE + 1,
                    missing: 1
                },
                Arrival::Late {
                    sequence: 2 * CYCLE
                },
                Arrival::Duplicate,
                Arrival::Next {
                    sequence: 2 * CYCLE + 3,
                    missing: 1
                },
            ]
        );
        let stats = receiver.stats();
        assert_eq!(
            (
                stats.received,
                stats.lost,
                stats.duplicates,
                stats.reordered
            ),
            (5, 1, 1, 1)
        );
    }

    #[test]
    fn a_jump_is_believed_when_the_next_follows() {
        let mut receiver = Receiver::new(8000);
        let arrivals = feed(&mut receiver, &[10, 11, 30000, 12, 40000, 40001, 40002]);
        assert_eq!(arrivals[2], Arrival::Doubtful);
        assert_eq!(arrivals[4], Arrival::Doubtful);
        assert!(matches!(arrivals[5], Arrival::First { .. }));
        let stats = receiver.stats();
        assert_eq!(
            (stats.received, stats.lost, stats.restarts, stats.doubtful),
            (5, 0, 1, 2)
        );
    }

    #[test]
    fn another_source_starts_over() {
        let mut receiver = Receiver::new(8000);
        feed(&mut receiver, &[1, 2]);
        let other = Packet {
            ssrc: 2,
            ..packet(900, 0)
        };
        assert!(matches!(
            receiver.receive(at(0), &other),
            Arrival::First { .. }
        ));
        assert_eq!(receiver.stats().lost, 0);
        assert_eq!(receiver.ssrc(), Some(2));
    }

    #[test]
    fn jitter_is_that_of_the_appendix() {
        let mut receiver = Receiver::new(8000);
        for n in 0..200_u16 {
            // Every second packet comes 5 ms late: 40 samples of difference, each time.
            let late = if n % 2 == 0 { 0 } else { 5 };
            receiver.receive(at(u64::from(n) * 20 + late), &packet(n, u32::from(n) * 160));
        }
        assert!(
            (38..=40).contains(&receiver.stats().jitter),
            "{}",
            receiver.stats().jitter
        );
    }

    #[test]
    fn an_even_stream_has_no_jitter_over_a_timestamp_wrap() {
        let mut receiver = Receiver::new(8000);
        for n in 0..10_u16 {
            let timestamp = (u32::MAX - 500).wrapping_add(u32::from(n) * 160);
            receiver.receive(at(u64::from(n) * 20), &packet(n, timestamp));
        }
        assert_eq!(receiver.stats().jitter, 0);
    }

    proptest! {
        #[test]
        fn any_sequence_keeps_the_books(sequences in proptest::collection::vec(any::<(u16, u32, bool)>(), 0..300)) {
            let mut receiver = Receiver::new(8000);
            for (n, &(sequence, timestamp, other)) in sequences.iter().enumerate() {
                let packet = Packet { ssrc: u32::from(other), ..packet(sequence, timestamp) };
                receiver.receive(at(n as u64), &packet);
            }
            let stats = receiver.stats();
            prop_assert_eq!(stats.received + stats.duplicates + stats.doubtful, sequences.len() as u64);
        }
    }
}
