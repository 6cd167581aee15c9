//! What two rule sets do differently, against a model that asks both at every quarter of an hour.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::collections::BTreeMap;

use callcore::{
    diff::changes,
    origin::Origin,
    route::Destination,
    scenario::Scenario,
    time::{Time, sweden},
};
use jiff::civil::{Date, date};

/// Numbers as good as random, by a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, many: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % many) as usize
    }
}

const QUARTER_MICROS: i64 = 900 * 1_000_000;

/// Rules by random quarters of random days, some of them for some days only.
fn scenario(seed: u64, near: Date) -> Scenario {
    let mut rng = Chance(seed);
    let days = ["mon-fri", "sat", "sun", "holiday", "mon-sun", "tue"];
    let mut text = String::from(
        "organisation = [{ id = \"inera\", name = \"Inera AB\", kind = \"processor\" }]\noperator = { organisation = \"inera\" }\n",
    );
    for queue in ["a", "b", "c"] {
        text += &format!(
            "[[queue]]\nname = \"{queue}\"\ncontroller = \"inera\"\nagents = [{{ simulated = 1 }}]\n"
        );
    }
    for calendar in 0..3 {
        text += &format!("[[calendar]]\nname = \"c{calendar}\"\nopen = [\n");
        for _ in 0..1 + rng.below(3) {
            let mut clock = || format!("{:02}:{:02}", rng.below(5), 15 * rng.below(4));
            let (from, to) = (clock(), clock());
            text += &format!(
                "{{ days = \"{}\", from = \"{from}\", to = \"{to}\" }},\n",
                days[rng.below(6)]
            );
        }
        text += "]\n";
    }
    for route in 0..4 {
        let queue = ["a", "b", "c"][rng.below(3)];
        text += &format!("[[route]]\nname = \"r{route}\"\nall = true\nqueue = \"{queue}\"\n");
        match rng.below(4) {
            0 => text += "hours = \"jourtid\"\n",
            _ => text += &format!("hours = \"c{}\"\n", rng.below(3)),
        }
        if rng.below(2) == 0 {
            let from = near
                .checked_add(jiff::Span::new().days(rng.below(10) as i64 - 5))
                .expect("a day");
            text += &format!(
                "from = {from}\nuntil = {}\n",
                from.checked_add(jiff::Span::new().days(3)).expect("a day")
            );
        }
    }
    text += "[[route]]\nname = \"last\"\nall = true\nunknown = true\ninvalid = true\nconflict = true\nqueue = \"a\"\n";
    Scenario::from_toml(&text, "test").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn queue(scenario: &Scenario, at: Time) -> String {
    let decision = scenario.routes.decide(Origin::from_code("0180"), at);
    match decision.expect("everybody has a route").to {
        Destination::Queue(queue) => scenario.queue(queue).name.to_string(),
        Destination::External(_) => unreachable!("there is no provider"),
    }
}

fn begins(day: Date) -> Time {
    let day = day.to_zoned(sweden()).expect("a day");
    day.timestamp().into()
}

/// Hours by where a call goes and went, as they are told: rounded down.
fn by_asking(
    a: &Scenario,
    b: &Scenario,
    from: Time,
    until: Time,
) -> BTreeMap<(String, String), u64> {
    let mut quarters: BTreeMap<(String, String), u64> = BTreeMap::new();
    for at in (from.as_micros()..until.as_micros()).step_by(QUARTER_MICROS as usize) {
        let at = Time::from_micros(at);
        let (was, is) = (queue(a, at), queue(b, at));
        if was != is {
            *quarters.entry((was, is)).or_default() += 1;
        }
    }
    quarters
        .into_iter()
        .map(|(change, quarters)| (change, quarters / 4))
        .collect()
}

#[test]
fn the_hours_of_each_change_are_those_that_asking_finds() {
    // Clock changes, New Year, Easter; the last year that is compiled, and years on both sides of those.
    let times = [
        date(2026, 3, 29),
        date(2026, 10, 25),
        date(2025, 12, 31),
        date(2027, 3, 28),
        date(2050, 12, 31),
        date(2060, 3, 28),
        date(2060, 10, 31),
        date(2099, 12, 31),
        date(2004, 12, 31),
        date(1999, 10, 31),
    ];
    for (nth, near) in times.into_iter().enumerate() {
        for seed in 0..3 {
            let seed = 100 * nth as u64 + 2 * seed;
            let (a, b) = (scenario(seed, near), scenario(seed + 1, near));
            let span = |days| {
                near.checked_add(jiff::Span::new().days(days))
                    .expect("a day")
            };
            let (from, until) = (begins(span(-6)), begins(span(6)));
            let found: BTreeMap<(String, String), u64> = changes(&a, &b, from, until)
                .into_iter()
                .filter(|change| change.who.contains(&"0180".to_owned()))
                .map(|change| ((change.from.name, change.to.name), change.hours))
                .collect();
            assert_eq!(
                found,
                by_asking(&a, &b, from, until),
                "near {near}, seed {seed}"
            );
        }
    }
}
