//! SRTP on one leg: what comes is opened and what goes is closed, each by its own key.

use wire::srtp::{Crypto, Opener, Sealer, Srtp};

use super::{dropped::Why, port::Refused};

/// Both directions of a leg.
#[derive(Debug)]
pub(super) struct Protection {
    ours: Crypto,
    sealer: Sealer,
    opener: Opener,
}

impl Protection {
    /// What was agreed takes the place of what was. A direction whose key stays goes on counting (RFC 4568 section 7.1.4).
    pub(super) fn agreed(before: Option<Box<Self>>, srtp: Option<Srtp>) -> Option<Box<Self>> {
        let Srtp { ours, theirs } = srtp?;
        let (kept, heard) = match before.map(|before| *before) {
            Some(before) => (
                Some(before.sealer).filter(|_| before.ours == ours),
                Some(before.opener).filter(|opener| *opener.theirs() == theirs),
            ),
            None => (None, None),
        };
        Some(Box::new(Self {
            sealer: kept.unwrap_or_else(|| Sealer::new(&ours)),
            opener: heard.unwrap_or_else(|| Opener::new(theirs)),
            ours,
        }))
    }

    pub(super) fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], Why> {
        Ok(self.opener.open(datagram)?)
    }

    /// The same of RTCP.
    pub(super) fn open_control<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], Why> {
        Ok(self.opener.open_control(datagram)?)
    }

    pub(super) fn seal_control(&mut self, datagram: &mut Vec<u8>) -> Result<(), Refused> {
        let sealed = self.sealer.seal_control(datagram);
        sealed.map_err(|_| Refused::Unsealed)
    }

    pub(super) fn seal(&mut self, datagram: &mut Vec<u8>) -> Result<(), Refused> {
        self.sealer.seal(datagram).map_err(|_| Refused::Unsealed)
    }
}
