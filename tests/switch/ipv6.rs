//! A switch whose network has IPv6 addresses only.

use std::net::Ipv6Addr;

use wire::rtp::Sender;

use crate::{TO_QUEUE, forked::audio_address, handset::Handset, rig::Rig, routes, talk::Talk};

#[tokio::test]
async fn both_are_heard_and_recorded_by_ipv6() {
    let nurse = Handset::at(Ipv6Addr::LOCALHOST, true).await;
    let rig = Rig::start_by_ipv6(&nurse.targets(), &routes(TO_QUEUE)).await;
    let mut two = Talk::through(rig, nurse).await;
    let to_caller = audio_address(two.answered.body().as_ref());
    let to_nurse = audio_address(two.asked.body().as_ref());
    assert!(to_caller.is_ipv6() && to_nurse.is_ipv6());
    let (mut voice, mut nurses) = (Sender::new(8, 1, 7, 7), Sender::new(8, 2, 7, 7));
    two.nurse
        .hears(11, || two.caller.says(&mut voice, to_caller, 11))
        .await;
    two.caller
        .hears(22, || two.nurse.says(&mut nurses, to_nurse, 22))
        .await;
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let kept = two.rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&1));
    assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
}
