//! What callers are offered while they wait, and what keys are for.

use crate::{LEAST, read, refused};

#[test]
fn an_offer_to_call_back_is_read_and_its_limits_are_told() {
    let with = |callback: &str| {
        let agents = "agents = [{ simulated = 2 }";
        let announced = format!(
            "announcement = [{{ name = \"offer\", file = \"callback-offer.wav\" }}]{LEAST}"
        );
        announced.replacen(agents, &format!("callback = {{ {callback} }}, {agents}"), 1)
    };
    let whole = "after_expected_wait_s = 600, at_most = 20, offer = \"offer\"";
    let scenario = read(&with(whole)).unwrap_or_else(|error| panic!("{error}"));
    let callback = scenario.queues[0].callback.as_ref().expect("an offer");
    assert_eq!((callback.at_most, callback.attempts_max), (20, 3));
    assert_eq!(callback.digit.as_char(), '1');
    let wrong = [
        (
            format!("{whole}, digit = \"12\""),
            "no key of a telephone",
            "\"0\" to \"9\"",
        ),
        (
            format!("{whole}, attempts_max = 11"),
            "11 is out of range",
            "1 to 10",
        ),
        (
            format!("{whole}, ring_s = 1"),
            "1 is out of range",
            "5 to 180",
        ),
        (whole.replace("20", "0"), "0 is out of range", "1 to 10000"),
        (
            whole.replace("\"offer\"", "\"ofer\""),
            "no announcement is called `ofer`",
            "`offer`",
        ),
        (
            format!("{whole}, via = \"trunk\""),
            "a SIP address begins with",
            "sip:user@host:port",
        ),
    ];
    for (callback, message, remedy) in wrong {
        refused(&with(&callback), 3, message, remedy);
    }
}

#[test]
fn a_menu_is_read_and_its_faults_are_told() {
    let with = |menu: &str| {
        let announced =
            format!("announcement = [{{ name = \"menu\", file = \"queue.wav\" }}]{LEAST}");
        let to = "queue = \"all\" }]\n";
        announced.replacen(
            to,
            &format!("queue = \"all\", menu = {{ {menu} }} }}]\n"),
            1,
        )
    };
    let whole = "announcement = \"menu\", choices = [{ digit = \"1\", continue = true }, { digit = \"2\", queue = \"all\" }]";
    let scenario = read(&with(whole)).unwrap_or_else(|error| panic!("{error}"));
    let menu = scenario.routes.routes()[0].menu.as_ref().expect("a menu");
    assert_eq!((menu.choices.len(), menu.repeats), (2, 1));
    assert_ne!(
        scenario.routes.digest(),
        read(LEAST).expect("valid").routes.digest(),
        "a menu decides"
    );
    let wrong = [
        (
            whole.replace("\"2\"", "\"1\""),
            "this key is named twice",
            "a key of its own",
        ),
        (
            whole.replace("queue = \"all\"", "callback = false"),
            "a key is for one thing",
            "`callback = true`",
        ),
        (
            "announcement = \"menu\", choices = []".to_owned(),
            "a menu of no keys",
            "from 1 to 12",
        ),
        (
            format!("{whole}, timeout_s = 0"),
            "0 is out of range",
            "1 to 60",
        ),
    ];
    for (menu, message, remedy) in wrong {
        refused(&with(&menu), 4, message, remedy);
    }
}
