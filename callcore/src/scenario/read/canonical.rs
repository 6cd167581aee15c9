//! The routing part as a text, for the digest.

use std::fmt::Write as _;

use crate::{
    route::{Destination, External, Route},
    scenario::{Announcement, Choice, Menu, Provider, Queue},
    time::Time,
};

/// The routing part as a text that two scenarios share exactly when they decide alike. Names, not places in lists,
/// so that an entry that nothing uses doesn't change it.
pub(super) fn canonical(
    routes: &[Route],
    queues: &[Queue],
    providers: &[Provider],
    announcements: &[Announcement],
) -> String {
    let place = |to: &Destination| match to {
        Destination::Queue(queue) => {
            let queue = &queues[queue.index()];
            format!(
                "queue {} {}",
                queue.name,
                if queue.recording {
                    "recorded"
                } else {
                    "unrecorded"
                }
            )
        }
        Destination::External(External { provider, handover }) => {
            let provider = &providers[provider.index()];
            format!(
                "provider {} {} {}",
                provider.name,
                handover.name(),
                provider.targets.join(" ")
            )
        }
    };
    let moment =
        |at: Option<Time>| at.map_or_else(|| "-".to_owned(), |at| at.as_micros().to_string());
    let mut text = String::from("vaxel routes 1\n");
    for route in routes {
        let covers: Vec<String> = route.covers.iter().map(|who| who.to_string()).collect();
        let hours = route
            .hours
            .as_ref()
            .map_or_else(|| "-".to_owned(), |named| named.hours.canonical());
        let announcement = route
            .announcement
            .map_or("-", |id| &*announcements[id.index()].name);
        let failover: Vec<String> = route.failover.iter().map(place).collect();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "{}|{}|{}|{}|{hours}|{}|{announcement}|{}{}",
            route.name,
            covers.join(" "),
            moment(route.from),
            moment(route.until),
            place(&route.to),
            failover.join(", "),
            route
                .menu
                .as_ref()
                .map_or_else(String::new, |menu| keys(menu, queues))
        );
    }
    text
}

/// What a menu's keys are for; a route without a menu adds nothing to the text.
fn keys(menu: &Menu, queues: &[Queue]) -> String {
    let key = |(digit, choice): &(crate::digit::Digit, Choice)| {
        let to = match choice {
            Choice::Queue(queue) => &*queues[queue.index()].name,
            Choice::Callback => "callback",
            Choice::Continue => "continue",
        };
        format!("{}={to}", digit.as_char())
    };
    let keys: Vec<String> = menu.choices.iter().map(key).collect();
    format!("|menu {}", keys.join(" "))
}
