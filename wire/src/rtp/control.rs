//! RTCP: what each side of a stream tells the other of how it is heard (RFC 3550 section 6).
//!
//! Only what a telephone call needs: a report of each side with its name, and that its stream has ended (BYE); nothing that grows with
//! the number of members.

/// A report that we send: what we have sent (when we have), and what we hear of the one stream that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// Our stream.
    pub ssrc: u32,
    /// `None`: nothing was sent since the last report but one.
    pub sent: Option<Sent>,
    /// `None`: nothing was heard since the last report.
    pub heard: Option<Heard>,
    /// Names us, by no personal datum (RFC 7022); [`CNAME_MAX`] bytes of it are written.
    pub cname: &'a str,
}

/// What a sender tells of its stream (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The moment, in seconds since 1900 with 32 bits of fraction.
    pub ntp: u64,
    /// The same moment as the stream counts it.
    pub timestamp: u32,
    /// Packets so far; wraps.
    pub packets: u32,
    /// Bytes of payload so far; wraps.
    pub octets: u32,
}

/// What a receiver tells of a stream (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Whose stream.
    pub ssrc: u32,
    /// Lost since the last report, in 256ths of what was to come.
    pub fraction_lost: u8,
    /// Lost in all; 24 bits of it are written.
    pub lost: u32,
    /// The highest sequence number, wraps in the upper half.
    pub highest: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// The middle of the `ntp` of the last sender's report; 0 when none came.
    pub last_report: u32,
    /// Since then, in 65536ths of a second.
    pub delay: u32,
}

/// What has come from the other side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Whose packets these are.
    pub ssrc: u32,
    /// What it says of what it sends.
    pub sent: Option<Sent>,
    /// What it says of our stream.
    pub heard: Option<Heard>,
    /// Whether it says of a stream that it has ended (BYE, section 6.6).
    pub ended: bool,
}

/// Bytes of a name that are written; the length has one byte.
pub const CNAME_MAX: usize = 255;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
const VERSION: u8 = 2 << 6;
const COUNT: u8 = 0x1F;
const BLOCK_LEN: usize = 24;

impl Report<'_> {
    /// Writes it after what is in `datagram`: a compound packet of a report and the name that each must have.
    pub fn append(&self, datagram: &mut Vec<u8>) {
        let kind = match self.sent {
            Some(_) => SENDER_REPORT,
            None => RECEIVER_REPORT,
        };
        let words =
            1 + if self.sent.is_some() { 5 } else { 0 } + if self.heard.is_some() { 6 } else { 0 };
        datagram.extend([VERSION | u8::from(self.heard.is_some()), kind, 0, words]);
        datagram.extend(self.ssrc.to_be_bytes());
        if let Some(sent) = self.sent {
            datagram.extend(sent.ntp.to_be_bytes());
            for word in [sent.timestamp, sent.packets, sent.octets] {
                datagram.extend(word.to_be_bytes());
            }
        }
        if let Some(heard) = self.heard {
            heard.append(datagram);
        }
        self.append_name(datagram);
    }

    /// The same as the last that is said of our stream: it has ended (BYE, section 6.6).
    pub fn append_last(&self, datagram: &mut Vec<u8>) {
        self.append(datagram);
        datagram.extend([VERSION | 1, BYE, 0, 1]);
        datagram.extend(self.ssrc.to_be_bytes());
    }

    fn append_name(&self, datagram: &mut Vec<u8>) {
        let name = &self.cname.as_bytes()[..self.cname.len().min(CNAME_MAX)];
        // The item, and one byte at least of zeros up to the next word.
        let item = 2 + name.len();
        let padded = item / 4 * 4 + 4;
        let words = 1 + u8::try_from(padded / 4).unwrap_or(u8::MAX);
        datagram.extend([VERSION | 1, SOURCE_DESCRIPTION, 0, words]);
        datagram.extend(self.ssrc.to_be_bytes());
        datagram.extend([CNAME, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        datagram.extend_from_slice(name);
        datagram.resize(datagram.len() + padded - item, 0);
    }
}

impl Heard {
    fn append(&self, datagram: &mut Vec<u8>) {
        const LOST_MAX: u32 = 0x7F_FFFF;
        datagram.extend(self.ssrc.to_be_bytes());
        let lost = u32::from(self.fraction_lost) << 24 | self.lost.min(LOST_MAX);
        for word in [
            lost,
            self.highest,
            self.jitter,
            self.last_report,
            self.delay,
        ] {
            datagram.extend(word.to_be_bytes());
        }
    }

    fn read(block: &[u8]) -> Option<Self> {
        let lost = word(block, 4)?;
        let total = lost & 0xFF_FFFF;
        // More duplicates than losses make it negative: then nothing is lost.
        let negative = total & 0x80_0000 != 0;
        Some(Self {
            ssrc: word(block, 0)?,
            fraction_lost: lost.to_be_bytes()[0],
            lost: if negative { 0 } else { total },
            highest: word(block, 8)?,
            jitter: word(block, 12)?,
            last_report: word(block, 16)?,
            delay: word(block, 20)?,
        })
    }
}

impl Told {
    /// Reads a datagram, and of its blocks the one about `ours`. `None`: not RTCP, or lengths that lie (appendix A.2). What is
    /// neither report is passed over.
    pub fn read(datagram: &[u8], ours: u32) -> Option<Self> {
        let mut told = None::<Self>;
        let mut rest = datagram;
        while let [first, kind, high, low, ..] = *rest {
            let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            let packet = rest.get(..len).filter(|_| first >> 6 == 2)?;
            rest = &rest[len..];
            if matches!(kind, SENDER_REPORT | RECEIVER_REPORT) {
                let told = told.get_or_insert_default();
                told.take(packet, kind == SENDER_REPORT, first & COUNT, ours)?;
            } else if kind == BYE {
                // Whose streams they are, and perhaps why.
                let sources = usize::from(first & COUNT);
                packet.get(4..4 + 4 * sources)?;
                told.get_or_insert_default().ended |= sources > 0;
            }
        }
        // A packet begins with a report (section 6.1), unless it was made shorter (RFC 5506): that tells us nothing.
        rest.is_empty().then_some(told.unwrap_or_default())
    }

    fn take(&mut self, packet: &[u8], sender: bool, blocks: u8, ours: u32) -> Option<()> {
        self.ssrc = word(packet, 4)?;
        let mut at = 8;
        if sender {
            self.sent = Some(Sent {
                ntp: u64::from(word(packet, 8)?) << 32 | u64::from(word(packet, 12)?),
                timestamp: word(packet, 16)?,
                packets: word(packet, 20)?,
                octets: word(packet, 24)?,
            });
            at = 28;
        }
        for _ in 0..blocks {
            let block = Heard::read(packet.get(at..at + BLOCK_LEN)?)?;
            at += BLOCK_LEN;
            if block.ssrc == ours {
                self.heard = Some(block);
            }
        }
        Some(())
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEARD: Heard = Heard {
        ssrc: 9,
        fraction_lost: 128,
        lost: 77,
        highest: 0x1_0005,
        jitter: 12,
        last_report: 0xAABB_CCDD,
        delay: 65_536,
    };
    const SENT: Sent = Sent {
        ntp: 0x0102_0304_0506_0708,
        timestamp: 160,
        packets: 3,
        octets: 480,
    };

    fn written(sent: Option<Sent>, heard: Option<Heard>, cname: &str) -> Vec<u8> {
        let mut datagram = Vec::new();
        let report = Report {
            ssrc: 7,
            sent,
            heard,
            cname,
        };
        report.append(&mut datagram);
        datagram
    }

    #[test]
    fn what_is_written_is_read_whichever_side_it_is_about() {
        for (sent, heard) in [
            (None, None),
            (Some(SENT), None),
            (None, Some(HEARD)),
            (Some(SENT), Some(HEARD)),
        ] {
            for cname in ["", "a", "ab", "abc", &"n".repeat(300)] {
                let datagram = written(sent, heard, cname);
                assert_eq!(datagram.len() % 4, 0);
                let told = Told::read(&datagram, 9).expect("RTCP");
                assert_eq!((told.ssrc, told.sent, told.heard), (7, sent, heard));
                let told = Told::read(&datagram, 8).expect("RTCP");
                assert_eq!(told.heard, None, "it is of another stream");
            }
        }
    }

    /// As section 6.4.1 and 6.5 draw them.
    #[test]
    fn the_bytes_are_the_standards() {
        let datagram = written(Some(SENT), Some(HEARD), "ab");
        assert_eq!(datagram[..8], [0x81, 200, 0, 12, 0, 0, 0, 7]);
        assert_eq!(datagram[8..16], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(datagram[28..36], [0, 0, 0, 9, 128, 0, 0, 77]);
        let name = [0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, b'a', b'b', 0, 0, 0, 0];
        assert_eq!(datagram[52..], name);
    }

    #[test]
    fn lengths_that_lie_are_refused_and_other_packets_passed_over() {
        let good = written(Some(SENT), Some(HEARD), "ab");
        for len in 0..good.len() {
            let cut = Told::read(&good[..len], 9);
            let whole = len == 0 || len == 52;
            assert_eq!(cut.is_some(), whole, "{len}");
        }
        let mut many = good.clone();
        many[0] |= COUNT;
        assert_eq!(
            Told::read(&many, 9),
            None,
            "more blocks than there is room for"
        );
        let application = [0x81, 204, 0, 2, 0, 0, 0, 7, b'n', b'a', b'm', b'e'];
        let told = Told::read(&[&good[..], &application].concat(), 9).expect("RTCP");
        assert_eq!((told.heard, told.ended), (Some(HEARD), false));
        assert_eq!(Told::read(&application, 9), Some(Told::default()));
    }

    /// As section 6.6 draws it.
    #[test]
    fn the_last_report_says_that_the_stream_has_ended() {
        let mut last = Vec::new();
        let report = Report {
            ssrc: 7,
            sent: Some(SENT),
            heard: Some(HEARD),
            cname: "ab",
        };
        report.append_last(&mut last);
        let (before, bye) = last.split_at(last.len() - 8);
        assert_eq!(before, written(Some(SENT), Some(HEARD), "ab"));
        assert_eq!(bye, [0x81, 203, 0, 1, 0, 0, 0, 7]);
        let told = Told::read(&last, 9).expect("RTCP");
        let all = (told.ssrc, told.sent, told.heard, told.ended);
        assert_eq!(all, (7, Some(SENT), Some(HEARD), true));
    }

    #[test]
    fn an_end_is_read_alone_with_a_reason_and_of_many_and_lengths_that_lie_are_refused() {
        let ended = Some(Told {
            ended: true,
            ..Told::default()
        });
        let alone = [0x81, 203, 0, 1, 0, 0, 0, 7];
        let reason = [0x81, 203, 0, 2, 0, 0, 0, 7, 3, b'b', b'y', b'e'];
        let two = [0x82, 203, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8];
        for bye in [&alone[..], &reason, &two] {
            assert_eq!(Told::read(bye, 9), ended);
        }
        let nobody = [0x80, 203, 0, 0];
        assert_eq!(Told::read(&nobody, 9), Some(Told::default()));
        for sources in 2..=COUNT {
            let mut lies = alone;
            lies[0] = VERSION | sources;
            assert_eq!(Told::read(&lies, 9), None, "{sources} sources");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), ours: u32) {
            let _ = Told::read(&bytes, ours);
        }

        #[test]
        fn changed_bytes_make_it_neither_panic_nor_read_beyond(at in 0_usize..76, to: u8) {
            let mut datagram = written(Some(SENT), Some(HEARD), "ab");
            datagram.extend([0x81, 203, 0, 1, 0, 0, 0, 7]);
            if let Some(byte) = datagram.get_mut(at) {
                *byte = to;
            }
            let _ = Told::read(&datagram, 9);
        }
    }
}
