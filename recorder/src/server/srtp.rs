//! Whether audio comes encrypted (SRTP with keys from the signalling, RFC 7866 section 12.2): what is taken, what is demanded,
//! and what our answers say.

use std::net::IpAddr;

use callcore::scenario;
use wire::{
    sdp::Stream,
    sip::message::StatusCode,
    srtp::{MasterKey, OpenError, Opener},
};

use super::{begin::no_room, offer::Refusal, reason::RefusalReason};
use crate::vault::random;

/// What a session's streams must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Plain.
    Plain,
    /// As the client likes.
    Any,
    /// Encrypted where they come from another machine.
    FromAfar,
    /// Encrypted.
    Encrypted,
}

impl Demand {
    /// By what the scenario says; else a client whose keys nobody reads on the way has to send some.
    pub(super) const fn of(said: Option<scenario::Srtp>, by_tls: bool) -> Self {
        match said {
            Some(scenario::Srtp::Off) => Self::Plain,
            Some(scenario::Srtp::Offer) => Self::Any,
            Some(scenario::Srtp::Require) => Self::Encrypted,
            None if by_tls => Self::FromAfar,
            None => Self::Any,
        }
    }

    /// A key to answer offered keys with; none where they aren't taken.
    pub(super) fn key(self) -> Result<Option<MasterKey>, Refusal> {
        if self == Self::Plain {
            return Ok(None);
        }
        new_key().map(Some)
    }

    /// Refuses a stream from there that is agreed to be plain and must not be.
    pub(super) fn check(self, encrypted: bool, from: IpAddr) -> Result<(), Refusal> {
        let refuses = match self {
            Self::Plain | Self::Any => false,
            Self::FromAfar => !from.is_loopback(),
            Self::Encrypted => true,
        };
        if refuses && !encrypted {
            let text =
                "this recorder takes encrypted audio only: offer RTP/SAVP with a key (RFC 4568)";
            return Err(Refusal::new(
                StatusCode::NOT_ACCEPTABLE_HERE,
                RefusalReason::Srtp,
                text,
            ));
        }
        Ok(())
    }
}

/// No two streams are answered with one key, though we send nothing by any (RFC 4568 section 6.1).
pub(super) fn give_own_keys<'a>(
    streams: impl IntoIterator<Item = &'a mut Stream>,
) -> Result<(), Refusal> {
    for line in streams.into_iter().flat_map(|stream| &mut stream.crypto) {
        line.key = new_key()?;
    }
    Ok(())
}

fn new_key() -> Result<MasterKey, Refusal> {
    let bytes = random().map_err(|error| no_room(RefusalReason::Random, error.to_string()))?;
    Ok(MasterKey::new(bytes))
}

/// Opens a datagram in place; or says why not, as a metric does.
pub(super) fn open<'a>(
    opener: Option<&mut Opener>,
    datagram: &'a mut [u8],
) -> Result<&'a mut [u8], &'static str> {
    let Some(opener) = opener else {
        return Ok(datagram);
    };
    opener.open(datagram).map_err(|error| match error {
        OpenError::Malformed => "malformed",
        OpenError::Replayed => "replayed",
        OpenError::Unauthenticated => "unauthenticated",
    })
}

#[cfg(test)]
mod tests {
    use scenario::Srtp;

    use super::*;

    #[test]
    fn plain_audio_from_afar_is_refused_where_keys_could_be_told() {
        let (near, far) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from([192, 0, 2, 1]));
        // By TLS or not; whether plain audio is taken from here, and from there.
        for (said, by_tls, here, there) in [
            (None, false, true, true),
            (None, true, true, false),
            (Some(Srtp::Off), true, true, true),
            (Some(Srtp::Offer), true, true, true),
            (Some(Srtp::Require), false, false, false),
        ] {
            let demand = Demand::of(said, by_tls);
            let taken = [near, far].map(|from| demand.check(false, from).is_ok());
            assert_eq!(taken, [here, there], "{said:?}, by TLS: {by_tls}");
            assert!(demand.check(true, far).is_ok());
            let takes_keys = demand.key().is_ok_and(|key| key.is_some());
            assert_eq!(takes_keys, said != Some(Srtp::Off));
        }
    }
}
