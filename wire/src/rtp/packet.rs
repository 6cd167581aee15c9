//! A packet's bytes to its fields and back (RFC 3550 section 5.1).

use ::rtp::header::Header;
use webrtc_util::marshal::{Marshal, Unmarshal};

/// Bytes of a header without contributing sources and extension.
pub const HEADER_LEN: usize = 12;

/// A packet, its payload still in the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// First packet of a talkspurt (audio) or of an event.
    pub marker: bool,
    /// Counts packets, wraps.
    pub sequence: u16,
    /// Moment of the first sample, in samples; wraps.
    pub timestamp: u32,
    /// Names the stream.
    pub ssrc: u32,
    /// The audio or event, without padding.
    pub payload: &'a [u8],
}

/// Why a datagram is no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than its own header says.
    #[error("an RTP packet cut short at {len} bytes")]
    Short {
        /// Bytes there are.
        len: usize,
    },
    /// Not version 2: STUN, DTLS or noise.
    #[error("RTP version {version}, not 2")]
    Version {
        /// What the first two bits say.
        version: u8,
    },
    /// The padding count is zero or more than there is.
    #[error("RTP padding of {padding} bytes in {len} bytes of payload")]
    Padding {
        /// What the last byte says.
        padding: usize,
        /// Bytes after the header.
        len: usize,
    },
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Contributing sources and header extensions are passed over.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PacketError> {
        let short = PacketError::Short {
            len: datagram.len(),
        };
        let fixed: &[u8; HEADER_LEN] = datagram.first_chunk().ok_or(short)?;
        let version = fixed[0] >> 6;
        if version != 2 {
            return Err(PacketError::Version { version });
        }
        let [_, kind, s0, s1, t0, t1, t2, t3, ssrc @ ..] = *fixed;
        let body = datagram
            .get(body_offset(datagram).ok_or(short)?..)
            .ok_or(short)?;
        let payload = if fixed[0] & PADDING == 0 {
            body
        } else {
            without_padding(body)?
        };
        Ok(Self {
            payload_type: kind & !MARKER,
            marker: kind & MARKER != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes(ssrc),
            payload,
        })
    }

    /// Writes the packet into `datagram`, in place of what was there.
    pub fn write(&self, datagram: &mut Vec<u8>) {
        datagram.clear();
        self.append(datagram);
    }

    /// Writes the packet after what is in `datagrams`.
    pub fn append(&self, datagrams: &mut Vec<u8>) {
        let header = Header {
            version: 2,
            marker: self.marker,
            payload_type: self.payload_type & 0x7F,
            sequence_number: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            ..Header::default()
        };
        let start = datagrams.len();
        datagrams.resize(start + HEADER_LEN, 0);
        let written = header.marshal_to(&mut datagrams[start..]);
        debug_assert!(
            matches!(written, Ok(HEADER_LEN)),
            "a header without sources or extension has 12 bytes"
        );
        datagrams.extend_from_slice(self.payload);
    }
}

/// Whether a datagram on a shared port is RTCP and not RTP (RFC 5761 section 4: packet types 192 to 223).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

const MARKER: u8 = 0x80;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const SOURCES: u8 = 0x0F;

/// The twelve fixed bytes by the `rtp` crate. It is shown no extension: its reader of those trusts the lengths
/// inside and panics when they lie.
pub(crate) fn fixed_header(fixed: &[u8; HEADER_LEN]) -> Option<Header> {
    let mut plain = *fixed;
    plain[0] &= !(EXTENSION | SOURCES);
    Header::unmarshal(&mut plain.as_slice()).ok()
}

/// Where the payload starts: after the contributing sources and the extension. `None` when that's beyond the end.
pub(crate) fn body_offset(datagram: &[u8]) -> Option<usize> {
    let first = *datagram.first()?;
    let mut offset = HEADER_LEN + 4 * usize::from(first & SOURCES);
    if first & EXTENSION != 0 {
        let words: &[u8; 2] = datagram.get(offset + 2..)?.first_chunk()?;
        offset += 4 + 4 * usize::from(u16::from_be_bytes(*words));
    }
    (offset <= datagram.len()).then_some(offset)
}

fn without_padding(body: &[u8]) -> Result<&[u8], PacketError> {
    let padding = body.last().map_or(0, |&count| usize::from(count));
    let lie = PacketError::Padding {
        padding,
        len: body.len(),
    };
    if padding == 0 {
        return Err(lie);
    }
    body.len()
        .checked_sub(padding)
        .and_then(|end| body.get(..end))
        .ok_or(lie)
}

/// The sending side of a stream: counts sequence numbers and timestamps.
#[derive(Debug, Clone)]
pub struct Sender {
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
}

impl Sender {
    /// A stream that begins at `sequence` and `timestamp`; all three numbers are to be random (RFC 3550 section 5.1).
    pub const fn new(payload_type: u8, ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            payload_type,
            sequence,
            timestamp,
        }
    }

    /// Writes the next packet into `datagram`. The clock moves on by `samples` after it.
    pub fn next(&mut self, payload: &[u8], samples: u32, marker: bool, datagram: &mut Vec<u8>) {
        self.next_as(self.payload_type, payload, samples, marker, datagram);
    }

    /// As [`Self::next`] with another payload type for this packet. Packets of one key press share a timestamp:
    /// give 0 samples until the last (RFC 4733 section 2.5).
    pub fn next_as(
        &mut self,
        payload_type: u8,
        payload: &[u8],
        samples: u32,
        marker: bool,
        datagram: &mut Vec<u8>,
    ) {
        let packet = Packet {
            payload_type,
            marker,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload,
        };
        packet.write(datagram);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// Lets time pass without a packet (silence that isn't sent).
    pub const fn skip(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// The stream's name.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: [u8; 16] = [
        0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3, 4,
    ];

    #[test]
    fn reads_and_writes_the_same_bytes() {
        let packet = Packet::parse(&PLAIN).expect("a packet");
        assert_eq!(
            packet,
            Packet {
                payload_type: 8,
                marker: true,
                sequence: 0x1234,
                timestamp: 160,
                ssrc: 0xDEAD_BEEF,
                payload: &[1, 2, 3, 4]
            }
        );
        let mut written = vec![9; 40];
        packet.write(&mut written);
        assert_eq!(written, PLAIN);
    }

    #[test]
    fn sources_extension_and_padding_are_passed_over() {
        let mut datagram = PLAIN[..12].to_vec();
        datagram[0] = 0x80 | PADDING | EXTENSION | 2;
        datagram.extend([0; 8]);
        datagram.extend([0xBE, 0xDE, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
        datagram.extend([7, 7, 0, 2]);
        assert_eq!(
            Packet::parse(&datagram).map(|packet| packet.payload.to_vec()),
            Ok(vec![7, 7])
        );
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        assert_eq!(
            Packet::parse(&PLAIN[..11]),
            Err(PacketError::Short { len: 11 })
        );
        let with = |first: u8, last: u8| {
            let mut datagram = PLAIN;
            datagram[0] = first;
            datagram[15] = last;
            Packet::parse(&datagram).map(|packet| packet.payload.len())
        };
        assert_eq!(with(0x00, 0), Err(PacketError::Version { version: 0 }));
        assert_eq!(
            with(0xA0, 5),
            Err(PacketError::Padding { padding: 5, len: 4 })
        );
        assert_eq!(
            with(0xA0, 0),
            Err(PacketError::Padding { padding: 0, len: 4 })
        );
        assert_eq!(with(0xA0, 4), Ok(0));
        assert_eq!(with(0x82, 0), Err(PacketError::Short { len: 16 }));
        assert_eq!(with(0x90, 1), Err(PacketError::Short { len: 16 }));
    }

    #[test]
    fn rtcp_is_told_apart() {
        assert!(is_rtcp(&[0x80, 200, 0, 1]));
        assert!(!is_rtcp(&PLAIN));
        assert!(!is_rtcp(&[0x80]));
    }

    #[test]
    fn a_sender_counts_and_wraps() {
        let mut sender = Sender::new(8, 7, u16::MAX, u32::MAX - 159);
        let mut datagram = Vec::new();
        sender.next(&[0xD5; 160], 160, true, &mut datagram);
        sender.next(&[0xD5; 160], 160, false, &mut datagram);
        let packet = Packet::parse(&datagram).expect("a packet");
        assert_eq!(
            (
                packet.sequence,
                packet.timestamp,
                packet.marker,
                packet.ssrc
            ),
            (0, 0, false, 7)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_an_error(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = Packet::parse(&datagram) {
                prop_assert!(packet.payload.len() + HEADER_LEN <= datagram.len());
                let mut written = Vec::new();
                packet.write(&mut written);
                prop_assert_eq!(Packet::parse(&written), Ok(packet));
            }
        }

        #[test]
        fn any_flags_over_any_bytes(first in 0x80_u8..=0xBF, rest in proptest::collection::vec(any::<u8>(), 11..120)) {
            let mut datagram = vec![first];
            datagram.extend(rest);
            let _ = Packet::parse(&datagram);
        }
    }
}
