//! baresip with its keys pressed: hold, a key in the menu, a call handed on; and who heard whom.

use crate::{
    answering::Answering,
    baresip::Baresip,
    control::Control,
    four_sipp::NOVEMBER_2026,
    ports::free_address,
    scenario::Scenario,
    sound::{ANSWERER, CALLER},
    switch::Switch,
    ways::{
        self,
        To::{Direct, Menu, Queue},
        Way, kommun,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_holds_and_takes_back() {
    let provider = Answering::new();
    let way = Way::new("hold", Direct, "", &[]);
    let scenario = ways::scenario(&[way], &[vec![provider.address()]]);
    let switch = Switch::start(Scenario::new(scenario), NOVEMBER_2026).await;
    let waiting = provider.answer();
    let (telephone, mut control) = dials(&switch).await;
    // This baresip writes down nothing of what it hears after a hold.
    telephone.hears().await;
    for command in ["hold", "resume"] {
        control.does(command, "").await;
        control.sees("CALL_REMOTE_SDP").await;
    }
    let heard = telephone.until_hung_up_on().await;
    let (_, call) = waiting.result().await;
    assert_eq!(call.changes, 2, "hold and back: {call:?}");
    assert!(call.heard_tone(CALLER), "the caller: {call:?}");
    assert!(
        heard.tone(ANSWERER),
        "the other side: {:?}",
        heard.seconds()
    );
    ended(switch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_pressed_on_a_telephone_is_read_by_the_menu() {
    let nurse = Answering::new();
    let way = Way::new("key", Menu, "", &[]);
    let scenario = ways::scenario(&[way], &[vec![nurse.address()]]);
    let switch = Switch::start(Scenario::new(scenario), NOVEMBER_2026).await;
    let waiting = nurse.answer();
    let (telephone, mut control) = dials(&switch).await;
    control.does("sndcode", "1").await;
    let heard = telephone.until_hung_up_on().await;
    let (_, call) = waiting.result().await;
    assert!(call.heard_tone(CALLER), "the caller: {call:?}");
    assert!(
        heard.tone(ANSWERER),
        "the other side: {:?}",
        heard.seconds()
    );
    ended(switch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nurses_telephone_hands_the_call_on() {
    let (first, second) = (free_address(), Answering::new());
    let way = Way::new("transfer", Queue, "", &[]);
    let scenario = ways::scenario(&[way], &[vec![first, second.address()]]);
    let switch = Switch::start(Scenario::new(scenario), NOVEMBER_2026).await;
    let nurse = Baresip::at(&switch, "nurse", first);
    let mut control = nurse.control().await;
    let to = format!("sip:1177@{}", second.address());
    let waiting = second.answer();
    let caller = Baresip::dials(&switch, &format!("1177{}", kommun(0)));
    control.sees("CALL_ESTABLISHED").await;
    control.does("transfer", &to).await;
    control.sees("CALL_CLOSED").await;
    let (_, call) = waiting.result().await;
    let heard = caller.until_hung_up_on().await;
    assert!(
        call.heard_tone(CALLER),
        "the second nurse hears the caller: {call:?}"
    );
    assert!(heard.tone(ANSWERER), "the caller hears the second nurse");
    ended(switch).await;
}

/// A telephone that has called and is through.
async fn dials(switch: &Switch) -> (Baresip, Control) {
    let telephone = Baresip::idle(switch, "caller");
    let mut control = telephone.control().await;
    control.does("dial", &here(switch)).await;
    control.sees("CALL_ESTABLISHED").await;
    (telephone, control)
}

/// Where the test's way begins: the kommun-ID dialled after 1177.
fn here(switch: &Switch) -> String {
    format!("sip:1177{}@{}", kommun(0), switch.sip())
}

async fn ended(switch: Switch) {
    let totals = switch.totals_at_rest(1).await;
    assert_eq!(
        (&totals["completed"], &totals["unaccounted"]),
        (&1.into(), &0.into()),
        "{totals}"
    );
    switch.stop().await;
}
