//! Erasing while S3 goes and comes back: what the register says is gone is gone there as well.

use std::{collections::BTreeSet, ops::ControlFlow};

use callcore::{scenario::Scenario, tag::RecordingTag};
use jiff::{Timestamp, civil::date};

use super::{recover, register, run};
use crate::{
    index::Index,
    names::RecordingId,
    vault::{
        Vault,
        stub::{self, Stub},
        test_tag,
    },
};

const SCENARIO: &str = r#"
organisation = [{ id = "region-01", name = "Region", kind = "region" }]
operator = { organisation = "region-01" }
queue = [{ name = "q", controller = "region-01" }]
route = [{ name = "r", all = true, unknown = true, invalid = true, conflict = true, queue = "q" }]
retention = [{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }]
decision = [{ controller = "region-01", diary_number = "RS/1", date = 2021-03-01, permits = "erase", classes = ["audio"] }]
"#;

/// No entry without all of it gone; all of it there, or on its way with a mark, without one. Gives how many went.
fn agree(vault: &Vault, index: &Index, stub: &Stub, ids: &[RecordingId]) -> usize {
    let mut registered = Vec::new();
    register(vault, true, |line| registered.push(line.destroyed.object)).expect("whole");
    let once: BTreeSet<&String> = registered.iter().collect();
    assert_eq!(once.len(), registered.len(), "each stands there once");
    let going = index.going().expect("read");
    for id in ids {
        let name = id.to_string();
        let left = stub.names().iter().any(|it| it.contains(&name));
        match once.contains(&name) {
            true => assert!(!left && !vault.has_key(*id), "{id} is said to be gone"),
            false => {
                let is_whole = left && vault.has_key(*id);
                assert!(index.get(*id).is_ok(), "{id} stands nowhere");
                assert!(is_whole || going.contains(id), "{id} is half gone");
            }
        }
    }
    registered.len()
}

#[test]
fn what_the_register_says_is_gone_is_gone_in_the_bucket() {
    let scenario = Scenario::from_toml(SCENARIO, "test").expect("a scenario");
    let (now, day) = (Timestamp::now(), date(2026, 1, 15));
    let tag = RecordingTag {
        earliest: date(2020, 1, 1),
        latest: Some(date(2021, 1, 1)),
        ..test_tag("region-01")
    };
    for at in 0..10 {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        stub.keep_versions((at % 2 == 0).then_some("v1"));
        let vault = stub.vault(place.path());
        let index = Index::open(&vault).expect("fresh");
        let ids: Vec<_> = (0..3)
            .map(|_| stub::entered(&vault, &index, &tag))
            .collect();
        let mut steps = 0;
        let mut watch = |_| {
            steps += 1;
            stub.be_away(steps > at);
            ControlFlow::Continue(())
        };
        let _stopped = run(&vault, &index, &scenario, day, now, &mut watch);
        agree(&vault, &index, &stub, &ids);
        // A recorder that starts meanwhile.
        let _stopped = recover(&vault, &index, now);
        agree(&vault, &index, &stub, &ids);
        stub.be_away(false);
        let mut go_on = |_| ControlFlow::Continue(());
        run(&vault, &index, &scenario, day, now, &mut go_on).expect("goes on");
        assert_eq!(agree(&vault, &index, &stub, &ids), 3, "away after {at}");
        assert_eq!((stub.names(), stub.older()), (Vec::new(), 0), "after {at}");
    }
}
