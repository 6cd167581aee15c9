//! What callers hear: audio that is there, and no silence.

use super::{Context, Finding};
use crate::route::Destination;

/// V0701: an announcement's audio file is nowhere.
pub(super) fn missing(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let announcements = scenario
        .announcements
        .iter()
        .zip(&scenario.lines.announcements);
    announcements
        .filter(|(announcement, _)| !(context.has_audio)(&announcement.file))
        .map(|(announcement, &line)| {
            let message = format!(
                "the audio of `{}` is missing: no file {}",
                announcement.name, announcement.file
            );
            context.finding("V0701", scenario.operator, line, message)
        })
        .collect()
}

/// V0702: calls go to a provider, and nothing is played when it doesn't answer.
pub(super) fn silence(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let outward = context
        .ways
        .iter()
        .find(|way| matches!(way.to, Destination::External(_)));
    match outward {
        Some(way) if scenario.no_answer.is_none() => {
            let message = format!(
                "calls of `{}` leave this switch, and a caller hears nothing when nobody answers them",
                scenario.route_name(way.route)
            );
            let line = scenario.lines.routes[way.route.index()];
            vec![context.finding("V0702", scenario.operator, line, message)]
        }
        _ => Vec::new(),
    }
}
