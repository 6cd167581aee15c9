//! The recording tag: whose a recording is, why it exists and how long it stays.
//!
//! The tag travels as text fields (SIPREC extension data, WAV chunks, index) and is bound to the audio as
//! associated data by its [canonical form](RecordingTag::canonical): change one character and the audio won't open.

use jiff::civil::Date;

use crate::{retention::ObjectClass, route::Digest, switch::CallId, time::Time};

/// Everything that must be known of a recording for it to be kept, read or erased. All names are the scenario's ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingTag {
    /// Who is controller.
    pub controller: Box<str>,
    /// Who records and stores for the controller; the controller itself when it does so.
    pub processor: Box<str>,
    /// Who runs the switch.
    pub operator: Box<str>,
    /// The region's two-digit code; empty when the queue serves several.
    pub region: Box<str>,
    /// The kommun-ID of the call; empty when it isn't known.
    pub kommun: Box<str>,
    /// Why it is recorded, such as `patient-safety-and-quality`.
    pub purpose: Box<str>,
    /// The legal basis, cited.
    pub basis: Box<str>,
    /// The Art. 28 agreement; empty when the controller records itself.
    pub agreement: Box<str>,
    /// What kind of data it is.
    pub class: ObjectClass,
    /// First day on which it may be erased, if a decision says so.
    pub earliest: Date,
    /// Last day on which it may still be there.
    pub latest: Option<Date>,
    /// The route that won.
    pub route: Box<str>,
    /// The digest of the table that decided: the first 16 hexadecimal digits.
    pub table: Box<str>,
    /// The call.
    pub call: CallId,
    /// When the recording began.
    pub started: Time,
}
