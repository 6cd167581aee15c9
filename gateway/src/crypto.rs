//! Our side of SRTP on one leg: by which key we encrypt, and how that was said (RFC 4568).
//!
//! A key stays while nothing but the rest of the description changes, and so do the counters that belong to it. Whatever else
//! happens, a new one is drawn: a key that began to count from the beginning again would encrypt twice with the same keystream.

use callcore::scenario;
use wire::{
    sdp::{PLAIN_RTP, SECURE_RTP, Stream},
    srtp::{Crypto, MasterKey, Srtp, Suite},
};

/// What our descriptions of one leg say of encryption; nothing, for plain RTP.
#[derive(Debug, Default)]
pub(crate) struct OurCrypto(Option<Said>);

#[derive(Debug)]
struct Said {
    /// `RTP/SAVP`, or `RTP/AVP` with keys beside it (RFC 8643), as the peer has it.
    protocol: Box<str>,
    line: Crypto,
}

impl OurCrypto {
    /// What our own offer to a phone or provider says, by the scenario; with a new key, which nobody but that phone gets to know.
    pub(crate) fn offering(srtp: scenario::Srtp) -> Self {
        let protocol = match srtp {
            scenario::Srtp::Off => return Self::default(),
            scenario::Srtp::Offer => PLAIN_RTP,
            scenario::Srtp::Require => SECURE_RTP,
        };
        // The suite that everybody has; the shorter tag saves nothing that a telephone line is short of.
        let suite = Suite::AesCm128HmacSha1_80;
        Self(Some(Said {
            protocol: protocol.into(),
            line: Crypto::new(1, suite, new_key()),
        }))
    }

    /// The same with a new key, for another call to the same peer.
    pub(crate) fn anew(&self) -> Self {
        Self(self.0.as_ref().map(|said| Said {
            protocol: said.protocol.clone(),
            line: Crypto::new(1, said.line.suite, new_key()),
        }))
    }

    /// Whether audio is encrypted, or offered so.
    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The key for the answer to what may be an offer of keys.
    pub(crate) fn key_for(&self, offered: &[Crypto]) -> Option<MasterKey> {
        let suite = offered.first()?.suite;
        let said = self.0.as_ref().filter(|said| said.line.suite == suite);
        Some(said.map_or_else(new_key, |said| said.line.key.clone()))
    }

    /// What was agreed for the stream that is described so holds from now on.
    pub(crate) fn agree(&mut self, stream: &Stream, srtp: Option<&Srtp>) {
        self.0 = srtp.map(|srtp| Said {
            protocol: stream.protocol.clone(),
            line: srtp.ours.clone(),
        });
    }

    /// Says the same again in an offer of ours.
    pub(crate) fn repeat(&self, mut stream: Stream) -> Stream {
        if let Some(said) = &self.0 {
            stream.protocol = said.protocol.clone();
            stream.crypto = vec![said.line.clone()];
        }
        stream
    }

    /// What the peer's answer to such an offer makes of it: keys, plain RTP, or an answer that doesn't fit.
    pub(crate) fn answered(&mut self, answer: &Stream) -> Result<Option<Srtp>, DoesNotFit> {
        let ours = self.0.as_ref().map(|said| said.line.clone());
        let srtp = Crypto::agreed(ours.as_slice(), &answer.crypto);
        let wanted = self.repeat(answer.clone()).is_secure();
        if srtp.is_none() && (wanted || answer.is_secure()) {
            return Err(DoesNotFit);
        }
        if srtp.is_none() {
            self.0 = None;
        }
        Ok(srtp)
    }
}

/// An answer that takes no key where one is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoesNotFit;

/// From the system's own generator, as all keys.
fn new_key() -> MasterKey {
    MasterKey::new(rand::random())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use wire::sdp::Codec;

    use super::*;

    fn line(tag: u32, suite: Suite) -> Crypto {
        Crypto::new(tag, suite, MasterKey::new([1; MasterKey::LEN]))
    }

    fn stream() -> Stream {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 4000);
        Stream::audio(address, Codec::telephony())
    }

    fn agreed(suite: Suite, protocol: &Stream) -> OurCrypto {
        let mut ours = OurCrypto::default();
        let theirs = line(1, suite);
        let key = ours.key_for(std::slice::from_ref(&theirs)).expect("a key");
        let srtp = Srtp {
            ours: theirs.answered_with(key),
            theirs,
        };
        ours.agree(protocol, Some(&srtp));
        ours
    }

    #[test]
    fn a_key_stays_with_its_suite_and_ends_with_it() {
        let long = line(1, Suite::AesCm128HmacSha1_80);
        let mut ours = agreed(long.suite, &stream().requiring(vec![long.clone()]));
        let first = ours.key_for(std::slice::from_ref(&long));
        assert_eq!(first, ours.key_for(std::slice::from_ref(&long)));
        assert_ne!(first, ours.key_for(&[line(1, Suite::AesCm128HmacSha1_32)]));
        assert_eq!(ours.key_for(&[]), None);
        ours.agree(&stream(), None);
        assert_ne!(first, ours.key_for(&[long]));
    }

    #[test]
    fn an_answer_must_take_our_line_where_plain_audio_was_not_offered() {
        let suite = Suite::AesCm128HmacSha1_80;
        let secure = stream().requiring(vec![line(1, suite)]);
        let mut ours = agreed(suite, &secure);
        assert!(ours.answered(&secure).is_ok_and(|srtp| srtp.is_some()));
        let other = stream().requiring(vec![line(2, suite)]);
        assert_eq!(ours.answered(&other), Err(DoesNotFit));
        assert_eq!(ours.answered(&stream()), Err(DoesNotFit));
        let mut beside = agreed(suite, &stream());
        assert_eq!(beside.answered(&stream()), Ok(None));
        assert_eq!(OurCrypto::default().answered(&secure), Err(DoesNotFit));
    }
}
