//! Makes a package: nothing of it lies on a disk in the clear.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use callcore::{retention::ObjectClass, scenario::Scenario, time::Time};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::{
    HandoverError, Receiver, Record,
    bag::{Bag, RECORDINGS_MAX},
    file,
    receipt::is_named,
};
use crate::{
    access::{self, Access},
    envelope::seal,
    export::{self, Exported},
    index::{Entry, Index, IndexError},
    names::RecordingId,
    store::By,
    text::hex,
    vault::{Vault, folder},
    vcon::{self, Audio, SoundFile},
};

/// Accesses written at once: one wait for the disk.
const LOG_BATCH: usize = 500;
const AUDIO_NAME: &str = "audio";

/// Which recordings are handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub controller: String,
    /// Only from this kommun-ID.
    pub kommun: Option<String>,
    /// Only those that began before this day, by the Swedish clock.
    pub before: Option<Date>,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// The hand-over's id: the receipt names it.
    pub handover: String,
    /// The package.
    pub package: PathBuf,
    /// Recordings in it.
    pub recordings: u64,
    /// Files in the bag's payload.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The fingerprint of the key that it is sealed for.
    pub receiver: String,
    /// Whether the scenario names that as the controller's.
    pub receiver_named: bool,
    /// Recordings that don't open, and so aren't in it, which it says: their ids and why.
    pub wrong: Vec<(String, String)>,
}

/// Packs a controller's recordings at rest for it. Every recording is written to the access log first. `each` is told of every one.
///
/// # Errors
/// When there is no decision or nothing fits, or the package can't be written: then none is left behind.
pub fn create(
    (vault, index): (&Vault, &Index),
    scenario: &Scenario,
    wanted: &Wanted,
    receiver: &Receiver,
    package: &Path,
    (by, now): (&By, Timestamp),
    each: &mut dyn FnMut(),
) -> Result<Created, HandoverError> {
    if by.purpose.trim().is_empty() {
        return Err(HandoverError::Purpose);
    }
    vault
        .refuse_inside(package)
        .map_err(|()| HandoverError::InsideStore {
            path: package.to_owned(),
        })?;
    if package.is_file() {
        return Err(HandoverError::There {
            path: package.to_owned(),
        });
    }
    let decision = decision(scenario, &wanted.controller, now)?;
    let print = receiver.fingerprint();
    let receiver_named = is_named(scenario, &wanted.controller, &print)?;
    let ids = select(index, wanted)?;
    write_log(vault, &wanted.controller, &ids, by, now)?;
    let mut record = Record {
        id: RecordingId::random()?.to_string(),
        controller: wanted.controller.clone(),
        decision,
        at: now.to_string(),
        by: by.who.clone(),
        recipient: receiver.recipient.to_string(),
        receipt_key: hex(receiver.receipt_key.as_bytes()),
        manifest: String::new(),
        files: 0,
        bytes: 0,
        recordings: Vec::new(),
        left_out: Vec::new(),
        seal: String::new(),
        closed: String::new(),
        receipt: None,
    };
    let packing = Packing {
        vault,
        index,
        scenario,
        now,
        wrong: Vec::new(),
    };
    let wrong = folder::whole(package, file(package), |out| {
        let wrong = packing.pack((out, package), receiver, &ids, &mut record, each)?;
        record.seal(vault)?;
        // Known here before it can be anywhere else: no receipt comes to a stranger.
        record.write(vault)?;
        Ok(wrong)
    })?;
    Ok(Created {
        handover: record.id,
        package: package.to_owned(),
        recordings: record.recordings.len() as u64,
        files: record.files,
        bytes: record.bytes,
        receiver: print,
        receiver_named,
        wrong,
    })
}

/// The diary number of the controller's decision that it wants its recordings.
fn decision(
    scenario: &Scenario,
    controller: &str,
    now: Timestamp,
) -> Result<String, HandoverError> {
    let today = Time::from(now).in_sweden().date();
    let in_force = scenario
        .org_by_id(controller)
        .and_then(|org| scenario.decision_in_force(org, ObjectClass::Audio, today));
    let controller = controller.to_owned();
    match in_force {
        Some(decision) if &*decision.permits == "hand-over" => {
            Ok(decision.diary_number.to_string())
        }
        Some(other) => Err(HandoverError::OtherDecision {
            controller,
            diary_number: other.diary_number.to_string(),
            date: other.date,
            permits: other.permits.to_string(),
        }),
        None => Err(HandoverError::NoDecision { controller }),
    }
}

fn select(index: &Index, wanted: &Wanted) -> Result<Vec<RecordingId>, HandoverError> {
    let mut ids = Vec::new();
    index.every(|entry| {
        let tag = &entry.tag;
        let fits = *tag.controller == *wanted.controller
            && wanted
                .kommun
                .as_ref()
                .is_none_or(|kommun| *tag.kommun == **kommun)
            && wanted
                .before
                .is_none_or(|day| tag.started.in_sweden().date() < day);
        if fits {
            ids.push(entry.id);
        }
    })?;
    if ids.is_empty() {
        return Err(HandoverError::Nothing);
    }
    fits(ids.len())?;
    Ok(ids)
}

/// Before hours of packing, not after those of checking.
fn fits(count: usize) -> Result<(), HandoverError> {
    if count > RECORDINGS_MAX {
        return Err(HandoverError::TooMany { count });
    }
    Ok(())
}

fn write_log(
    vault: &Vault,
    controller: &str,
    ids: &[RecordingId],
    by: &By,
    now: Timestamp,
) -> Result<(), HandoverError> {
    for batch in ids.chunks(LOG_BATCH) {
        let accesses: Vec<Access> = batch
            .iter()
            .map(|id| Access {
                who: by.who.clone(),
                controller: controller.to_owned(),
                action: "hand-over".to_owned(),
                object: id.to_string(),
                purpose: by.purpose.clone(),
            })
            .collect();
        access::write(vault, now, &accesses)?;
    }
    Ok(())
}

struct Packing<'a> {
    vault: &'a Vault,
    index: &'a Index,
    scenario: &'a Scenario,
    now: Timestamp,
    wrong: Vec<(String, String)>,
}

impl Packing<'_> {
    /// Writes the package; gives what isn't in it.
    fn pack(
        mut self,
        (out, path): (&File, &Path),
        receiver: &Receiver,
        ids: &[RecordingId],
        record: &mut Record,
        each: &mut dyn FnMut(),
    ) -> Result<Vec<(String, String)>, HandoverError> {
        let sealer = seal(BufWriter::new(out), &[receiver.recipient]).map_err(|source| {
            HandoverError::Envelope {
                path: path.to_owned(),
                source,
            }
        })?;
        let name = format!("vaxel-handover-{}", record.id);
        let mut bag = Bag::begin(sealer, &name).map_err(file(path))?;
        for id in ids {
            each();
            let entry = match self.index.get(*id) {
                Ok(entry) => entry,
                // Erased since it was chosen, hours ago: the others are packed.
                Err(error @ IndexError::NotFound(_)) => {
                    self.wrong.push((id.to_string(), error.to_string()));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match self.files(&entry) {
                Ok(files) => {
                    for (name, bytes) in files {
                        bag.add(&format!("{id}/{name}"), &bytes)
                            .map_err(file(path))?;
                    }
                    record.recordings.push(id.to_string());
                }
                // It isn't this one that refuses: a package of the few before it would pass for all of them.
                Err(error) if self.vault.controllers_far().is_err() => return Err(error),
                Err(error) => self.wrong.push((id.to_string(), error.to_string())),
            }
        }
        (record.files, record.bytes) = (bag.files, bag.bytes);
        record.left_out = self.wrong.iter().map(|(id, _)| id.clone()).collect();
        let ended = bag.finish(&self.info(record), &record.left_out);
        let (sealer, manifest) = ended.map_err(file(path))?;
        record.manifest = manifest;
        sealer.finish().map_err(file(path))?;
        Ok(self.wrong)
    }

    /// What the bag holds of a recording.
    fn files(&self, entry: &Entry) -> Result<Vec<(String, Vec<u8>)>, HandoverError> {
        let sound = unspoilt(vcon::sound_of(self.vault, entry)?)?;
        let meta = self.vault.unlock(entry.id, &entry.tag)?.meta()?;
        let audio = Audio::Beside(AUDIO_NAME.to_owned());
        let vcon = vcon::vcon(entry, meta.as_ref(), &sound, &audio, self.now);
        let json = |error: serde_json::Error| file(Path::new("vcon.json"))(error.into());
        let fields = entry.tag.fields().into_iter();
        let tag: serde_json::Map<String, serde_json::Value> = fields
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect();
        let tag = serde_json::to_vec_pretty(&tag).map_err(json)?;
        let vcon = serde_json::to_vec_pretty(&vcon).map_err(json)?;
        let named = |sound: SoundFile| {
            let name = format!("{AUDIO_NAME}.{}", sound.part.name());
            (name, sound.bytes)
        };
        let mut files = vec![named(sound)];
        // It goes here: what was decoded above goes along as it came.
        if let Some(part) = export::as_it_came(self.vault, entry)? {
            let part = vcon::part_of(self.vault, entry, part)?;
            files.push(named(unspoilt(part)?));
        }
        files.push(("tag.json".to_owned(), tag));
        files.push(("vcon.json".to_owned(), vcon));
        Ok(files)
    }

    fn info(&self, record: &Record) -> [(&'static str, String); 6] {
        let operator = &self.scenario.org(self.scenario.operator).name;
        [
            ("Source-Organization", operator.to_string()),
            ("External-Identifier", record.id.clone()),
            (
                "External-Description",
                format!("Recorded 1177 calls handed over under {}", record.decision),
            ),
            (
                "Bagging-Date",
                Time::from(self.now).in_sweden().date().to_string(),
            ),
            (
                "Bag-Software-Agent",
                format!("vaxel {}", env!("CARGO_PKG_VERSION")),
            ),
            ("Vaxel-Controller", record.controller.clone()),
        ]
    }
}

/// The sound, when all of it is what was stored: with its receipt it goes here, and what was spoilt can be had from a backup
/// until then.
fn unspoilt((sound, exported): (SoundFile, Exported)) -> Result<SoundFile, HandoverError> {
    match exported.damaged_chunks {
        0 => Ok(sound),
        stretches => Err(HandoverError::Spoilt { stretches }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        envelope::Identity,
        vault::{
            stub::{self, Stub},
            test_tag,
        },
    };

    const SCENARIO: &str = r#"
organisation = [{ id = "region-01", name = "Region", kind = "region" }]
operator = { organisation = "region-01" }
queue = [{ name = "q", controller = "region-01" }]
route = [{ name = "r", all = true, unknown = true, invalid = true, conflict = true, queue = "q" }]
decision = [{ controller = "region-01", diary_number = "RS/1", date = 2021-03-01, permits = "hand-over", classes = ["audio"] }]
"#;

    #[test]
    fn without_s3_there_is_no_package_rather_than_one_of_less() {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        let vault = stub.vault(place.path());
        let index = Index::open(&vault).expect("fresh");
        stub::entered(&vault, &index, &test_tag("region-01"));
        stub.be_away(true);
        let scenario = Scenario::from_toml(SCENARIO, "test").expect("a scenario");
        let wanted = Wanted {
            controller: "region-01".to_owned(),
            ..Wanted::default()
        };
        let receiver = Receiver::of(&Identity::generate().expect("random"));
        let by = By {
            who: "anna".to_owned(),
            purpose: "RS/1".to_owned(),
        };
        let package = place.path().join("package.age");
        let refused = create(
            (&vault, &index),
            &scenario,
            &wanted,
            &receiver,
            &package,
            (&by, Timestamp::now()),
            &mut || {},
        );
        assert!(refused.is_err(), "{refused:?}");
        assert!(!package.exists());
        assert_eq!(super::super::list(&vault).expect("read"), []);
    }

    #[test]
    fn no_more_is_packed_than_can_be_checked() {
        assert!(fits(RECORDINGS_MAX).is_ok());
        let refused = fits(RECORDINGS_MAX + 1).map_err(|error| error.to_string());
        assert!(refused.is_err_and(|text| text.contains("--before")));
    }
}
