//! What a start must put right, and what it must leave as it is.

use std::time::Instant;

use bytes::Bytes;
use wire::g711::Law;

use super::*;
use crate::{
    names::{RecordingId, StreamLabel},
    vault::{Packet, test_recording, test_tag},
};

fn fresh() -> (tempfile::TempDir, Vault, Index) {
    let place = tempfile::tempdir().expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    let index = Index::open(&vault).expect("fresh");
    (place, vault, index)
}

#[test]
fn what_a_crash_left_open_is_closed_from_its_files() {
    let (_place, vault, index) = fresh();
    let [torn, finished, keyless] = [(); 3].map(|()| RecordingId::random().expect("random"));
    for id in [torn, finished] {
        let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
        index
            .insert_open(id, &test_tag("region-01"))
            .expect("entered");
        let label = StreamLabel::parse("1").expect("a label");
        let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
        let mut now = Instant::now();
        for number in 0..100 {
            now += std::time::Duration::from_millis(20);
            writer
                .push(
                    &Packet::audio(number * 160, Bytes::from_static(&[1; 160])),
                    now,
                )
                .expect("written");
        }
        if id == finished {
            writer.finish().expect("finished");
        }
    }
    index
        .insert_open(keyless, &test_tag("region-01"))
        .expect("entered");

    assert_eq!(close_left_open(&vault, &index).expect("recovers"), 3);

    let entry = index.get(torn).expect("there");
    assert_eq!(entry.state, State::Truncated);
    assert!(
        (75..=100).contains(&entry.tally.packets),
        "{:?}",
        entry.tally
    );
    assert_eq!(entry.files.len(), 1);
    assert!(vault.store().join(&entry.files[0]).is_file() && entry.bytes > 0);
    let entry = index.get(finished).expect("there");
    assert_eq!((entry.state, entry.tally.packets), (State::Closed, 100));
    let ended = entry
        .tag
        .started
        .timestamp()
        .checked_add(SignedDuration::from_secs(2))
        .expect("in range");
    assert_eq!(entry.ended, Some(ended));
    assert_eq!(index.get(keyless).expect("there").state, State::Truncated);
    assert_eq!(close_left_open(&vault, &index).expect("nothing left"), 0);
}

/// Its disk may be mounted again, and then there is all of it.
#[test]
fn what_was_left_open_under_a_key_that_is_gone_is_closed_once_it_is_there() {
    for is_controllers in [true, false] {
        let (place, vault, index) = fresh();
        let id = test_recording(&vault, &index, "region-01");
        let key = vault.keys().join(match is_controllers {
            true => "controllers/region-01.key".to_owned(),
            false => format!("data/{id}.key"),
        });
        let away = place.path().join("away.key");
        fs::rename(&key, &away).expect("there");
        let state = || index.get(id).expect("there");
        assert_eq!(close_left_open(&vault, &index).expect("recovers"), 0);
        assert_eq!(state().state, State::Open);
        fs::rename(&away, &key).expect("mounted");
        assert_eq!(close_left_open(&vault, &index).expect("recovers"), 1);
        assert_eq!(
            (state().state, state().tally.packets, state().files.len()),
            (State::Closed, 1, 1)
        );
    }
}

/// Gallring is to erase it in its time, so it doesn't stay open for ever.
#[test]
fn what_was_left_open_under_a_key_that_is_lost_is_closed_with_what_its_files_take() {
    let (_place, vault, index) = fresh();
    let id = test_recording(&vault, &index, "region-01");
    fs::remove_file(vault.keys().join("controllers/region-01.key")).expect("there");
    let by = crate::store::By {
        who: "anna".to_owned(),
        purpose: "a fire".to_owned(),
    };
    let now = Timestamp::now();
    crate::lost::key_lost(&vault, &index, "region-01", &by, now).expect("said");
    assert_eq!(close_left_open(&vault, &index).expect("recovers"), 1);
    let entry = index.get(id).expect("there");
    assert_eq!((entry.state, entry.files.len()), (State::Truncated, 1));
    assert!(entry.tally.uncounted && entry.bytes > 160, "{entry:?}");
}

#[test]
fn a_stream_that_was_torn_as_it_began_is_no_damage() {
    let (place, vault, index) = fresh();
    let (id, tag) = (
        RecordingId::random().expect("random"),
        test_tag("region-01"),
    );
    let recording = vault.begin(id, &tag).expect("begins");
    index.insert_open(id, &tag).expect("entered");
    let label = StreamLabel::parse("1").expect("a label");
    drop(recording.stream_writer(&label, Law::A).expect("a stream"));
    let file = vault.store().join(recording.file_name(&label));
    let file = fs::File::options().write(true).open(file).expect("there");
    file.set_len(10).expect("ours");
    assert_eq!(close_left_open(&vault, &index).expect("recovers"), 1);
    drop(index);
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    let store = crate::store::open_existing(&store, &keys).expect("opens");
    let sound = store.verify(|wrong| panic!("{wrong:?}")).expect("read");
    assert_eq!(sound.recordings, 1);
}

/// As when the disk of the keys isn't there, and the index is new: nothing of it was erased by anybody.
#[test]
fn audio_without_a_key_and_a_row_stays() {
    let (_place, vault, index) = fresh();
    let [spoken, silent] = [(); 2].map(|()| RecordingId::random().expect("random"));
    for id in [spoken, silent] {
        let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
        recording
            .write_first_meta(&Default::default())
            .expect("written");
        let label = StreamLabel::parse("a-label-of-all-32-characters-abc").expect("a label");
        let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
        if id == spoken {
            let audio = Packet::audio(0, Bytes::from_static(&[1; 160]));
            writer.push(&audio, Instant::now()).expect("written");
            writer.finish().expect("finished");
        }
        fs::remove_file(vault.keys().join(format!("data/{id}.key"))).expect("ours");
    }
    let found = recover(&vault, &index).expect("recovers");
    assert_eq!((found.removed, found.entered, found.closed), (1, 0, 0));
    let left = vault.recordings_near(None).expect("listed");
    assert_eq!(left.iter().map(|one| one.id).collect::<Vec<_>>(), [spoken]);
}

/// Restored from a backup, or made anew: also what was recorded months ago is entered.
#[test]
fn another_index_is_told_of_every_recording() {
    let (place, vault, index) = fresh();
    let id = RecordingId::random().expect("random");
    let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
    index
        .insert_open(id, &test_tag("region-01"))
        .expect("entered");
    assert_eq!(recover(&vault, &index).expect("recovers").closed, 1);
    let folder = vault.store().join(recording.relative());
    let month = fs::File::open(folder.parent().expect("a month")).expect("there");
    let long_ago = SystemTime::now() - 100 * MARGIN;
    month.set_modified(long_ago).expect("ours");
    assert_eq!(recover(&vault, &index).expect("recovers").entered, 0);
    drop(index);
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _gone = fs::rename(vault.store().join(name), place.path().join(name));
    }
    let index = Index::open(&vault).expect("fresh");
    assert_eq!(recover(&vault, &index).expect("recovers").entered, 1);
    assert_eq!(index.get(id).expect("there").state, State::Truncated);
}

/// What an index knew that is gone: who ordered what to stay stands in the access logs, and what is held isn't erased.
#[test]
fn a_new_index_holds_what_was_held() {
    let (place, vault, index) = fresh();
    let [held, released] = [(); 2].map(|()| RecordingId::random().expect("random"));
    for id in [held, released] {
        vault.begin(id, &test_tag("region-01")).expect("begins");
        index
            .insert_open(id, &test_tag("region-01"))
            .expect("entered");
    }
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    let opened = crate::store::open_to_change(&store, &keys).expect("opens");
    let by = crate::store::By {
        who: "anna".to_owned(),
        purpose: "a dispute".to_owned(),
    };
    for id in [held, released] {
        opened.hold(&id.to_string(), &by).expect("held");
    }
    opened.release(&released.to_string(), &by).expect("free");
    drop((opened, index));
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _gone = fs::rename(vault.store().join(name), place.path().join(name));
    }
    let index = Index::open(&vault).expect("fresh");
    assert_eq!(recover(&vault, &index).expect("recovers").entered, 2);
    let holds = index.holds().expect("read");
    let holds = holds.iter().map(|hold| (&*hold.id, &*hold.reason));
    assert_eq!(
        holds.collect::<Vec<_>>(),
        [(&*held.to_string(), "a dispute")]
    );
    let groups = index.alike().expect("read");
    let held: Vec<_> = groups
        .iter()
        .map(|group| (group.held, group.recordings))
        .collect();
    assert_eq!(held, [(false, 1), (true, 1)]);
}

/// Nobody is told that nothing is due, or held, by an index that was lost and made anew by the question itself.
#[test]
fn an_index_that_was_lost_answers_nothing_until_it_is_told_again() {
    let (place, vault, index) = fresh();
    let (store, keys) = (place.path().join("store"), place.path().join("keys"));
    recover(&vault, &index).expect("a start");
    let open = || crate::store::open_to_change(&store, &keys);
    open().expect("nothing was recorded yet");
    let id = RecordingId::random().expect("random");
    vault.begin(id, &test_tag("region-01")).expect("begins");
    drop(index);
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _gone = fs::rename(vault.store().join(name), place.path().join(name));
    }
    for _ in 0..2 {
        let refused = open();
        let is_lost =
            |error: &crate::store::StoreError| matches!(error, crate::store::StoreError::IndexLost);
        assert!(refused.as_ref().is_err_and(is_lost), "{refused:?}");
    }
    let index = Index::open(&vault).expect("fresh");
    assert_eq!(recover(&vault, &index).expect("recovers").entered, 1);
    open().expect("it knows again");
}

/// Copied over the file that is there, it has the same name and inode.
#[test]
fn an_older_index_in_the_same_file_is_told_of_every_recording() {
    let place = tempfile::tempdir().expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    let (file, copy) = (
        vault.store().join("index.sqlite"),
        place.path().join("copy"),
    );
    let start = || {
        let index = Index::open(&vault).expect("opens");
        let entered = recover(&vault, &index).expect("recovers").entered;
        (index, entered)
    };
    drop(start());
    fs::copy(&file, &copy).expect("ours");
    let (index, _) = start();
    let id = RecordingId::random().expect("random");
    let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
    index
        .insert_open(id, &test_tag("region-01"))
        .expect("entered");
    drop(index);
    let folder = vault.store().join(recording.relative());
    let month = fs::File::open(folder.parent().expect("a month")).expect("there");
    let long_ago = SystemTime::now() - 100 * MARGIN;
    month.set_modified(long_ago).expect("ours");
    assert_eq!(start().1, 0, "it is there");
    // As `cp` does it.
    fs::copy(&copy, &file).expect("ours");
    let (index, entered) = start();
    assert_eq!(entered, 1);
    assert_eq!(index.get(id).expect("there").state, State::Truncated);
    drop(index);
    assert_eq!(start().1, 0, "nothing is looked through twice");
}
