//! Opus packets as they are framed (RFC 6716 section 3): how long one lasts, and how several streams share one packet.
//! Nothing is decoded.

/// Opus counts at 48 kHz (RFC 7587 section 4.1), a recording's timeline at 8.
pub(crate) const PER_SAMPLE: u32 = 6;
/// The longest that a packet may last, in samples at 48 kHz: 120 ms (RFC 6716 section 3.2.5).
const SAMPLES_MAX: u32 = 5760;
/// A packet that says nothing: 20 ms and 2.5 ms of whatever the decoder makes of what it heard last (RFC 7845 section 4.1).
const SILENT_20_MS: u8 = 0xF8;
const SILENT_2_5_MS: u8 = 0xE0;
/// A length below this takes one byte (RFC 6716 section 3.2.1).
const SHORT_LEN: usize = 252;

/// Samples at 48 kHz in a packet; `None` when it isn't one.
pub(crate) fn samples(packet: &[u8]) -> Option<u32> {
    let (toc, rest) = packet.split_first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*rest.first()? & 0x3f),
    };
    let samples = frames * frame_samples(*toc);
    (1..=SAMPLES_MAX).contains(&samples).then_some(samples)
}

/// Whether its frames are of two channels.
pub(crate) fn is_stereo(packet: &[u8]) -> bool {
    packet.first().is_some_and(|toc| toc & 4 != 0)
}

/// Samples of each frame by the configuration in the first byte (RFC 6716 table 2).
const fn frame_samples(toc: u8) -> u32 {
    let config = toc >> 3;
    match config {
        // SILK: 10, 20, 40, 60 ms.
        0..=11 => [480, 960, 1920, 2880][(config & 3) as usize],
        // Hybrid: 10, 20 ms.
        12..=15 => [480, 960][(config & 1) as usize],
        // CELT: 2.5, 5, 10, 20 ms.
        _ => [120, 240, 480, 960][(config & 3) as usize],
    }
}

/// A packet of silence, as long as fits into a gap: 20 ms, else 2.5 ms; `None` when the gap is shorter.
pub(crate) fn silence(gap: u32) -> Option<(u8, u32)> {
    match gap {
        960.. => Some((SILENT_20_MS, 960)),
        120.. => Some((SILENT_2_5_MS, 120)),
        _ => None,
    }
}

/// Writes a packet so that its end is known from within (RFC 6716 appendix B): as all but the last of several streams in
/// one packet are. False, and nothing written, when it isn't a packet.
pub(crate) fn put_delimited(packet: &[u8], into: &mut Vec<u8>) -> bool {
    let Some((at, length)) = undelimited(packet) else {
        return false;
    };
    into.extend_from_slice(&packet[..at]);
    put_length(length, into);
    into.extend_from_slice(&packet[at..]);
    true
}

/// Where the length of the last frame (of each, when all are alike) belongs, and which it is.
fn undelimited(packet: &[u8]) -> Option<(usize, usize)> {
    let (toc, rest) = packet.split_first()?;
    match toc & 3 {
        0 => Some((1, rest.len())),
        1 => (rest.len() % 2 == 0).then_some((1, rest.len() / 2)),
        2 => {
            let (first, used) = read_length(rest)?;
            Some((1 + used, rest.len().checked_sub(used + first)?))
        }
        _ => {
            let count = *rest.first()?;
            let (mut at, mut padding) = (2, 0);
            if count & 0x40 != 0 {
                loop {
                    let more = usize::from(*packet.get(at)?);
                    at += 1;
                    padding += more.min(254);
                    if more < 255 {
                        break;
                    }
                }
            }
            let frames = usize::from(count & 0x3f);
            if count & 0x80 == 0 {
                let bytes = packet.len().checked_sub(at + padding)?;
                return (frames > 0 && bytes % frames == 0).then(|| (at, bytes / frames));
            }
            let mut known = 0;
            for _ in 1..frames {
                let (length, used) = read_length(packet.get(at..)?)?;
                known += length;
                at += used;
            }
            Some((at, packet.len().checked_sub(at + padding + known)?))
        }
    }
}

/// A length and how many bytes it took.
fn read_length(from: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*from.first()?);
    if first < SHORT_LEN {
        return Some((first, 1));
    }
    Some((4 * usize::from(*from.get(1)?) + first, 2))
}

fn put_length(length: usize, into: &mut Vec<u8>) {
    if length < SHORT_LEN {
        into.push(length as u8);
        return;
    }
    // No frame is longer than 1275 bytes (RFC 6716 section 3.2.1); a packet off the network isn't either.
    let first = SHORT_LEN + (length & 3);
    into.push(first as u8);
    into.push(((length - first) >> 2).min(255) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_how_long() {
        let cases: [(&[u8], Option<u32>); 8] = [
            (&[0xF8], Some(960)),
            (&[0xE0], Some(120)),
            (&[0x58, 1, 2], Some(2880)),
            (&[0x79, 1, 2], Some(1920)),
            (&[0x7B, 3, 1, 2, 3], Some(2880)),
            (&[0x7B, 7, 1], None),
            (&[0x7B, 0], None),
            (&[], None),
        ];
        for (packet, expected) in cases {
            assert_eq!(samples(packet), expected, "{packet:?}");
        }
        assert!(is_stereo(&[0xFC]) && !is_stereo(&[0xF8]));
        assert_eq!(silence(959), Some((SILENT_2_5_MS, 120)));
        assert_eq!(silence(119), None);
    }

    #[test]
    fn a_packet_says_where_it_ends() {
        let long = [vec![0xF8], vec![7; 300]].concat();
        let cases: [(&[u8], &[u8]); 5] = [
            (&[0xF8], &[0xF8, 0]),
            (&[0xF8, 9, 9], &[0xF8, 2, 9, 9]),
            (&[0xF9, 8, 9], &[0xF9, 1, 8, 9]),
            (&[0xFA, 1, 8, 9, 9], &[0xFA, 1, 2, 8, 9, 9]),
            // Three frames of their own lengths, two bytes of padding.
            (
                &[0xFB, 0xC3, 2, 1, 0, 5, 6, 7, 0, 0],
                &[0xFB, 0xC3, 2, 1, 0, 2, 5, 6, 7, 0, 0],
            ),
        ];
        for (packet, expected) in cases {
            let mut into = Vec::new();
            assert!(put_delimited(packet, &mut into));
            assert_eq!(into, expected, "{packet:?}");
        }
        let mut into = Vec::new();
        assert!(put_delimited(&long, &mut into));
        assert_eq!(read_length(&into[1..]), Some((300, 2)));
        for broken in [
            &[][..],
            &[0xF9, 1],
            &[0xFA, 9, 1],
            &[0xFB],
            &[0xFB, 0x43, 255],
        ] {
            assert!(!put_delimited(broken, &mut Vec::new()), "{broken:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_taken_or_not(packet in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let _length = samples(&packet);
            let mut into = Vec::new();
            if put_delimited(&packet, &mut into) {
                proptest::prop_assert!(into.len() > packet.len());
            }
        }
    }
}
