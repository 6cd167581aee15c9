//! Packets closed and opened: a stream's place in its key's life, and what came before.

use std::fmt;

use ::rtp::header::Header;
use bytes::Bytes;
use webrtc_srtp::{
    context::Context,
    option::{srtcp_replay_protection, srtp_replay_protection},
    protection_profile::ProtectionProfile,
};

use super::{Crypto, Suite};
use crate::rtp;

/// Late packets are taken within this many (RFC 3711 section 3.3.2 asks for 64 at least); 2.5 seconds of audio.
const WINDOW: usize = 128;
/// Streams under one key whose place is remembered: a phone has one, and begins another when it is sent on or held.
const SOURCES_MAX: usize = 4;

/// Bytes of an RTCP packet that stay in the clear: its head and who sends it.
const CONTROL_HEAD: usize = 8;
/// Bytes of an RTCP packet's number, which goes with it, and of its tag: with both suites (RFC 4568 section 6.2).
const CONTROL_INDEX: usize = 4;
const CONTROL_TAG: usize = 10;
/// The first bit of that number.
const ENCRYPTED: u8 = 0x80;

/// Closes what we send: encrypted, and with a tag by which the peer knows it is ours.
pub struct Sealer {
    context: Context,
}

/// Why a packet was not closed. It must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No RTP packet.
    #[error("not an RTP packet")]
    Malformed,
    /// The key has served as many packets as it may (2^48).
    #[error("the key has served as many packets as it may")]
    KeyWorn,
}

/// Opens what the peer sends.
pub struct Opener {
    theirs: Crypto,
    /// By SSRC, the one that was heard last at the end. Only streams whose packets were authentic: nobody else can fill it.
    sources: Vec<(u32, Context)>,
}

/// Why a packet was not opened: it is to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No RTP packet, or none with room for a tag.
    #[error("not an SRTP packet")]
    Malformed,
    /// It came before, or so long ago that this can't be known.
    #[error("an SRTP packet that came before, or far too late")]
    Replayed,
    /// Not closed by the peer's key.
    #[error("an SRTP packet that isn't authentic")]
    Unauthenticated,
}

impl Sealer {
    /// By our own line.
    pub fn new(ours: &Crypto) -> Self {
        Self {
            context: context(ours),
        }
    }

    /// Closes a packet in place. Its sequence numbers must go on from one packet to the next: this is how often they went
    /// round, too.
    pub fn seal(&mut self, packet: &mut Vec<u8>) -> Result<(), SealError> {
        let header = header(packet).ok_or(SealError::Malformed)?;
        let sealed = self
            .context
            .encrypt_rtp_with_header(packet, &header)
            .map_err(|_| SealError::KeyWorn)?;
        packet.clear();
        packet.extend_from_slice(&sealed);
        Ok(())
    }

    /// Closes an RTCP packet in place (RFC 3711 section 3.4).
    pub fn seal_control(&mut self, packet: &mut Vec<u8>) -> Result<(), SealError> {
        if packet.len() < CONTROL_HEAD {
            return Err(SealError::Malformed);
        }
        let sealed = self.context.encrypt_rtcp(packet);
        let sealed = sealed.map_err(|_| SealError::KeyWorn)?;
        packet.clear();
        packet.extend_from_slice(&sealed);
        Ok(())
    }
}

impl Opener {
    /// By the peer's line.
    pub const fn new(theirs: Crypto) -> Self {
        Self {
            theirs,
            sources: Vec::new(),
        }
    }

    /// The line whose packets it opens.
    pub const fn theirs(&self) -> &Crypto {
        &self.theirs
    }

    /// Opens a packet in place, and gives it without its encryption.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        let len = self.without_key_name(datagram, self.theirs.suite.tag_len())?;
        let sealed = datagram.get(..len).ok_or(OpenError::Malformed)?;
        let header = header(sealed).ok_or(OpenError::Malformed)?;
        let packet = match self.place_of(header.ssrc) {
            Some(place) => {
                let (_, context) = &mut self.sources[place];
                let packet = context.decrypt_rtp_with_header(sealed, &header);
                if packet.is_ok() {
                    self.heard(place);
                }
                packet
            }
            None => self.open_first(sealed, &header),
        };
        put_back(datagram, packet)
    }

    /// Opens an RTCP packet in place (RFC 3711 section 3.4), as [`Opener::open`] does RTP.
    pub fn open_control<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], OpenError> {
        let len = self.without_key_name(datagram, CONTROL_TAG)?;
        let sealed = datagram.get(..len).ok_or(OpenError::Malformed)?;
        let index = len.checked_sub(CONTROL_TAG + CONTROL_INDEX);
        let index = index.filter(|&index| index >= CONTROL_HEAD);
        // The crate passes on unread what says that it isn't encrypted, and nobody offered that.
        let encrypted = index.is_some_and(|index| sealed[index] & ENCRYPTED != 0);
        if !encrypted {
            return Err(OpenError::Malformed);
        }
        let ssrc = u32::from_be_bytes([sealed[4], sealed[5], sealed[6], sealed[7]]);
        let packet = match self.place_of(ssrc) {
            Some(place) => self.sources[place].1.decrypt_rtcp(sealed),
            None => {
                let mut context = context(&self.theirs);
                let packet = context.decrypt_rtcp(sealed);
                if packet.is_ok() {
                    self.keep(ssrc, context);
                }
                packet
            }
        };
        put_back(datagram, packet)
    }

    /// A stream that wasn't heard before gets a context of its own, kept only when the packet is authentic: a forged one must
    /// neither take up room nor shift the window of late packets under the true ones.
    fn open_first(&mut self, sealed: &[u8], header: &Header) -> Result<Bytes, webrtc_srtp::Error> {
        let mut context = context(&self.theirs);
        let packet = context.decrypt_rtp_with_header(sealed, header)?;
        self.keep(header.ssrc, context);
        Ok(packet)
    }

    fn place_of(&self, ssrc: u32) -> Option<usize> {
        self.sources.iter().position(|(own, _)| *own == ssrc)
    }

    /// An authentic packet came of the stream at that place. How often its numbers went round can't be learnt again, so of all
    /// streams the one that has been silent longest is forgotten first.
    fn heard(&mut self, place: usize) {
        if place + 1 < self.sources.len() {
            self.sources[place..].rotate_left(1);
        }
    }

    fn keep(&mut self, ssrc: u32, context: Context) {
        if self.sources.len() == SOURCES_MAX {
            self.sources.remove(0);
        }
        self.sources.push((ssrc, context));
    }

    /// Takes the key's name out, which stands before the tag and is no part of what the tag is made of.
    fn without_key_name(&self, datagram: &mut [u8], tag: usize) -> Result<usize, OpenError> {
        let name = &*self.theirs.mki;
        if name.is_empty() {
            return Ok(datagram.len());
        }
        let end = datagram
            .len()
            .checked_sub(tag)
            .ok_or(OpenError::Malformed)?;
        let begin = end.checked_sub(name.len()).ok_or(OpenError::Malformed)?;
        if datagram.get(begin..end) != Some(name) {
            return Err(OpenError::Unauthenticated);
        }
        datagram.copy_within(end.., begin);
        Ok(begin + tag)
    }
}

/// The keys inside are derived from the line's: never printed.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("theirs", &self.theirs)
            .field("sources", &self.sources.len())
            .finish()
    }
}

fn context(line: &Crypto) -> Context {
    let profile = match line.suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
    };
    let late = Some(srtp_replay_protection(WINDOW));
    let late_control = Some(srtcp_replay_protection(WINDOW));
    // The only errors are of lengths, and a `MasterKey` has those of both suites.
    Context::new(line.key.key(), line.key.salt(), profile, late, late_control)
        .expect("a key and salt of 16 and 14 bytes")
}

/// What the ciphers need of a header: stream, number, and where the payload begins. Sources and extension are told by their
/// lengths only, because the crate's own reader trusts those inside and panics when they lie.
fn header(packet: &[u8]) -> Option<Header> {
    let offset = rtp::body_offset(packet)?;
    let mut header = rtp::fixed_header(packet.first_chunk()?)?;
    let beyond = offset - rtp::HEADER_LEN;
    if header.version != 2 {
        return None;
    }
    if beyond > 0 {
        header.extension = true;
        header.extensions_padding = beyond - EXTENSION_HEAD;
    }
    Some(header)
}

/// Bytes before an extension's words; contributing sources are counted as such words, of four bytes too.
const EXTENSION_HEAD: usize = 4;

/// The opened packet in the place of the sealed one: it is never longer.
fn put_back(
    datagram: &mut [u8],
    packet: Result<Bytes, webrtc_srtp::Error>,
) -> Result<&mut [u8], OpenError> {
    let packet = packet.map_err(|error| open_error(&error))?;
    let place = datagram
        .get_mut(..packet.len())
        .ok_or(OpenError::Malformed)?;
    place.copy_from_slice(&packet);
    Ok(place)
}

fn open_error(error: &webrtc_srtp::Error) -> OpenError {
    use webrtc_srtp::Error;
    match error {
        Error::SrtpSsrcDuplicated(..) | Error::SrtcpSsrcDuplicated(..) => OpenError::Replayed,
        Error::ErrTooShortRtp | Error::SrtpTooSmall(..) => OpenError::Malformed,
        _ => OpenError::Unauthenticated,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        rtp::{Packet, Sender},
        srtp::MasterKey,
    };

    fn line(suite: Suite) -> Crypto {
        Crypto::new(1, suite, MasterKey::new(*b"sixteen bytes ofa salt for all"))
    }

    fn both(suite: Suite) -> (Sealer, Opener) {
        (Sealer::new(&line(suite)), Opener::new(line(suite)))
    }

    fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
        let mut packet = Vec::new();
        Sender::new(8, ssrc, sequence, 0).next(&[0x55; 160], 160, false, &mut packet);
        packet
    }

    #[test]
    fn what_is_closed_is_opened_and_longer_by_its_tag() {
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32] {
            let (mut sealer, mut opener) = both(suite);
            let plain = packet(7, 1);
            let mut sealed = plain.clone();
            sealer.seal(&mut sealed).expect("closed");
            assert_eq!(sealed.len(), plain.len() + suite.tag_len());
            assert_ne!(sealed[12..172], plain[12..]);
            assert_eq!(opener.open(&mut sealed).expect("opened"), plain);
        }
    }

    /// RFC 3711 appendix B.2's keystream can't be reached through a key derivation, so this is libsrtp's own reference packet.
    #[test]
    fn a_packet_of_another_implementation_is_opened() {
        let key = [
            0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3, 0x2c, 0x06, 0xde,
            0x41, 0x39, 0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96, 0x0b, 0x3a,
            0xab, 0xe6,
        ];
        let mut sealed = vec![
            0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba, 0xbe, 0x4e, 0x55,
            0xdc, 0x4c, 0xe7, 0x99, 0x78, 0xd8, 0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d, 0x24, 0x02,
            0xb7, 0x8d, 0x6a, 0xcc, 0x99, 0xea, 0x17, 0x9b, 0x8d, 0xbb,
        ];
        let line = Crypto::new(1, Suite::AesCm128HmacSha1_80, MasterKey::new(key));
        let opened = Opener::new(line).open(&mut sealed).expect("opened");
        assert_eq!(Packet::parse(opened).expect("RTP").payload, [0xab; 16]);
    }

    #[test]
    fn sequence_numbers_go_round_and_late_ones_are_taken_once() {
        let (mut sealer, mut opener) = both(Suite::AesCm128HmacSha1_80);
        let mut sealed: Vec<Vec<u8>> = (0..200_u16)
            .map(|number| {
                let mut packet = packet(65_500_u16.wrapping_add(number), 9);
                sealer.seal(&mut packet).expect("closed");
                packet
            })
            .collect();
        // Two by two the wrong way round, over the border too.
        for pair in sealed.chunks_mut(2) {
            pair.swap(0, 1);
        }
        let again = sealed.clone();
        for packet in &mut sealed {
            opener.open(packet).expect("opened");
        }
        for mut packet in again {
            assert_eq!(opener.open(&mut packet), Err(OpenError::Replayed));
        }
    }

    /// A phone that is put on hold again and again hears and sends other streams in between, and always comes back to its own.
    #[test]
    fn a_stream_that_is_come_back_to_keeps_its_place_however_many_came_between() {
        let (mut sealer, mut opener) = both(Suite::AesCm128HmacSha1_80);
        let mut pass = |sequence, ssrc| {
            let plain = packet(sequence, ssrc);
            let mut sealed = plain.clone();
            sealer.seal(&mut sealed).expect("closed");
            assert_eq!(opener.open(&mut sealed).as_deref(), Ok(&*plain), "{ssrc}");
        };
        // Its numbers go round once: without its place nobody could know.
        (65_000..=u16::MAX).for_each(|sequence| pass(sequence, 1));
        for other in 0..2 * SOURCES_MAX as u16 {
            pass(other, 1);
            pass(7, 100 + u32::from(other));
        }
        pass(100, 1);
    }

    #[test]
    fn a_forged_first_packet_does_not_shut_the_true_ones_out() {
        let (mut sealer, mut opener) = both(Suite::AesCm128HmacSha1_80);
        for ssrc in 0..100 {
            let mut forged = packet(30_000, ssrc);
            forged.extend_from_slice(&[0; 10]);
            assert_eq!(opener.open(&mut forged), Err(OpenError::Unauthenticated));
        }
        assert_eq!(opener.sources.len(), 0);
        let mut sealed = packet(7, 1);
        sealer.seal(&mut sealed).expect("closed");
        opener.open(&mut sealed).expect("opened");
    }

    #[test]
    fn a_changed_packet_is_not_opened() {
        let (mut sealer, mut opener) = both(Suite::AesCm128HmacSha1_80);
        let mut first = packet(1, 1);
        sealer.seal(&mut first).expect("closed");
        for at in 1..first.len() {
            let mut changed = first.clone();
            changed[at] ^= 1;
            assert!(opener.open(&mut changed).is_err(), "byte {at}");
        }
        opener.open(&mut first).expect("opened");
    }

    fn report(ssrc: u32) -> Vec<u8> {
        let mut packet = Vec::new();
        let cname = "a name";
        let report = rtp::control::Report {
            ssrc,
            sent: None,
            heard: None,
            cname,
        };
        report.append(&mut packet);
        packet
    }

    #[test]
    fn a_report_is_opened_once_and_only_as_it_was_closed() {
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32] {
            let (mut sealer, mut opener) = both(suite);
            let plain = report(7);
            let mut sealed = plain.clone();
            sealer.seal_control(&mut sealed).expect("closed");
            assert_eq!(sealed.len(), plain.len() + CONTROL_INDEX + CONTROL_TAG);
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 0x80;
                assert!(opener.open_control(&mut changed).is_err(), "byte {at}");
                let mut cut = sealed[..at].to_vec();
                assert!(opener.open_control(&mut cut).is_err(), "{at} bytes");
            }
            let mut again = sealed.clone();
            assert_eq!(opener.open_control(&mut sealed).expect("opened"), plain);
            assert_eq!(opener.open_control(&mut again), Err(OpenError::Replayed));
            assert!(opener.open_control(&mut report(7)).is_err(), "in the clear");
        }
    }

    #[test]
    fn a_keys_name_is_taken_out() {
        let suite = Suite::AesCm128HmacSha1_32;
        let (mut sealer, _) = both(suite);
        let mut theirs = line(suite);
        theirs.mki = [0, 1].into();
        let mut opener = Opener::new(theirs);
        let plain = packet(3, 3);
        let mut sealed = plain.clone();
        sealer.seal(&mut sealed).expect("closed");
        let tag = sealed.split_off(sealed.len() - 4);
        let mut other = [&sealed[..], &[0, 2], &tag].concat();
        assert_eq!(opener.open(&mut other), Err(OpenError::Unauthenticated));
        let mut named = [&sealed[..], &[0, 1], &tag].concat();
        assert_eq!(opener.open(&mut named).expect("opened"), plain);
    }

    #[test]
    fn sources_and_extension_stay_in_the_clear() {
        let (mut sealer, mut opener) = both(Suite::AesCm128HmacSha1_80);
        let mut plain = packet(3, 3);
        plain[0] |= 0x12;
        let words = [1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 0x10, 7, 0, 0];
        plain.splice(12..12, words);
        let mut sealed = plain.clone();
        sealer.seal(&mut sealed).expect("closed");
        assert_eq!(sealed[..28], plain[..28]);
        assert_eq!(opener.open(&mut sealed).expect("opened"), plain);
    }

    proptest! {
        #[test]
        fn any_bytes_are_opened_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Opener::new(line(Suite::AesCm128HmacSha1_32)).open(&mut bytes);
        }
    }
}
