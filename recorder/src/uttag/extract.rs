//! What an extract holds, by its kind, written straight into the sealed delivery.

use std::{collections::BTreeSet, io, io::Write};

use callcore::{
    retention::ObjectClass,
    scenario::Scenario,
    time::Time,
    uttag::{Kind, Order},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    UttagError,
    accesses::Accesses,
    lookup::{Numbers, is_among},
};
use crate::{
    access::Access,
    archive::Writer,
    export::Exported,
    index::{Entry, Index, IndexError},
    names::RecordingId,
    vault::{Vault, VaultError},
    vcon::{self, Audio, SoundFile},
};

/// What an extract is made of.
pub(super) struct Source<'a> {
    pub(super) vault: &'a Vault,
    pub(super) index: &'a Index,
    pub(super) scenario: &'a Scenario,
    pub(super) order: &'a Order,
    pub(super) now: Timestamp,
}

/// The recordings of the person that an extract is about.
#[derive(Debug, Default)]
pub(super) struct Theirs {
    pub(super) ids: Vec<RecordingId>,
    /// Recordings of the time that can't be tied to anyone: their numbers were erased, or never sent.
    pub(super) untied: u64,
    /// Recordings of the time that are spoilt, so that nobody can say who spoke.
    pub(super) unopened: u64,
}

/// What became of a person's recordings as they were written down.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Those with stretches that are spoilt.
    pub(super) spoilt: u64,
    /// Those that were erased since they were found, and aren't in it.
    pub(super) gone: u64,
}

impl Source<'_> {
    /// Finds a person's recordings: who spoke is encrypted, so each recording of the controller and time is opened.
    pub(super) fn find(&self, numbers: &Numbers) -> Result<Theirs, UttagError> {
        let mut of_time = Vec::new();
        // Of an access log the time is that of the accesses: whoever listens this year may listen to an old call.
        let any_time = self.order.kind() == Kind::AccessLog;
        self.index.every(|entry| {
            let day = entry.tag.started.in_sweden().date();
            let fits = any_time || self.order.covers(day);
            if *entry.tag.controller == *self.order.controller() && fits {
                of_time.push(entry.id);
            }
        })?;
        let mut theirs = Theirs::default();
        for id in of_time {
            let entry = match self.index.get(id) {
                // Erased meanwhile: to look through all of them takes its time.
                Err(IndexError::NotFound(_)) => continue,
                other => other?,
            };
            let opened = self.vault.unlock(id, &entry.tag);
            let meta = match opened.and_then(|recording| recording.meta()) {
                Ok(meta) => meta,
                // One that is spoilt keeps nobody from what is theirs.
                Err(error) if is_spoilt(&error) || self.vault.is_key_gone_alone(id, &entry.tag) => {
                    tracing::error!(recording = %id, %error, "nobody can say who spoke in it");
                    theirs.unopened += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match meta.and_then(|meta| is_among(&meta, numbers)) {
                Some(true) => theirs.ids.push(id),
                Some(false) => {}
                None => theirs.untied += 1,
            }
        }
        Ok(theirs)
    }

    /// Writes the extract. `theirs` is `None` for a whole access log.
    pub(super) fn write<W: Write>(
        &self,
        archive: &mut Writer<W>,
        theirs: Option<&Theirs>,
    ) -> Result<Written, UttagError> {
        match self.order.kind() {
            Kind::AccessLog => {
                let write = |accesses: &Accesses<'_>| accesses.write(archive, "access-log.json");
                self.accesses(theirs, write).map(|()| Written::default())
            }
            Kind::Content => self.write_recordings(archive, theirs),
            Kind::Register => {
                let (register, gone) = self.register(theirs)?;
                let written = Written { spoilt: 0, gone };
                put(archive, "register.json", &register).map(|()| written)
            }
        }
    }

    /// Who looked at what, what for: of these recordings, or of all the controller's.
    fn accesses<T>(
        &self,
        theirs: Option<&Theirs>,
        with: impl FnOnce(&Accesses<'_>) -> Result<T, UttagError>,
    ) -> Result<T, UttagError> {
        let ids: Option<BTreeSet<String>> =
            theirs.map(|theirs| theirs.ids.iter().map(ToString::to_string).collect());
        // And of a register that of the recordings: whoever has heard them since has heard them.
        let any_time = self.order.kind() == Kind::Register;
        let fits = |at: &str, access: &Access| {
            let day = at
                .parse::<Timestamp>()
                .map(|at| Time::from(at).in_sweden().date());
            day.is_ok_and(|day| any_time || self.order.covers(day))
                && ids.as_ref().is_none_or(|ids| ids.contains(&access.object))
        };
        with(&Accesses {
            vault: self.vault,
            controller: self.order.controller(),
            fits: &fits,
        })
    }

    fn write_recordings<W: Write>(
        &self,
        archive: &mut Writer<W>,
        theirs: Option<&Theirs>,
    ) -> Result<Written, UttagError> {
        let (entries, gone) = self.entries(theirs)?;
        let mut written = Written { spoilt: 0, gone };
        for entry in entries {
            let (sound, exported, vcon) = match self.told(&entry) {
                // Gallring goes on meanwhile, and what it takes keeps nobody from the rest.
                Err(_) if self.is_gone(&entry) => {
                    written.gone += 1;
                    continue;
                }
                other => other?,
            };
            written.spoilt += u64::from(exported.damaged_chunks > 0);
            let name = format!("recordings/{}/audio.{}", entry.id, sound.part.name());
            archive.add_bytes(&name, &sound.bytes).map_err(io_failed)?;
            put(
                archive,
                &format!("recordings/{}/vcon.json", entry.id),
                &vcon,
            )?;
        }
        Ok(written)
    }

    /// All that is said in a recording, and by whom.
    fn told(&self, entry: &Entry) -> Result<(SoundFile, Exported, Value), UttagError> {
        let (sound, exported) = vcon::sound_of(self.vault, entry)?;
        let meta = self.vault.unlock(entry.id, &entry.tag)?.meta()?;
        let audio = Audio::Beside("audio".to_owned());
        let vcon = vcon::vcon(entry, meta.as_ref(), &sound, &audio, self.now);
        let vcon = serde_json::to_value(&vcon).map_err(|error| io_failed(error.into()))?;
        Ok((sound, exported, vcon))
    }

    /// Whether it was erased: its key goes first, its row last.
    fn is_gone(&self, entry: &Entry) -> bool {
        self.vault.is_key_destroyed(entry.id, &entry.tag)
            || matches!(self.index.get(entry.id), Err(IndexError::NotFound(_)))
    }

    /// What GDPR Art. 15.1 asks for, of these recordings.
    fn register(&self, theirs: Option<&Theirs>) -> Result<(Value, u64), UttagError> {
        let (entries, gone) = self.entries(theirs)?;
        let controller = self.scenario.org_by_id(self.order.controller());
        let controller = controller.ok_or(UttagError::Controller)?;
        let retention: Vec<Value> = [
            ObjectClass::Audio,
            ObjectClass::TelephoneNumber,
            ObjectClass::AccessLog,
        ]
        .into_iter()
        .filter_map(|class| {
            let day = Time::from(self.now).in_sweden().date();
            let (_, rule) = self.scenario.retention_window(controller, class, day)?;
            let latest = rule.latest.map(|latest| latest.to_string());
            Some(json!({
                "class": class.name(), "at_least": rule.earliest.to_string(), "at_most": latest,
                "basis": rule.basis.to_string(),
            }))
        })
        .collect();
        let recordings: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let fields = entry.tag.fields().into_iter();
                fields
                    .map(|(name, text)| (name.to_owned(), Value::from(text)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            })
            .collect();
        let register = json!({
            "controller": self.scenario.org(controller).name.to_string(),
            "made": self.now.to_string(),
            "categories": ["audio recordings of calls", "telephone numbers", "kommun", "access log"],
            "source": "the caller, by telephone",
            "rights": "rectification, erasure or restriction are asked of the controller; complaints go to IMY",
            "retention": retention,
            "recordings": recordings,
            "recordings_without_a_number": theirs.map_or(0, |theirs| theirs.untied),
            "recordings_that_do_not_open": theirs.map_or(0, |theirs| theirs.unopened),
            "accesses": self.accesses(theirs, |accesses: &Accesses<'_>| accesses.value())?,
        });
        Ok((register, gone))
    }

    /// Those that are there still, and how many aren't.
    fn entries(&self, theirs: Option<&Theirs>) -> Result<(Vec<Entry>, u64), UttagError> {
        let ids = theirs.map_or(&[][..], |theirs| &theirs.ids);
        let (mut entries, mut gone) = (Vec::new(), 0);
        for id in ids {
            match self.index.get(*id) {
                Ok(entry) => entries.push(entry),
                Err(IndexError::NotFound(_)) => gone += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok((entries, gone))
    }
}

/// Whether it is that recording alone: where keys or S3 are gone nothing can be said of any.
const fn is_spoilt(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::KeyDamaged { .. }
            // Said by whoever runs the store, for good: nothing that comes later would change it.
            | VaultError::UnderLostKey { .. }
            | VaultError::TagChanged { .. }
            | VaultError::Damaged { .. }
            | VaultError::Foreign { .. }
    )
}

fn put<W: Write>(archive: &mut Writer<W>, name: &str, value: &Value) -> Result<(), UttagError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| io_failed(error.into()))?;
    archive.add_bytes(name, &bytes).map(drop).map_err(io_failed)
}

pub(super) fn io_failed(error: io::Error) -> UttagError {
    super::file(std::path::Path::new("the delivery"))(error)
}

#[cfg(test)]
mod tests;
