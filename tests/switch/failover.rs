//! Providers that are busy, silent, broken or gone: the next is tried, and one that is known to be down is passed over.

use testkit::{AnswerPlan, Phone, Then, Until};
use wire::sip::{endpoint::Event, message::StatusCode};

use crate::{
    handset::Handset,
    provider,
    rig::{A_WHILE, FAR_TONE, Rig, answers},
    routes,
};

const AGENTS: &str = "[{ simulated = 1 }]";

/// Two providers, the second in place of the first, which may ring so long: whoever is to answer has time for it.
fn two(first: &Phone, ring_s: u32, second: &Phone, ping: &str) -> String {
    let provider = |name: &str, phone: &Phone, ring_s: u32| {
        format!(
            "{{ name = \"{name}\", organisation = \"medhelp\", targets = [\"sip:1177@{}\"], ring_s = {ring_s}, ping = {ping} }}",
            phone.address()
        )
    };
    format!(
        "provider = [{}, {}]\n{}",
        provider("first", first, ring_s),
        provider("second", second, 30),
        routes("provider = \"first\", handover = \"relay\", failover = [\"second\"]")
    )
}

const NEVER: &str = "{ every_s = 0 }";
const AT_ONCE: &str = "{ every_s = 1, down_after = 1, up_after = 1 }";

fn phones() -> (Phone, Phone) {
    let phone = || Phone::bind().expect("a phone");
    (phone(), phone())
}

/// Nobody waits for a ring time to pass that is long over.
#[tokio::test]
async fn a_provider_whose_answer_says_of_no_audio_gives_way_to_the_next_at_once() {
    let (mut first, mut second) = (Handset::new().await, Handset::new().await);
    let targets = format!("[\"{}\", \"{}\"]", first.uri(), second.uri());
    let rest = provider(&targets, "relay").replace("ring_s = 5", "ring_s = 120");
    let rig = Rig::start(AGENTS, &rest).await;
    let mut caller = Handset::new().await;
    let offer = caller.talks();
    let kommun = ("X-Kommun-ID", "0180");
    let call = caller.call(rig.gateway.sip_addr(), &[kommun], Some(offer));
    let (session, _) = first.is_called().await;
    first.act(|ep, now| ep.answer(now, session, None).expect("answered"));
    second.answers().await;
    caller.is_answered().await;
    first.is_ended().await;
    caller.hangs_up(call);
    second.is_ended().await;
    let totals = rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (1, 0));
}

#[tokio::test]
async fn busy_broken_refused_and_silent_providers_give_way_to_the_next() {
    let reject = |status| Then::Reject(status);
    let ways = [
        ("busy", reject(StatusCode::BUSY_HERE)),
        ("broken", reject(StatusCode::SERVER_INTERNAL_ERROR)),
        ("overloaded", reject(StatusCode::SERVICE_UNAVAILABLE)),
        ("refuses", reject(StatusCode::FORBIDDEN)),
        ("rings on", Then::RingOn),
    ];
    for (way, then) in ways {
        let (mut first, mut second) = phones();
        let rig = Rig::start(AGENTS, &two(&first, 1, &second, NEVER)).await;
        let fails = AnswerPlan {
            then,
            ..AnswerPlan::default()
        };
        let (caller, _, answered) = tokio::join!(
            rig.call("0180", A_WHILE),
            first.answer(fails),
            second.answer(answers())
        );
        assert_eq!((caller.code(), answered.code()), (200, 200), "{way}");
        assert!(caller.heard_tone(FAR_TONE), "{way}");
        let totals = rig.stop().await.totals;
        assert_eq!((totals.completed, totals.unaccounted), (1, 0), "{way}");
    }
}

/// Whom a provider names, nobody has an agreement with: no voice and no number goes there.
#[tokio::test]
async fn a_provider_that_sends_a_call_elsewhere_gives_way_to_the_next_and_is_not_followed() {
    for handover in ["relay", "direct"] {
        let ((mut first, mut second), mut named) = (phones(), Handset::new().await);
        let rest = two(&first, 5, &second, NEVER).replace("\"relay\"", &format!("\"{handover}\""));
        let rig = Rig::start(AGENTS, &rest).await;
        let elsewhere = wire::sip::uri::Uri::parse(&named.uri()).expect("a URI");
        let sends_on = AnswerPlan {
            then: Then::Redirect(vec![elsewhere]),
            ..AnswerPlan::default()
        };
        let (caller, _, answered) = tokio::join!(
            rig.call("0180", A_WHILE),
            first.answer(sends_on),
            second.answer(answers())
        );
        assert_eq!((caller.code(), answered.code()), (200, 200), "{handover}");
        assert_eq!(rig.counted("vaxel_provider_redirects_total", "first"), 1);
        // What had been sent there before would come before this.
        named.call(rig.gateway.sip_addr(), &[], None);
        let next = |event| match event {
            Event::Incoming { .. } => Some("called"),
            Event::Answered { .. } | Event::Rejected { .. } => Some("not called"),
            _ => None,
        };
        assert_eq!(named.sees("an event", next).await, "not called");
        assert_eq!(rig.stop().await.totals.unaccounted, 0);
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_gives_way_when_its_time_is_up() {
    let (first, mut second) = phones();
    let rest = two(&first, 1, &second, NEVER);
    // Its port is closed now: nothing answers there.
    drop(first);
    let rig = Rig::start(AGENTS, &rest).await;
    let (caller, answered) = tokio::join!(rig.call("0180", A_WHILE), second.answer(answers()));
    assert_eq!((caller.code(), answered.code()), (200, 200));
    assert_eq!(rig.stop().await.totals.completed, 1);
}

/// Who is controller of what is said is who talks, not whom the route names.
#[tokio::test]
async fn whose_nurse_answers_for_a_provider_that_is_gone_is_shown_as_controller() {
    let (gone, _) = phones();
    let rest = format!(
        "provider = [{{ name = \"first\", organisation = \"medhelp\", targets = [\"sip:1177@{}\"], ring_s = 1, ping = {NEVER} }}]\n{}",
        gone.address(),
        routes("provider = \"first\", handover = \"relay\", failover = [\"sormland\"]")
    );
    drop(gone);
    let rig = Rig::start(AGENTS, &rest).await;
    let (caller, shown) = tokio::join!(rig.call("0180", A_WHILE), controller(&rig, "talking"));
    assert_eq!(caller.code(), 200);
    assert_eq!(shown, ("region-04".to_owned(), "no"));
    assert_eq!(rig.stop().await.totals.unaccounted, 0);
}

/// The same of a provider that takes a call for a queue that is full.
#[tokio::test]
async fn who_takes_a_call_for_a_full_queue_is_shown_as_controller() {
    let mut provider = Phone::bind().expect("a phone");
    let agents = "[], len_max = 1, overflow = [\"medhelp\"], handover = \"relay\"";
    let rest = crate::provider(&format!("[\"sip:1177@{}\"]", provider.address()), "relay");
    let rig = Rig::start(agents, &rest).await;
    let second = async {
        rig.sees(|live| live.queues.iter().any(|queue| queue.waiting == 1))
            .await;
        rig.call("0488", A_WHILE).await
    };
    let waits = rig.call("0488", Until::Sent(std::time::Duration::from_secs(6)));
    let (_, caller, _, shown) = tokio::join!(
        waits,
        second,
        provider.answer(answers()),
        controller(&rig, "external")
    );
    assert_eq!(caller.code(), 200);
    assert_eq!(shown, ("medhelp".to_owned(), "never"));
    assert_eq!(rig.stop().await.totals.unaccounted, 0);
}

/// Whom the page shows as controller of the first call in that state, and what it says of its recording.
async fn controller(rig: &Rig, state: &str) -> (String, &'static str) {
    let live = rig.sees_a_call(state).await;
    let call = live.calls.iter().find(|call| call.state == state);
    let call = call.expect("waited for");
    (call.controller.clone(), call.recording)
}

#[tokio::test]
async fn a_provider_that_is_down_is_passed_over_and_taken_again_when_it_is_back() {
    let (mut first, mut second) = phones();
    let rig = Rig::start(AGENTS, &two(&first, 30, &second, AT_ONCE)).await;
    // Neither phone answers questions while it isn't used.
    let is_up = async |place: usize, up: bool| {
        let state = if up { "up" } else { "down" };
        let shown = rig.sees(|live| {
            let provider = live.providers.get(place);
            provider.is_some_and(|provider| provider.targets[0].state == state)
        });
        shown.await
    };
    is_up(0, false).await;
    let (caller, _) = tokio::join!(
        async {
            is_up(1, true).await;
            rig.call("0180", Until::HeardTone(FAR_TONE)).await
        },
        second.answer(answers())
    );
    assert_eq!(caller.code(), 200);
    let (back, _) = tokio::join!(
        async {
            is_up(0, true).await;
            rig.call("0180", Until::HeardTone(FAR_TONE)).await
        },
        first.answer(answers())
    );
    assert_eq!(back.code(), 200);
    assert_eq!(rig.stop().await.totals.completed, 2);
}
