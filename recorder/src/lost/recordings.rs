//! Recordings that are lost while their keys are there, as when an older backup was restored beside newer keys: no decision lets those
//! keys go, and a change of the controller's key waits for them. Nobody but the operator can say that the recordings are nowhere.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{LostError, has_reason};
use crate::{
    access::{self, Access},
    gallring,
    index::{Index, IndexError},
    names::{ControllerName, RecordingId},
    recover,
    store::By,
    vault::{Vault, VaultError},
};

/// What the access log calls it.
const RECORDING_LOST: &str = "recording-lost";
/// Accesses that are written down at once: some hundred kilobytes of log.
const LINES_MAX: usize = 1000;

/// The data keys of a controller that no recording here belongs to, and of which nobody has said yet that theirs are lost, by id.
///
/// # Errors
/// When index, keys or store can't be read, or the index doesn't know yet all there is.
pub fn recordings_without(
    vault: &Vault,
    index: &Index,
    controller: &str,
) -> Result<Vec<RecordingId>, LostError> {
    let name = ControllerName::parse(controller)?;
    vault.refuse_keys_away()?;
    if !vault.has_controllers_key(&name) && index.of_controller(controller, None)?.is_empty() {
        return Err(LostError::Nobody(controller.to_owned()));
    }
    if recover::is_unlisted(vault.store()) {
        return Err(LostError::Unlisted);
    }
    let mut keys = vault.keys_under_any(&name)?;
    keys.retain(|id| !vault.is_data_key_given_up(*id));
    without_recording(vault, index, keys)
}

/// Those of which neither index nor store has a recording. Whoever begins one makes its folder before its key, so what is being
/// recorded isn't among them.
pub(crate) fn without_recording<E: From<IndexError> + From<VaultError>>(
    vault: &Vault,
    index: &Index,
    mut keys: Vec<RecordingId>,
) -> Result<Vec<RecordingId>, E> {
    let known = index.known(&keys)?;
    keys.retain(|id| !known.contains(id));
    if !keys.is_empty() {
        let near = vault.recordings_near(None)?.into_iter();
        let near: BTreeSet<RecordingId> = near.map(|one| one.id).collect();
        keys.retain(|id| !near.contains(id));
    }
    keys.sort_unstable();
    Ok(keys)
}

/// Writes down that the recordings of those keys are lost for good, each in the access log, and why. Their keys go with the
/// controller's, when that is changed; until then one that turns up opens, and the recorder's next start takes it back. Gives how many.
///
/// # Errors
/// When nobody says why, every key has its recording, gallring or a change of keys is at work, or it can't be written down.
pub fn recordings_lost(
    vault: &Vault,
    index: &Index,
    controller: &str,
    by: &By,
    now: Timestamp,
) -> Result<u64, LostError> {
    has_reason(by)?;
    let _alone = gallring::lock(vault)?;
    let lost = recordings_without(vault, index, controller)?;
    if lost.is_empty() {
        return Err(LostError::NothingLost(controller.to_owned()));
    }
    for some in lost.chunks(LINES_MAX) {
        let said = some.iter().map(|id| Access {
            who: by.who.clone(),
            controller: controller.to_owned(),
            action: RECORDING_LOST.to_owned(),
            object: id.to_string(),
            purpose: by.purpose.clone(),
        });
        access::write(vault, now, &said.collect::<Vec<_>>())?;
        some.iter().try_for_each(|id| vault.give_up_data_key(*id))?;
    }
    Ok(lost.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        names::StreamLabel,
        rotate::{self, RotateError},
        vault::{test_recording, test_tag},
    };

    const CONTROLLER: &str = "region-01";

    /// As after an older backup was restored beside the newest key part: the key of what came later is there alone.
    #[test]
    fn keys_of_recordings_that_are_lost_keep_the_old_key_until_somebody_says_so() {
        let place = tempfile::tempdir().expect("a folder");
        let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let index = Index::open(&vault).expect("fresh");
        let kept = test_recording(&vault, &index, CONTROLLER);
        let [lost, near] = [0, 1].map(|_| {
            let id = RecordingId::random().expect("random");
            vault.begin(id, &test_tag(CONTROLLER)).expect("begins");
            id
        });
        let waiting = vault.recordings_near(None).expect("read");
        let of_lost = waiting.iter().find(|one| one.id == lost).expect("there");
        fs::remove_dir_all(store.join(&of_lost.folder)).expect("ours");
        let rotate = || rotate::rotate(&vault, &index, CONTROLLER, |_| {});
        assert!(matches!(rotate(), Err(RotateError::Left { count: 2, .. })));
        // Nobody says it of a recording that lies here, and the index has only forgotten.
        let without = || recordings_without(&vault, &index, CONTROLLER).expect("read");
        assert_eq!(without(), [lost]);
        let by = |purpose: &str| By {
            who: "ana".into(),
            purpose: purpose.into(),
        };
        let now = Timestamp::now();
        let say = |why| recordings_lost(&vault, &index, CONTROLLER, &by(why), now);
        assert!(matches!(say(" "), Err(LostError::Reason)));
        assert_eq!(say("the disk burnt").expect("said"), 1);
        assert_eq!(without(), []);
        assert!(matches!(say("again"), Err(LostError::NothingLost(_))));
        let nobody = recordings_without(&vault, &index, "region-10");
        assert!(matches!(nobody, Err(LostError::Nobody(_))));
        let mut said = Vec::new();
        let read = access::read(&vault, CONTROLLER, |_, one| said.push(one));
        read.expect("whole");
        assert_eq!(said.len(), 1);
        assert_eq!(
            (&*said[0].action, &*said[0].object, &*said[0].purpose),
            ("recording-lost", &*lost.to_string(), "the disk burnt")
        );
        let refused = rotate();
        let is_near = |first: &RecordingId| *first == near;
        assert!(
            matches!(&refused, Err(RotateError::Left { count: 1, first, .. }) if is_near(first)),
            "{refused:?}"
        );
        index
            .insert_open(near, &test_tag(CONTROLLER))
            .expect("entered");
        assert_eq!(rotate().expect("goes on").given_up, 1);
        assert!(!vault.has_key(lost) && !vault.is_data_key_given_up(lost));
        let label = StreamLabel::parse("1").expect("a label");
        let recording = vault.unlock(kept, &test_tag(CONTROLLER)).expect("opens");
        assert!(recording.stream_reader(&label).is_ok());
    }

    /// The disk that was taken for burnt is found before the key is changed.
    #[test]
    fn a_recording_that_turns_up_is_wrapped_anew_as_any_other() {
        let place = tempfile::tempdir().expect("a folder");
        let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let index = Index::open(&vault).expect("fresh");
        test_recording(&vault, &index, CONTROLLER);
        let id = RecordingId::random().expect("random");
        vault.begin(id, &test_tag(CONTROLLER)).expect("begins");
        let away = place.path().join("away");
        let folder = vault.recordings_near(None).expect("read");
        let folder = folder.iter().find(|one| one.id == id).expect("there");
        let folder = store.join(&folder.folder);
        fs::rename(&folder, &away).expect("ours");
        let by = By {
            who: "ana".into(),
            purpose: "the disk burnt".into(),
        };
        let now = Timestamp::now();
        recordings_lost(&vault, &index, CONTROLLER, &by, now).expect("said");
        fs::rename(&away, &folder).expect("ours");
        let refused = rotate::rotate(&vault, &index, CONTROLLER, |_| {});
        assert!(
            matches!(refused, Err(RotateError::Left { count: 1, .. })),
            "it lies here: {refused:?}"
        );
        index
            .insert_open(id, &test_tag(CONTROLLER))
            .expect("entered");
        super::super::note_found(&vault, &index, now).expect("noted");
        assert!(!vault.is_data_key_given_up(id));
        let done = rotate::rotate(&vault, &index, CONTROLLER, |_| {}).expect("goes on");
        assert_eq!((done.wrapped, done.given_up), (1, 0));
        assert!(vault.unlock(id, &test_tag(CONTROLLER)).is_ok());
    }
}
