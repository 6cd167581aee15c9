//! What of a recording is about people: kept encrypted beside the audio, never in the index.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who spoke, as the SIPREC metadata said. Debug shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The participants.
    pub parties: Vec<Party>,
}

/// One participant (RFC 7865 section 6.4).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The label of the stream it sends, when that is known.
    pub stream: String,
    /// Its display name, or what it is: `caller`, `nurse`.
    pub name: String,
    /// Its address of record: the caller's telephone number when it was sent.
    pub address: String,
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meta({} parties)", self.parties.len())
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Party(..)")
    }
}
