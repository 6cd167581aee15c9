//! A recording as a vCon, the JSON container for conversations (draft-ietf-vcon-vcon-core, version 0.4.0).
//!
//! One recording is one vCon: who spoke (`parties`), what was said (`dialog`, as the two-channel sound file that
//! [`crate::export`] makes, with its SHA-512), and whose it is and why (`attachments`: our tag). Who spoke is personal
//! data: it stands in the vCon, which is for whoever asked for the recording, and nowhere else.

mod object;

use std::{
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use jiff::Timestamp;
use sha2::{Digest, Sha512};

pub use self::object::VCon;
use self::object::{Attachment, Dialog, Party};
use crate::{
    access::{self, Access},
    export::{self, ExportError, Exported, Part},
    index::{Entry, Index},
    names::RecordingId,
    store::{By, StoreError},
    vault::{Meta, Vault},
};

/// The version that is written.
pub const VERSION: &str = "0.4.0";
const WAV: &str = "audio/x-wav";
/// What the draft calls a party of whom nothing is known.
const ANONYMOUS: &str = "anonymous";

/// Where the sound is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audio {
    /// In the vCon itself.
    Inline,
    /// Where this URL leads; the vCon holds its digest. With two sound files both name it, and the digest says which.
    At(String),
    /// In a file beside the vCon, whose digest the vCon holds: this name, with the end of its kind.
    Beside(String),
}

/// Writes a recording as a vCon, readable by this user only. Sound that isn't in it is written beside it, as its name with
/// `.wav`. Written to the access log first; needs a purpose.
///
/// # Errors
/// When there is no such recording or several, no purpose is stated, or the file or the access log can't be written.
pub fn export(
    (vault, index): (&Vault, &Index),
    id: &str,
    path: &Path,
    audio: &Audio,
    (by, now): (&By, Timestamp),
) -> Result<Exported, StoreError> {
    if by.purpose.trim().is_empty() {
        return Err(StoreError::Purpose);
    }
    vault
        .refuse_inside(path)
        .map_err(|()| ExportError::InsideStore {
            path: path.to_owned(),
        })?;
    let entry = index.find(id)?;
    let beside = beside(vault, &entry, path, audio)?;
    let access = Access {
        who: by.who.clone(),
        controller: entry.tag.controller.to_string(),
        action: "export".to_owned(),
        object: entry.id.to_string(),
        purpose: by.purpose.clone(),
    };
    access::write(vault, now, &[access])?;
    let (sound, mut exported) = sound_of(vault, &entry)?;
    let meta = vault.unlock(entry.id, &entry.tag)?.meta()?;
    let vcon = vcon(&entry, meta.as_ref(), &sound, audio, now);
    let text = serde_json::to_vec_pretty(&vcon).map_err(|error| ExportError::Write {
        path: path.to_owned(),
        source: error.into(),
    })?;
    if let Some(beside) = beside {
        write(vault, &beside, &sound.bytes)?;
        exported.files.push(beside);
    }
    write(vault, path, &text)?;
    exported.files.push(path.to_owned());
    Ok(exported)
}

/// Where the sound goes that isn't in the vCon.
fn beside(
    vault: &Vault,
    entry: &Entry,
    path: &Path,
    audio: &Audio,
) -> Result<Option<PathBuf>, ExportError> {
    if *audio == Audio::Inline {
        return Ok(None);
    }
    let part = export::whole(vault, entry)?;
    let is_json = path.extension().is_some_and(|end| end == "json");
    let beside = match is_json {
        true => path.with_extension(part.name()),
        false => export::named_for(path, part),
    };
    if beside == path {
        return Err(ExportError::SameFile { path: beside });
    }
    Ok(Some(beside))
}

/// The file appears when it is whole.
fn write(vault: &Vault, path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let failed = |source| ExportError::Write {
        path: path.to_owned(),
        source,
    };
    vault.whole_outside(path, failed, |file| file.write_all(bytes).map_err(failed))
}

/// A sound file of a recording, in memory: it never touches a disk in the clear.
#[derive(Debug)]
pub struct SoundFile {
    /// Which of its streams are in it.
    pub part: Part,
    /// The file.
    pub bytes: Vec<u8>,
}

/// The sound file in which all of a recording is heard.
///
/// # Errors
/// When the recording doesn't open.
pub fn sound_of(vault: &Vault, entry: &Entry) -> Result<(SoundFile, Exported), ExportError> {
    part_of(vault, entry, export::whole(vault, entry)?)
}

/// A part of a recording as a sound file.
///
/// # Errors
/// When the recording doesn't open.
pub fn part_of(
    vault: &Vault,
    entry: &Entry,
    part: Part,
) -> Result<(SoundFile, Exported), ExportError> {
    let mut sound = Cursor::new(Vec::new());
    let exported = export::part_into(vault, entry, part, &mut sound)?;
    let bytes = sound.into_inner();
    Ok((SoundFile { part, bytes }, exported))
}

/// Makes the vCon of a recording. `meta` is who spoke; `None` when that was erased or never known.
pub fn vcon(
    entry: &Entry,
    meta: Option<&Meta>,
    sound: &SoundFile,
    audio: &Audio,
    now: Timestamp,
) -> VCon {
    let parties = parties(meta);
    let start = entry.tag.started.timestamp().to_string();
    VCon {
        vcon: VERSION,
        uuid: uuid(entry.id),
        created_at: now.to_string(),
        subject: format!("1177, {}", entry.tag.purpose),
        parties,
        dialog: vec![dialog(entry, meta, sound, audio)],
        analysis: Vec::new(),
        attachments: vec![tag(entry, start)],
    }
}

fn dialog(entry: &Entry, meta: Option<&Meta>, sound: &SoundFile, audio: &Audio) -> Dialog {
    let name = sound.part.name();
    let mut dialog = Dialog {
        r#type: "recording",
        start: entry.tag.started.timestamp().to_string(),
        duration: entry.tally.seconds(),
        parties: channels(meta),
        mediatype: match sound.part {
            Part::Wav => WAV,
            Part::Opus => sound.part.media_type(),
        },
        filename: format!("{}.{name}", entry.id),
        content_hash: content_hash(&sound.bytes),
        body: None,
        encoding: None,
        url: None,
    };
    match audio {
        Audio::Inline => {
            dialog.body = Some(BASE64URL.encode(&sound.bytes));
            dialog.encoding = Some("base64url");
        }
        Audio::At(url) => dialog.url = Some(url.clone()),
        Audio::Beside(stem) => dialog.filename = format!("{stem}.{name}"),
    }
    dialog
}

/// As the draft writes digests of content: `sha512-` and base64url.
pub fn content_hash(bytes: &[u8]) -> String {
    format!("sha512-{}", BASE64URL.encode(Sha512::digest(bytes)))
}

/// A UUID of version 8 (RFC 9562) made of the recording's own id: the same recording is the same vCon, wherever it is exported.
fn uuid(id: RecordingId) -> String {
    let mut bytes = *id.as_bytes();
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let digits = crate::text::hex(&bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join("-")
}

/// Whoever isn't known is there without a name: a channel has somebody on it.
fn parties(meta: Option<&Meta>) -> Vec<Party> {
    let mut parties: Vec<Party> = meta
        .map(|meta| meta.parties.iter().map(party).collect())
        .unwrap_or_default();
    while parties.len() < 2 {
        parties.push(Party {
            name: Some(ANONYMOUS.to_owned()),
            ..Party::default()
        });
    }
    parties
}

fn party(known: &crate::vault::Party) -> Party {
    let address = known.address.trim();
    let is = |scheme: &str| {
        address
            .get(..scheme.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    };
    let named = (!known.name.is_empty()).then(|| known.name.clone());
    let mut party = Party {
        validation: named.is_some().then_some("none"),
        name: named,
        ..Party::default()
    };
    if is("sip:") || is("sips:") {
        party.sip = Some(address.to_owned());
    } else if is("tel:") || address.starts_with('+') {
        party.tel = Some(address.to_owned());
    } else if party.name.is_none() {
        party.name = Some(ANONYMOUS.to_owned());
    }
    party
}

/// Who is heard on which channel: the caller on the left, everybody else on the right, as the sound file has them.
fn channels(meta: Option<&Meta>) -> Vec<Vec<usize>> {
    let known = meta.map_or(&[][..], |meta| &meta.parties);
    let is_caller = |party: &crate::vault::Party| matches!(party.stream.as_str(), "caller" | "1");
    let is_called_so =
        |party: &crate::vault::Party| party.name == "caller" && party.stream.is_empty();
    let heard = known.iter().enumerate();
    let heard = heard.filter(|(_, party)| !party.stream.is_empty());
    let first = heard.min_by_key(|(_, party)| &party.stream);
    let caller = known.iter().position(is_caller);
    let caller = caller.or_else(|| known.iter().position(is_called_so));
    let caller = caller.or(first.map(|(at, _)| at)).unwrap_or(0);
    let stream = known.get(caller).map_or("", |party| &party.stream);
    // Whoever spoke in the caller's stream before or after is heard there, too.
    let beside = |at: &usize| {
        let one = known.get(*at).map_or("", |party| &party.stream);
        *at == caller || (one == stream && !one.is_empty())
    };
    let all = 0..known.len().max(2);
    let (left, right) = all.partition(beside);
    vec![left, right]
}

/// Our tag, as a document that whoever recorded has added.
fn tag(entry: &Entry, start: String) -> Attachment {
    let fields: serde_json::Map<String, serde_json::Value> = entry
        .tag
        .fields()
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect();
    Attachment {
        purpose: "recording tag: controller, legal basis, retention",
        start,
        party: 1,
        dialog: 0,
        mediatype: "application/json",
        filename: "tag.json",
        encoding: "json",
        body: serde_json::Value::from(fields).to_string(),
    }
}

#[cfg(test)]
mod tests;
