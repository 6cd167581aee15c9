//! Calls whose legs share a port of the switch: each heard only in its own, whatever comes to that port; who isn't listed has a
//! port of its own.

use std::{collections::BTreeSet, net::SocketAddr};

use testkit::{AnswerPlan, CallPlan, Phone, Sound, tone};
use tokio::sync::watch;
use wire::{
    rtp::Sender,
    sdp::{Description, Direction},
    sip::{
        endpoint::SessionId,
        message::{Body, Headers, Request, StatusCode},
    },
    srtp::Suite,
};

use crate::{
    TO_QUEUE, at,
    bad_media::{DROPPED, INTRUDER_PACKETS, INTRUDER_TONE, intrudes},
    forked::audio_address,
    handset::Handset,
    provider,
    rig::{A_WHILE, CALLER_TONE, FAR_TONE, Rig, answers},
    routes,
    talk::REGIONAL,
};

/// Where all phones are but those that say otherwise.
const HERE: &str = "127.0.0.1/32";
const ELSEWHERE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(127, 0, 0, 2);
/// A caller whose calls the provider takes.
const REGION_01: [(&str, &str); 1] = [("X-Kommun-ID", "0180")];
const OTHER_CALLER_TONE: f64 = 700.0;
const OTHER_FAR_TONE: f64 = 1700.0;

fn says(tone: f64, srtp: Option<Suite>) -> CallPlan {
    CallPlan {
        sound: Sound::Tone(tone),
        until: A_WHILE,
        srtp,
        ..CallPlan::default()
    }
}

/// Which of two tones: one of them, and not the other.
fn which(samples: &[i16], tones: [f64; 2]) -> f64 {
    let heard = tones.map(|tone| tone::heard(samples, tone));
    match heard {
        [true, false] => tones[0],
        [false, true] => tones[1],
        _ => panic!("one of {tones:?}, not {heard:?}"),
    }
}

#[tokio::test]
async fn two_calls_on_one_port_hear_and_record_each_only_their_own() {
    let mut phones = [(); 2].map(|()| Phone::bind().expect("a phone"));
    let uris = phones
        .each_ref()
        .map(|phone| format!("\"sip:1177@{}\"", phone.address()));
    let rig = Rig::start_sharing(HERE, &format!("[{}]", uris.join(",")), &routes(TO_QUEUE)).await;
    let [first, second] = &mut phones;
    let other = AnswerPlan {
        sound: Sound::Tone(OTHER_FAR_TONE),
        ..answers()
    };
    let suite = Some(Suite::AesCm128HmacSha1_80);
    let (one, two, first, second) = tokio::join!(
        rig.call_as("0488", says(CALLER_TONE, None)),
        rig.call_as("0488", says(OTHER_CALLER_TONE, suite)),
        first.answer(answers()),
        second.answer(other)
    );
    let results = [&one, &two, &first, &second];
    let ports: BTreeSet<_> = results
        .iter()
        .map(|it| it.audio_source.expect("audio"))
        .collect();
    assert_eq!(ports.len(), 1, "all by one port");
    assert!(two.encrypted && !one.encrypted);
    let far_tones = [FAR_TONE, OTHER_FAR_TONE];
    let (far_of_one, far_of_two) = (which(&one.heard, far_tones), which(&two.heard, far_tones));
    assert_ne!(far_of_one, far_of_two);
    let caller_tones = [CALLER_TONE, OTHER_CALLER_TONE];
    let of_first = which(&first.heard, caller_tones);
    assert_ne!(of_first, which(&second.heard, caller_tones));
    assert_eq!(of_first == CALLER_TONE, far_of_one == FAR_TONE);
    assert_eq!((one.audio.lost, two.audio.lost), (0, 0));
    let kept = rig.stop().await;
    let recordings = kept.recordings();
    let pairs = recordings.iter().map(|(_, [left, right])| {
        let pair = (which(left, caller_tones), which(right, far_tones));
        assert_eq!(
            pair.1,
            if pair.0 == CALLER_TONE {
                far_of_one
            } else {
                far_of_two
            }
        );
        pair.0.to_bits()
    });
    assert_eq!(pairs.collect::<BTreeSet<_>>().len(), 2);
}

#[tokio::test]
async fn a_strangers_audio_at_a_shared_port_is_counted_and_neither_heard_nor_recorded() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start_sharing(HERE, &at(&nurse), &routes(TO_QUEUE)).await;
    let (tells, told) = watch::channel(None);
    let plan = CallPlan {
        tells: Some(tells),
        ..says(CALLER_TONE, None)
    };
    let (caller, nurse, _) = tokio::join!(
        rig.call_as("0488", plan),
        nurse.answer(answers()),
        intrudes(told)
    );
    assert!(caller.heard_tone(FAR_TONE) && nurse.heard_tone(CALLER_TONE));
    assert!(!nurse.heard_tone(INTRUDER_TONE), "not relayed");
    let stray = rig.counted(DROPPED, "stray");
    assert!(stray >= 2 * INTRUDER_PACKETS, "{stray}");
    let kept = rig.stop().await;
    let [(_, [left, _])] = kept.recordings().try_into().expect("one recording");
    assert_eq!(which(&left, [CALLER_TONE, INTRUDER_TONE]), CALLER_TONE);
}

/// A call of its own to a simulated nurse, and our port in its answer.
async fn called(caller: &mut Handset, rig: &Rig) -> (SessionId, SocketAddr) {
    let offer = caller.talks();
    let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
    let answer = caller.is_answered().await.body();
    (call, audio_address(answer.as_ref()))
}

#[tokio::test]
async fn who_is_not_listed_has_a_port_of_its_own_and_so_has_who_comes_again_at_once() {
    let rig = Rig::start_sharing("127.0.0.2/32", "[{ simulated = 4 }]", &routes(TO_QUEUE)).await;
    let mut ports = Vec::new();
    for ip in [std::net::Ipv4Addr::LOCALHOST, ELSEWHERE] {
        let mut phones = [Handset::at(ip, true).await, Handset::at(ip, true).await];
        let mut calls = Vec::new();
        for phone in &mut phones {
            calls.push(called(phone, &rig).await);
        }
        ports.push((calls[0].1, calls[1].1));
        if ip == ELSEWHERE {
            phones[0].hangs_up(calls[0].0);
            phones[0].is_ended().await;
            // What its last call still sends must not be heard in the next.
            ports.push((calls[0].1, called(&mut phones[0], &rig).await.1));
        }
    }
    let [own, shared, again] = ports.try_into().expect("three pairs");
    assert_ne!(own.0, own.1);
    assert_eq!(shared.0, shared.1);
    assert_ne!(again.0, again.1);
    rig.stop().await;
}

/// A caller of region 01 and the provider's phone, joined by a relay.
struct Relayed {
    caller: Handset,
    call: SessionId,
    far: SessionId,
    /// Our ports, as each side was told.
    ours: [SocketAddr; 2],
}

async fn relayed(rig: &Rig, mut caller: Handset, phone: &mut Handset) -> Relayed {
    let offer = caller.talks();
    let call = caller.call(rig.gateway.sip_addr(), &REGION_01, Some(offer));
    let (far, asked) = phone.answers().await;
    let answered = caller.is_answered().await;
    let ours =
        [answered.body(), asked.body()].map(|body: Option<Body>| audio_address(body.as_ref()));
    Relayed {
        caller,
        call,
        far,
        ours,
    }
}

/// A voice that nobody has heard before.
pub(crate) fn sender(ssrc: u32) -> Sender {
    Sender::new(8, ssrc, 7, 7)
}

/// Two calls of which the provider's phones have one address for audio.
struct Twins {
    rig: Rig,
    one: Relayed,
    /// The first call's voice and far side.
    voice: Sender,
    phone: Handset,
    /// The second caller, and the far side that was asked after the first was busy.
    other: Handset,
    twin: Handset,
    far: SessionId,
    asked: Box<Request>,
}

/// The first call is heard; the second has just been answered at the far side.
async fn twins() -> Twins {
    let mut phone = Handset::new().await;
    let mut twin = Handset::with_audio_of(&phone).await;
    let targets = format!("[\"{}\", \"{}\"]", phone.uri(), twin.uri());
    let rig = Rig::start_sharing(HERE, "[{ simulated = 1 }]", &provider(&targets, "relay")).await;
    let one = relayed(&rig, Handset::new().await, &mut phone).await;
    let mut voice = sender(1);
    one.caller
        .hears(11, || phone.says(&mut voice, one.ours[1], 11))
        .await;
    let mut other = Handset::new().await;
    let offer = other.talks();
    other.call(rig.gateway.sip_addr(), &REGION_01, Some(offer));
    let (busy, _) = phone.is_called().await;
    phone.act(|ep, now| {
        let refused = ep.reject(now, busy, StatusCode::BUSY_HERE, &Headers::new());
        refused.expect("refused");
    });
    let (far, asked) = twin.answers().await;
    Twins {
        rig,
        one,
        voice,
        phone,
        other,
        twin,
        far,
        asked,
    }
}

/// A far side that answers two calls with one address can't be told by it: the second has another port, and neither is heard in the
/// other's call.
#[tokio::test]
async fn two_calls_with_one_remote_are_kept_apart_by_another_port_for_the_second() {
    let Twins {
        rig,
        one,
        voice: mut first,
        phone,
        mut other,
        mut twin,
        far,
        asked,
    } = Box::pin(twins()).await;
    let mut second = sender(2);
    let offered = audio_address(asked.body().as_ref());
    assert_eq!(offered, one.ours[1], "both are offered the shared port");
    let told = twin.is_told(Direction::SendRecv).await;
    let first_told = asked.body().expect("an offer");
    let first_told = Description::parse(&first_told.bytes).expect("SDP");
    assert_eq!(told.origin, first_told.origin.next(), "of one session");
    let told = told.streams[0].address;
    assert_ne!(told, offered, "the second is told of another");
    // It has not agreed yet, and talks to the shared port: nobody hears it.
    twin.says(&mut second, offered, 22);
    twin.agrees(far, Direction::SendRecv);
    other.is_answered().await;
    let heard = one
        .caller
        .hears(12, || phone.says(&mut first, one.ours[1], 12))
        .await;
    assert!(!heard.contains(&22), "{heard:?}");
    let heard = other.hears(23, || twin.says(&mut second, told, 23)).await;
    assert!(!heard.contains(&11) && !heard.contains(&12), "{heard:?}");
    assert!(rig.counted(DROPPED, "stray") >= 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_second_remote_that_refuses_another_port_is_not_left_unheard() {
    let Twins {
        rig,
        one,
        voice: mut first,
        phone,
        mut other,
        mut twin,
        far,
        asked: _,
    } = Box::pin(twins()).await;
    twin.is_asked_for(Direction::SendRecv).await;
    let status = StatusCode::NOT_ACCEPTABLE_HERE;
    twin.act(|ep, now| ep.reject_change(now, far, status).expect("refused"));
    twin.is_ended().await;
    other.is_ended().await;
    one.caller
        .hears(12, || phone.says(&mut first, one.ours[1], 12))
        .await;
    rig.stop().await;
}

/// Hold in the old way and the new, another address inside the list, and one outside: the port's table follows.
#[tokio::test]
async fn a_caller_who_holds_and_moves_is_heard_where_the_last_description_says() {
    let mut phone = Handset::new().await;
    let rest = provider(&phone.targets(), "relay");
    let rig = Rig::start_sharing(HERE, "[{ simulated = 1 }]", &rest).await;
    let mut two = relayed(&rig, Handset::new().await, &mut phone).await;
    let shared = two.ours[0];
    assert_eq!(shared, two.ours[1]);
    let mut voice = sender(1);
    phone
        .hears(11, || two.caller.says(&mut voice, shared, 11))
        .await;

    for direction in [Direction::SendOnly, Direction::SendRecv] {
        let other = (&mut phone, two.far);
        two.caller.changes(two.call, direction, other).await;
    }
    phone
        .hears(12, || two.caller.says(&mut voice, shared, 12))
        .await;

    let (before, _) = two.caller.moves_to(std::net::Ipv4Addr::LOCALHOST);
    two.caller.asks_for(two.call, Direction::SendRecv).await;
    let answer = two.caller.has_changed().await;
    assert_eq!(
        audio_address(answer.as_ref()),
        shared,
        "in the list: the same port"
    );
    phone
        .hears(13, || two.caller.says(&mut voice, shared, 13))
        .await;
    let mut datagram = Vec::new();
    voice.next(&[14; 160], 160, false, &mut datagram);
    before.send_to(&datagram, shared).expect("sent");
    let heard = phone
        .hears(15, || two.caller.says(&mut voice, shared, 15))
        .await;
    assert!(!heard.contains(&14), "not from where it was: {heard:?}");

    drop(two.caller.moves_to(ELSEWHERE));
    two.caller.asks_for(two.call, Direction::SendRecv).await;
    let answer = two.caller.has_changed().await;
    let own = audio_address(answer.as_ref());
    assert_ne!(own, shared, "outside the list: a port of its own");
    phone
        .hears(16, || two.caller.says(&mut voice, own, 16))
        .await;
    let mut far_voice = sender(2);
    two.caller
        .hears(17, || phone.says(&mut far_voice, shared, 17))
        .await;
    rig.stop().await;
}
