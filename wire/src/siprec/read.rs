//! XML to metadata, as tolerantly as what is missing allows.

use super::{
    Metadata,
    metadata::{DataMode, Id, Participant, StreamInfo},
    personal::Aor,
    xml::{self, Element, XmlError},
};

/// Bytes of a document; the multipart body has the same limit.
const LEN_MAX: usize = super::multipart::LEN_MAX;
/// Participants of a recorded call; a conference with more is no call to 1177.
pub const PARTICIPANTS_MAX: usize = 64;
/// Streams of a recorded call, as many as SDP may have and more.
pub const STREAMS_MAX: usize = 64;
/// Our own fields; there are about ten.
pub const EXTENSION_FIELDS_MAX: usize = 64;
/// Bytes of any one text taken from the document: an identifier, an address, a field.
pub const TEXT_LEN_MAX: usize = 1024;

/// Why bytes are no metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Longer than the limit.
    #[error("recording metadata of {len} bytes, more than {LEN_MAX}")]
    TooLong {
        /// How long.
        len: usize,
    },
    /// Not XML that we take.
    #[error("recording metadata: {0}")]
    Xml(#[from] XmlError),
    /// The root is something else.
    #[error("recording metadata whose root is not <recording>")]
    NotRecording,
    /// More of something than its limit.
    #[error("recording metadata with too many or too long {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
    },
}

impl Metadata {
    /// Reads a document. Prefixes and unknown elements don't matter; what is missing stays empty.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        if bytes.len() > LEN_MAX {
            return Err(MetadataError::TooLong { len: bytes.len() });
        }
        let root = xml::parse(bytes)?;
        if root.name != "recording" {
            return Err(MetadataError::NotRecording);
        }
        let session = root.child("session");
        let mode = root
            .text_of("datamode")
            .or_else(|| root.text_of("dataMode"));
        let text = |name| {
            session
                .and_then(|session| session.text_of(name))
                .map(short)
                .transpose()
        };
        let left = left(&root)?;
        let mut participants = participants(&root)?;
        participants.retain(|one| !left.contains(&one.id));
        Ok(Self {
            mode: if mode == Some("partial") {
                DataMode::Partial
            } else {
                DataMode::Complete
            },
            session_id: session
                .map_or_else(|| Ok(Id::default()), |session| id(session, "session_id"))?,
            start_time: text("start-time")?,
            stop_time: text("stop-time")?,
            participants,
            left,
            streams: streams(&root)?,
            extension: extension(session.unwrap_or(&root))?,
        })
    }
}

fn participants(root: &Element) -> Result<Vec<Participant>, MetadataError> {
    limit(
        root.all("participant").count(),
        PARTICIPANTS_MAX,
        "participants",
    )?;
    root.all("participant")
        .map(|element| participant(root, element))
        .collect()
}

fn participant(root: &Element, element: &Element) -> Result<Participant, MetadataError> {
    let id = id(element, "participant_id")?;
    let name_id = element.child("nameID").or_else(|| element.child("nameId"));
    let aor =
        name_id.and_then(|name_id| name_id.attribute("aor").or_else(|| name_id.text_of("aor")));
    let name = name_id.and_then(|name_id| name_id.text_of("name"));
    let associations = || {
        let of_this = |assoc: &&Element| {
            assoc.attribute("participant_id") == Some(id.as_str()) && !is_over(assoc)
        };
        // Some clients put `send` and `recv` into the participant itself, as early drafts did.
        root.all("participantstreamassoc")
            .filter(of_this)
            .chain(std::iter::once(element))
    };
    let ids = |name: &'static str| {
        let texts = associations()
            .flat_map(|assoc| assoc.all(name))
            .map(|reference| reference.text.trim());
        let ids: Vec<Id> = texts
            .take(STREAMS_MAX + 1)
            .map(|text| short(text).map(Id))
            .collect::<Result<_, _>>()?;
        limit(ids.len(), STREAMS_MAX, "streams of a participant").map(|()| ids)
    };
    Ok(Participant {
        aor: aor.map(short).transpose()?.map(Aor::new),
        name: name.map(short).transpose()?,
        sends: ids("send")?,
        receives: ids("recv")?,
        id,
    })
}

/// Who has left the call (`disassociate-time` of RFC 7865), unless the document says later that they came back.
fn left(root: &Element) -> Result<Vec<Id>, MetadataError> {
    let associations = || root.all("participantsessionassoc");
    limit(associations().count(), 2 * PARTICIPANTS_MAX, "participants")?;
    let mut left = Vec::new();
    for association in associations() {
        let id = id(association, "participant_id")?;
        left.retain(|known| *known != id);
        if is_over(association) && !id.is_empty() {
            left.push(id);
        }
    }
    Ok(left)
}

/// An association that has ended says what was.
fn is_over(association: &Element) -> bool {
    association.child("disassociate-time").is_some()
}

fn streams(root: &Element) -> Result<Vec<StreamInfo>, MetadataError> {
    limit(root.all("stream").count(), STREAMS_MAX, "streams")?;
    let stream = |element: &Element| {
        let label = short(element.text_of("label").unwrap_or_default())?;
        Ok(StreamInfo {
            id: id(element, "stream_id")?,
            label,
        })
    };
    root.all("stream").map(stream).collect()
}

fn extension(session: &Element) -> Result<Vec<(String, String)>, MetadataError> {
    let fields = || {
        session
            .all("extensiondata")
            .flat_map(|data| data.all("field"))
    };
    limit(fields().count(), EXTENSION_FIELDS_MAX, "extension fields")?;
    fields()
        .filter_map(|field| Some((field.attribute("name")?, field.text.trim())))
        .map(|(name, value)| Ok((short(name)?.into(), short(value)?.into())))
        .collect()
}

/// The identifier in that attribute; empty when it isn't there.
fn id(element: &Element, name: &str) -> Result<Id, MetadataError> {
    short(element.attribute(name).unwrap_or_default()).map(Id)
}

fn short(text: &str) -> Result<Box<str>, MetadataError> {
    limit(text.len(), TEXT_LEN_MAX, "texts").map(|()| text.into())
}

const fn limit(count: usize, max: usize, what: &'static str) -> Result<(), MetadataError> {
    if count > max {
        Err(MetadataError::TooMuch { what })
    } else {
        Ok(())
    }
}
