//! Providers' targets that are known to be down are passed over, and tried at last.

use callcore::{
    scenario::ProviderId,
    switch::{Input, LegFailure},
};

use crate::bench::{Bench, DIRECT, FAILS_OVER, RELAY, RELEASE};

const MEDHELP: ProviderId = ProviderId::at(0);
const RESERVE: ProviderId = ProviderId::at(1);

fn down(bench: &mut Bench, targets: impl IntoIterator<Item = (ProviderId, u16)>) {
    for (provider, target) in targets {
        assert_eq!(bench.tell(Input::TargetDown(provider, target)), "");
    }
}

#[test]
fn a_target_that_is_down_is_passed_over_until_it_is_up_again() {
    let mut bench = Bench::new();
    down(&mut bench, [(MEDHELP, 0)]);
    assert_eq!(
        bench.call(RELEASE).1,
        "[routed] [passedover] [tried] hand-over:medhelp/1/release"
    );
    bench.tell(Input::TargetUp(MEDHELP, 0));
    assert_eq!(
        bench.call(RELEASE).1,
        "[routed] [tried] hand-over:medhelp/0/release"
    );
}

#[test]
fn a_provider_that_is_down_whole_gives_way_to_the_failover_list_at_once() {
    let mut bench = Bench::new();
    down(&mut bench, [(MEDHELP, 0), (MEDHELP, 1)]);
    let (call, _) = bench.call(DIRECT);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "[passedover] [tried] hand-over:reserve/0/direct"
    );
}

#[test]
fn what_is_down_is_tried_when_nobody_else_takes_the_call_and_then_the_caller_is_told() {
    let mut bench = Bench::new();
    down(&mut bench, [(MEDHELP, 0)]);
    let (call, _) = bench.call(DIRECT);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "[passedover] [tried] hand-over:medhelp/1/direct"
    );
    let failed = |why| Input::ProviderFailed(call, why);
    assert_eq!(
        bench.tell(failed(LegFailure::NoAnswer)),
        "[providerfailed] [tried] hand-over:reserve/0/direct"
    );
    assert_eq!(
        bench.tell(failed(LegFailure::Busy)),
        "[providerfailed] [tried] hand-over:medhelp/0/direct"
    );
    assert_eq!(
        bench.tell(failed(LegFailure::Unavailable)),
        "[providerfailed] announce:no-answer",
        "once"
    );
}

#[test]
fn a_queue_in_the_failover_list_goes_before_what_is_down() {
    let mut bench = Bench::new();
    down(&mut bench, [(RESERVE, 0)]);
    let (call, _) = bench.call(FAILS_OVER);
    assert_eq!(
        bench.tell(Input::AnnouncementDone(call)),
        "[passedover] [diverted] answer music:music ring:0<-1"
    );
}

#[test]
fn a_provider_alone_is_tried_though_it_is_down() {
    let mut bench = Bench::new();
    down(&mut bench, [(RESERVE, 0)]);
    assert_eq!(
        bench.call(RELAY).1,
        "[routed] [passedover] [tried] hand-over:reserve/0/relay"
    );
}

#[test]
fn what_is_no_target_or_no_news_is_counted_and_changes_nothing() {
    let mut bench = Bench::new();
    down(
        &mut bench,
        [
            (MEDHELP, 1),
            (MEDHELP, 2),
            (ProviderId::at(9), 0),
            (MEDHELP, 1),
        ],
    );
    bench.tell(Input::TargetUp(RESERVE, 0));
    assert_eq!(bench.switch.counts().stray_inputs, 4);
}

/// Passed over as long as it was down, and there again when nobody else had taken the call.
#[test]
fn a_target_that_came_back_while_others_were_tried_is_tried_at_last() {
    let mut bench = Bench::new();
    down(&mut bench, [(MEDHELP, 0), (MEDHELP, 1)]);
    let (call, _) = bench.call(DIRECT);
    bench.tell(Input::AnnouncementDone(call));
    bench.wait(5).tell(Input::TargetUp(MEDHELP, 1));
    let mut failed = || bench.tell(Input::ProviderFailed(call, LegFailure::Busy));
    assert_eq!(
        failed(),
        "[providerfailed] [tried] hand-over:medhelp/0/direct"
    );
    assert_eq!(
        failed(),
        "[providerfailed] [tried] hand-over:medhelp/1/direct"
    );
    assert_eq!(failed(), "[providerfailed] announce:no-answer");
}
