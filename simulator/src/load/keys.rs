//! A caller's keys (SRTP, in SDP by RFC 4568). By TLS, where nobody else reads them, they are offered beside plain audio (RFC 8643): a
//! switch that takes them hears the caller encrypted, and one that doesn't hears it as it is.

use wire::{
    sdp::Stream,
    srtp::{Crypto, MasterKey, Opener, Sealer, Suite},
};

/// Our key, and what came of it.
pub(super) struct Keys {
    ours: Crypto,
    agreed: Option<(Sealer, Opener)>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let agreed = self.agreed.is_some();
        f.debug_struct("Keys").field("agreed", &agreed).finish()
    }
}

impl Keys {
    /// A key for one call. Not by the run's seed: who knows that must not know the key.
    pub(super) fn new() -> Self {
        let key = MasterKey::new(rand::random());
        Self {
            // The suite that everybody has (RFC 4568 section 6.2.1).
            ours: Crypto::new(1, Suite::AesCm128HmacSha1_80, key),
            agreed: None,
        }
    }

    pub(super) const fn are_used(&self) -> bool {
        self.agreed.is_some()
    }

    /// What our own offer says.
    pub(super) fn offered(&self) -> Vec<Crypto> {
        vec![self.ours.clone()]
    }

    /// Takes what the switch answered to it.
    pub(super) fn answered(&mut self, stream: &Stream) {
        match Crypto::agreed(&self.offered(), &stream.crypto) {
            Some(srtp) => self.agree(srtp.theirs),
            None => self.agreed = None,
        }
    }

    /// Takes what the switch offers in mid-call, and says what our answer has.
    pub(super) fn answer(&mut self, stream: &Stream) -> Vec<Crypto> {
        let known = |line: &&Crypto| line.suite == self.ours.suite;
        let Some(theirs) = stream.crypto.iter().find(known).cloned() else {
            self.agreed = None;
            return Vec::new();
        };
        self.ours = theirs.answered_with(self.ours.key.clone());
        self.agree(theirs);
        self.offered()
    }

    /// Where a key stays, so do its counters: one that began anew would encrypt twice by one keystream.
    fn agree(&mut self, theirs: Crypto) {
        match &mut self.agreed {
            Some((_, opener)) if opener.theirs().encrypts_as(&theirs) => {}
            Some((_, opener)) => *opener = Opener::new(theirs),
            None => self.agreed = Some((Sealer::new(&self.ours), Opener::new(theirs))),
        }
    }

    /// Closes a packet. False: it must not be sent.
    pub(super) fn seal(&mut self, packet: &mut Vec<u8>) -> bool {
        match &mut self.agreed {
            Some((sealer, _)) => sealer.seal(packet).is_ok(),
            None => true,
        }
    }

    /// Opens a packet; `None` for one that isn't the switch's.
    pub(super) fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Option<&'a [u8]> {
        match &mut self.agreed {
            Some((_, opener)) => opener.open(datagram).ok().map(|packet| &*packet),
            None => Some(datagram),
        }
    }
}
