//! What the metadata says (RFC 7865 section 6).

use super::personal::Aor;
use crate::base64;

/// The metadata of one recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Whether it is all there is, or only what changed.
    pub mode: DataMode,
    /// The recorded call. Empty when the peer named none.
    pub session_id: Id,
    /// When the recorded call began, RFC 3339.
    pub start_time: Option<Box<str>>,
    /// When it ended.
    pub stop_time: Option<Box<str>>,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// Who took part and has left; as it is read, nothing is written of them.
    pub left: Vec<Id>,
    /// What is recorded.
    pub streams: Vec<StreamInfo>,
    /// Our own fields (`urn:vaxel:recording:1`): controller, basis, retention and so on, in order.
    pub extension: Vec<(String, String)>,
}

/// Whether metadata is whole (RFC 7865 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataMode {
    /// All there is.
    Complete,
    /// Only what changed.
    Partial,
}

/// Names something in metadata: base64 of a UUID as we write it (RFC 7865 section 9), anything as we read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub(super) Box<str>);

/// One who takes part in the recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Its name here.
    pub id: Id,
    /// Its address.
    pub aor: Option<Aor>,
    /// What it is called, such as `caller` or `nurse`.
    pub name: Option<Box<str>>,
    /// The streams it speaks in.
    pub sends: Vec<Id>,
    /// The streams it hears.
    pub receives: Vec<Id>,
}

/// A recorded stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its name here.
    pub id: Id,
    /// The `a=label` of its SDP.
    pub label: Box<str>,
}

impl Metadata {
    /// Complete metadata of a call, yet without participants and streams.
    pub const fn new(session_id: Id) -> Self {
        Self {
            mode: DataMode::Complete,
            session_id,
            start_time: None,
            stop_time: None,
            participants: Vec::new(),
            left: Vec::new(),
            streams: Vec::new(),
            extension: Vec::new(),
        }
    }

    /// Our field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.extension
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Who speaks in the stream of that SDP label.
    pub fn speaker(&self, label: &str) -> Option<&Participant> {
        let stream = self.streams.iter().find(|stream| &*stream.label == label)?;
        self.participants
            .iter()
            .find(|one| one.sends.contains(&stream.id))
    }
}

impl Id {
    /// From the 16 bytes of a UUID.
    pub fn from_uuid(uuid: [u8; 16]) -> Self {
        Self(base64::encode(&uuid).into())
    }

    /// As it stands in the document.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the peer left it out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
