//! The ports for audio are those that the scenario says, for both legs and their reports. When they are used up, callers are told so.

use std::{
    net::{Ipv4Addr, UdpSocket},
    ops::RangeInclusive,
};

use wire::{rtp::Sender, sip::endpoint::SessionId};

use crate::{
    forked::audio_address, handset::Handset, provider, reports::until, rig::Rig, talk::REGIONAL,
};

const PROVIDERS: (&str, &str) = ("X-Kommun-ID", "0180");
const NOBODY: &str = "[{ simulated = 1 }]";

/// Ports in a row that were free a moment ago, below those that the system gives out: nobody else takes them while a test runs.
fn free(band: std::ops::Range<u16>, count: u16) -> RangeInclusive<u16> {
    let mut firsts = band.step_by(10);
    let first = firsts.find(|&first| (first..first + count).all(is_free));
    let first = first.expect("free ports");
    first..=first + count - 1
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

async fn are_given_back(ports: &RangeInclusive<u16>) {
    let all = || ports.clone().all(is_free).then_some(());
    until("the ports, given back", || {}, all).await;
}

/// A call through the switch, from one phone to the other.
struct Relayed {
    caller: Handset,
    call: SessionId,
    far: Handset,
}

impl Relayed {
    /// Calls until the switch has ports for the call: those of the one before are free a moment after its end.
    async fn begin(rig: &Rig, ports: &RangeInclusive<u16>, mut far: Handset) -> Self {
        let mut caller = Handset::new().await;
        loop {
            let offer = caller.talks();
            let call = caller.call(rig.gateway.sip_addr(), &[PROVIDERS], Some(offer));
            let asked = tokio::select! {
                (_, asked) = far.answers() => asked,
                status = caller.is_refused() => {
                    assert_eq!(status, 503);
                    continue;
                }
            };
            let answered = caller.is_answered().await;
            far.is_confirmed().await;
            let to_caller = audio_address(answered.body().as_ref());
            let to_far = audio_address(asked.body().as_ref());
            for told in [to_caller, to_far] {
                assert!(ports.contains(&told.port()), "{told}");
            }
            let (mut voice, mut fars) = (Sender::new(8, 1, 7, 7), Sender::new(8, 2, 7, 7));
            far.hears(11, || caller.says(&mut voice, to_caller, 11))
                .await;
            caller.hears(22, || far.says(&mut fars, to_far, 22)).await;
            return Self { caller, call, far };
        }
    }

    async fn ends(mut self) -> Handset {
        self.caller.hangs_up(self.call);
        self.far.is_ended().await;
        self.far
    }
}

#[tokio::test]
async fn a_call_has_its_ports_in_the_range_for_audio_and_reports_and_gives_them_back() {
    // The last is even: reports would come beyond the range.
    let beyond = free(7_000..8_000, 6);
    let ports = *beyond.start()..=*beyond.end() - 1;
    let far = Handset::new().await;
    let rest = provider(&far.targets(), "relay");
    let rig = Rig::start_on_ports(&ports, "", NOBODY, &rest).await;
    let first = Relayed::begin(&rig, &ports, far).await;
    let used: Vec<bool> = beyond.map(|port| !is_free(port)).collect();
    assert_eq!(used, [true, true, true, true, false, false]);

    // None is left for who would talk to us, and none by which a provider could be reached.
    for kommun in [REGIONAL, PROVIDERS] {
        let mut second = Handset::new().await;
        let offer = second.talks();
        second.call(rig.gateway.sip_addr(), &[kommun], Some(offer));
        assert_eq!(second.is_refused().await, 503);
    }

    let far = first.ends().await;
    let again = Relayed::begin(&rig, &ports, far).await;
    again.ends().await;
    let totals = rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (2, 0));
    assert_eq!(totals.offered, totals.completed + totals.failed);
    // And each that came before the ports of the first were free again.
    let ours = totals.outcomes.get("our_fault").copied();
    assert!(ours >= Some(2) && ours == Some(totals.failed), "{ours:?}");
    are_given_back(&ports).await;
}

/// Room for the caller, and none for who is called.
#[tokio::test]
async fn a_call_that_finds_a_port_for_one_side_only_is_refused_and_gives_it_back() {
    let ports = free(8_000..9_000, 2);
    let far = Handset::new().await;
    let rest = provider(&far.targets(), "relay");
    let rig = Rig::start_on_ports(&ports, "", NOBODY, &rest).await;
    for _ in 0..2 {
        let mut caller = Handset::new().await;
        let offer = caller.talks();
        caller.call(rig.gateway.sip_addr(), &[PROVIDERS], Some(offer));
        assert_eq!(caller.is_refused().await, 503);
    }
    let totals = rig.stop().await.totals;
    assert_eq!((totals.failed, totals.unaccounted), (2, 0));
    assert_eq!(totals.outcomes.get("our_fault"), Some(&2));
    are_given_back(&ports).await;
}

/// Legs that share a port share that of their reports, too.
#[tokio::test]
async fn a_shared_port_and_that_of_its_reports_are_in_the_range() {
    let ports = free(9_000..9_900, 2);
    let far = Handset::new().await;
    let rest = provider(&far.targets(), "relay");
    let shares = ", rtp_shared = [\"127.0.0.0/8\"]";
    let rig = Rig::start_on_ports(&ports, shares, NOBODY, &rest).await;
    let call = Relayed::begin(&rig, &ports, far).await;
    assert!(!ports.clone().any(is_free), "two for both legs");
    call.ends().await;
    assert_eq!(rig.stop().await.totals.completed, 1);
}
