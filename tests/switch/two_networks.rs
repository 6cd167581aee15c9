//! A switch in several networks: each leg's signalling and audio are in the network of its own other end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wire::{
    rtp::Sender,
    sip::{
        header::NameAddr,
        message::{HeaderName, Headers},
    },
};

use crate::{
    TO_QUEUE, forked::audio_address, handset::Handset, provider, rig::Rig, routes, talk::Talk,
};

const FOUR: &str = "127.0.0.1";
const SIX: &str = "[::1]";
const NOBODY: &str = "[{ simulated = 1 }]";
const PROVIDERS: (&str, &str) = ("X-Kommun-ID", "0180");

fn ip_of(network: &str) -> IpAddr {
    let ip = network.trim_matches(['[', ']']);
    ip.parse().expect("an address")
}

async fn handset(network: &str) -> Handset {
    Handset::at(ip_of(network), true).await
}

/// Both hear each other through these ports of the switch.
async fn talk(
    (caller, to_caller): (&Handset, SocketAddr),
    (other, to_other): (&Handset, SocketAddr),
) {
    let (mut voice, mut others) = (Sender::new(8, 1, 7, 7), Sender::new(8, 2, 7, 7));
    other
        .hears(11, || caller.says(&mut voice, to_caller, 11))
        .await;
    caller
        .hears(22, || other.says(&mut others, to_other, 22))
        .await;
}

/// A call to a provider in another network, both heard; who hangs up is another one each time.
async fn relayed(from: &str, to: &str, handover: &str, listen: &str) -> Rig {
    let networks = [from, to];
    let mut far = handset(to).await;
    let rest = provider(&far.targets(), handover);
    let rig = Rig::start_in_networks(&networks, listen, NOBODY, &rest).await;
    let [here, there] = rig.gateway.sip_addrs() else {
        panic!("two addresses");
    };
    let (here, there) = (*here, *there);
    // An address rests after a call before another has it on the same port.
    let calls: &[bool] = if listen.is_empty() {
        &[true, false]
    } else {
        &[true]
    };
    for &caller_ends in calls {
        let mut caller = handset(from).await;
        let offer = caller.talks();
        let call = caller.call(here, &[PROVIDERS], Some(offer));
        let (session, asked) = far.answers().await;
        let answered = caller.is_answered().await;
        let contact = asked.contact_uri().expect("a Contact");
        assert_eq!(contact.address(), Some(there), "{from} to {to}");
        let via = asked.headers.get(&HeaderName::Via).unwrap_or_default();
        assert!(via.contains(&there.to_string()), "{via}");
        let contact = answered.contact_uri().expect("a Contact");
        assert_eq!(contact.address(), Some(here), "{from} to {to}");
        let to_caller = audio_address(answered.body().as_ref());
        let to_far = audio_address(asked.body().as_ref());
        assert_eq!((to_caller.ip(), to_far.ip()), (here.ip(), there.ip()));
        talk((&caller, to_caller), (&far, to_far)).await;
        far.is_confirmed().await;
        let (ends, call, other) = if caller_ends {
            (&mut caller, call, &mut far)
        } else {
            (&mut far, session, &mut caller)
        };
        ends.hangs_up(call);
        other.is_ended().await;
    }
    rig
}

#[tokio::test]
async fn a_call_goes_from_one_network_to_the_other_and_both_are_heard() {
    for (from, to) in [(FOUR, SIX), (SIX, FOUR), ("127.0.0.2", FOUR)] {
        for listen in ["", ", rtp_shared = [\"127.0.0.0/8\", \"::1/128\"]"] {
            let rig = relayed(from, to, "relay", listen).await;
            assert_eq!(rig.counted("vaxel_address_family_total", "relayed"), 0);
            let totals = rig.stop().await.totals;
            let calls = if listen.is_empty() { 2 } else { 1 };
            let ended = (totals.completed, totals.unaccounted);
            assert_eq!(ended, (calls, 0), "{from} {to}");
        }
    }
}

/// Audio can't go straight from one family to the other. The call is not recorded, as none that leaves.
#[tokio::test]
async fn a_direct_call_between_families_is_relayed() {
    let rig = relayed(FOUR, SIX, "direct", "").await;
    assert_eq!(rig.counted("vaxel_address_family_total", "relayed"), 2);
    let kept = rig.stop().await;
    assert_eq!((kept.totals.completed, kept.totals.unaccounted), (2, 0));
    assert!(kept.totals.recorded.is_empty() && kept.recordings().is_empty());
}

#[tokio::test]
async fn a_caller_and_a_nurse_in_two_networks_are_recorded() {
    for (here, there) in [(FOUR, SIX), (SIX, FOUR)] {
        let nurse = handset(there).await;
        let agents = nurse.targets();
        let networks = [here, there];
        let rig = Rig::start_in_networks(&networks, "", &agents, &routes(TO_QUEUE)).await;
        let mut two = Talk::through(rig, nurse).await;
        let to_caller = audio_address(two.answered.body().as_ref());
        let to_nurse = audio_address(two.asked.body().as_ref());
        assert_eq!((to_caller.ip(), to_nurse.ip()), (ip_of(here), ip_of(there)));
        talk((&two.caller, to_caller), (&two.nurse, to_nurse)).await;
        two.caller.hangs_up(two.call);
        two.nurse.is_ended().await;
        let kept = two.rig.stop().await;
        assert_eq!(kept.totals.recorded.get("region-04"), Some(&1), "{here}");
        assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
    }
}

/// While the second nurse's phone rings, the caller still talks with the first, in the other network.
#[tokio::test]
async fn a_nurse_sends_the_call_on_to_one_in_another_network() {
    let mut second = handset(SIX).await;
    let first = handset(FOUR).await;
    let agents = format!("[\"{}\", \"{}\"]", first.uri(), second.uri());
    let rig = Rig::start_in_networks(&[FOUR, SIX], "", &agents, &routes(TO_QUEUE)).await;
    let mut two = Talk::through(rig, first).await;
    two.nurse.is_confirmed().await;
    let (to_caller, to_first) = (
        audio_address(two.answered.body().as_ref()),
        audio_address(two.asked.body().as_ref()),
    );
    let to = NameAddr::parse(&format!("<{}>", second.uri())).expect("an address");
    two.nurse.act(|endpoint, now| {
        endpoint
            .refer(now, two.talk, &to, &Headers::default())
            .expect("asked");
    });
    let (session, asked) = second.is_called().await;
    let to_second = audio_address(asked.body().as_ref());
    assert_eq!(
        (to_first.ip(), to_second.ip()),
        (
            Ipv4Addr::LOCALHOST.into(),
            IpAddr::from(Ipv6Addr::LOCALHOST)
        )
    );
    talk((&two.caller, to_caller), (&two.nurse, to_first)).await;
    let body = second.talks();
    second.act(|endpoint, now| endpoint.answer(now, session, Some(body)).expect("answered"));
    two.nurse.is_ended().await;
    talk((&two.caller, to_caller), (&second, to_second)).await;
    two.caller.hangs_up(two.call);
    second.is_ended().await;
    let totals = two.rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (1, 0));
}

/// A target of a family that isn't spoken fails at once, long before it could have rung enough.
#[tokio::test]
async fn a_target_of_another_family_gives_way_to_the_next() {
    let (mut caller, mut far) = (handset(FOUR).await, handset(FOUR).await);
    let six = handset(SIX).await;
    let targets = format!("[\"{}\", \"{}\"]", six.uri(), far.uri());
    for handover in ["relay", "direct"] {
        let rest = provider(&targets, handover).replace("ring_s = 5", "ring_s = 600");
        let rig = Rig::start(NOBODY, &rest).await;
        let offer = caller.talks();
        let call = caller.call(rig.gateway.sip_addr(), &[PROVIDERS], Some(offer));
        far.answers().await;
        caller.is_answered().await;
        far.is_confirmed().await;
        assert_eq!(rig.counted("vaxel_address_family_total", "unreachable"), 1);
        caller.hangs_up(call);
        far.is_ended().await;
        let totals = rig.stop().await.totals;
        assert_eq!((totals.completed, totals.unaccounted), (1, 0), "{handover}");
    }
}
