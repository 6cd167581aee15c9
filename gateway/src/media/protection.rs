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
                Some(before.sealer).filter(|_| before.ours.encrypts_as(&ours)),
                Some(before.opener).filter(|opener| opener.theirs().encrypts_as(&theirs)),
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

#[cfg(test)]
mod tests {
    use wire::{
        rtp::Sender,
        srtp::{MasterKey, Suite},
    };

    use super::*;

    /// A receiver's report without blocks.
    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];

    /// By the same two keys, whatever the lines are numbered.
    fn agreed(before: Option<Box<Protection>>, tag: u32) -> Box<Protection> {
        let line = |key| {
            let key = MasterKey::new([key; MasterKey::LEN]);
            Crypto::new(tag, Suite::AesCm128HmacSha1_80, key)
        };
        let srtp = Srtp {
            ours: line(1),
            theirs: line(2),
        };
        Protection::agreed(before, Some(srtp)).expect("encrypted")
    }

    /// Else the same keystream would serve twice, and who goes on counting would hear nothing.
    #[test]
    fn a_key_whose_line_is_numbered_anew_goes_on_counting() {
        let mut theirs = Sealer::new(&agreed(None, 1).opener.theirs().clone());
        let mut packet = Vec::new();
        Sender::new(8, 7, 0, 0).next(&[77; 160], 160, false, &mut packet);
        theirs.seal(&mut packet).expect("closed");
        let mut protection = agreed(None, 1);
        let mut sealed = Vec::new();
        for tag in [1, 2] {
            protection = agreed(Some(protection), tag);
            let mut report = REPORT.to_vec();
            protection.seal_control(&mut report).expect("closed");
            sealed.push(report);
            let opened = protection.open(&mut packet.clone()).is_ok();
            assert_eq!(opened, tag == 1, "it came before");
        }
        assert_ne!(sealed[0], sealed[1]);
    }
}
