//! SIPREC: what a recording client tells a recording server (RFC 7866), and its metadata (RFC 7865).
//!
//! Strict in what is written, tolerant in what is read: prefixes, missing associations, `application/rs-metadata`
//! without `+xml`, bare line feeds and a body that is SDP alone are all taken.

mod metadata;
pub mod multipart;
mod personal;
mod read;
mod write;
pub(crate) mod xml;

pub use metadata::{DataMode, Id, Metadata, Participant, StreamInfo};
pub use multipart::MultipartError;
pub use personal::Aor;
pub use read::{EXTENSION_FIELDS_MAX, MetadataError, PARTICIPANTS_MAX, STREAMS_MAX, TEXT_LEN_MAX};
pub use write::EXTENSION_NAMESPACE;
pub use xml::XmlError;

use crate::{
    sdp::{self, Description},
    sip::message::Body,
};

/// The media type of metadata (RFC 7866 section 12.3).
pub const METADATA_TYPE: &str = "application/rs-metadata+xml";
/// The option tag that a recording session requires (RFC 7866 section 12.1).
pub const OPTION_TAG: &str = "siprec";
/// The feature tag in a recording client's Contact (RFC 7866 section 12.4).
pub const CLIENT_FEATURE: &str = "+sip.src";
/// The feature tag in a recording server's Contact.
pub const SERVER_FEATURE: &str = "+sip.srs";

/// What a recording session's INVITE carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The offer.
    pub sdp: Description,
    /// Who speaks, for which stream, and our tag. Some clients send it later, or never.
    pub metadata: Option<Metadata>,
}

/// Why a body is no recording session's. Answer 400 (or 415 for [`Self::MediaType`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Neither multipart nor SDP.
    #[error("a recording session's body must be multipart/mixed or application/sdp")]
    MediaType,
    /// The parts can't be told apart.
    #[error("multipart body: {0}")]
    Multipart(#[from] MultipartError),
    /// No part is SDP.
    #[error("the body has no application/sdp part")]
    NoSdp,
    /// The SDP can't be read.
    #[error("{0}")]
    Sdp(#[from] sdp::ParseError),
    /// The metadata can't be read.
    #[error("{0}")]
    Metadata(#[from] MetadataError),
}

/// The body of a recording session's INVITE: SDP, then metadata.
pub fn body(sdp: &Description, metadata: &Metadata) -> Body {
    let parts = [
        multipart::Part::new(sdp::CONTENT_TYPE, sdp.write()),
        multipart::Part::new(METADATA_TYPE, metadata.to_xml().into())
            .with_disposition("recording-session"),
    ];
    multipart::write(&parts)
}

/// Takes a recording session's body apart. Parts of other types are passed over.
pub fn split(content_type: &str, bytes: &[u8]) -> Result<Parts, SplitError> {
    match essence(content_type).as_str() {
        sdp::CONTENT_TYPE => Ok(Parts {
            sdp: Description::parse(bytes)?,
            metadata: None,
        }),
        kind if kind.starts_with("multipart/") => split_parts(content_type, bytes),
        _ => Err(SplitError::MediaType),
    }
}

fn split_parts(content_type: &str, bytes: &[u8]) -> Result<Parts, SplitError> {
    let parts = multipart::parse(content_type, bytes)?;
    let find = |wanted: &[&str]| {
        parts
            .iter()
            .find(|part| wanted.contains(&essence(part.content_type).as_str()))
    };
    let sdp = find(&[sdp::CONTENT_TYPE]).ok_or(SplitError::NoSdp)?;
    let metadata = find(&[METADATA_TYPE, "application/rs-metadata"]);
    Ok(Parts {
        sdp: Description::parse(sdp.bytes)?,
        metadata: metadata
            .map(|part| Metadata::parse(part.bytes))
            .transpose()?,
    })
}

/// A media type without its parameters, in lower case.
fn essence(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
