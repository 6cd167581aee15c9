//! Who is routed where: callers without a route, rules that are never reached, rules that disagree.

use super::{Context, Finding};
use crate::{
    kommun::kommun,
    route::{Disagreement, Disagreements, Gaps, Uncovered, Who},
    scenario::RouteId,
    time::Time,
};

/// Callers named in one message; more are counted.
const NAMED_MAX: usize = 3;

/// V0101: at some time no rule holds for somebody.
pub(super) fn without_route(context: &Context<'_>) -> Vec<Finding> {
    let Gaps {
        found,
        searched_until,
    } = context.scenario.routes.uncovered();
    let mut gaps: Vec<(Uncovered, Vec<Who>)> = Vec::new();
    for gap in found {
        let same = |other: &Uncovered| (other.from, other.until) == (gap.from, gap.until);
        match gaps.iter_mut().find(|(other, _)| same(other)) {
            Some((_, callers)) => callers.push(gap.who),
            None => gaps.push((gap, vec![gap.who])),
        }
    }
    let finding = |(gap, callers): (Uncovered, Vec<Who>)| {
        let message = format!(
            "no route takes calls from {} {}",
            named(&callers),
            span(gap.from, gap.until)
        );
        let line = line_of_last_route(context, gap.who);
        context.finding("V0101", context.scenario.operator, line, message)
    };
    let rest = searched_until.map(|who| {
        let message = format!(
            "whether a route takes every call of {}, and of those after them, wasn't found out: too many rules hold by the hour; \
             let a last rule take everybody's calls at all times",
            named(&[who])
        );
        let line = line_of_last_route(context, who);
        context.finding("V0101", context.scenario.operator, line, message)
    });
    gaps.into_iter().map(finding).chain(rest).collect()
}

/// The line of the last rule for such callers: the one that would have to hold longer.
fn line_of_last_route(context: &Context<'_>, who: Who) -> u32 {
    let routes = context.scenario.routes.routes();
    let last = routes.iter().rposition(|route| route.covers.contains(who));
    last.map_or(1, |place| context.scenario.lines.routes[place])
}

fn named(callers: &[Who]) -> String {
    let name = |who: &Who| match who {
        Who::Kommun(id) => format!("{id} {}", kommun(*id).name),
        other => format!("callers whose kommun is {other}"),
    };
    let names: Vec<String> = callers.iter().take(NAMED_MAX).map(name).collect();
    match callers.len().saturating_sub(NAMED_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn span(from: Time, until: Option<Time>) -> String {
    let shown = |at: Time| at.in_sweden().strftime("%Y-%m-%d %H:%M").to_string();
    let always = from == Time::from_micros(i64::MIN);
    match (always, until) {
        (true, None) => "at any time".to_owned(),
        (true, Some(until)) => format!("until {}", shown(until)),
        (false, None) => format!("from {} on", shown(from)),
        (false, Some(until)) => format!("from {} until {}", shown(from), shown(until)),
    }
}

/// V0102: earlier rules leave this one nothing.
pub(super) fn never_reached(context: &Context<'_>) -> Vec<Finding> {
    let finding = |&id: &RouteId| {
        let message = format!(
            "`{}` is never reached: earlier rules take all its callers at all its times",
            context.scenario.route_name(id)
        );
        let line = context.scenario.lines.routes[id.index()];
        context.finding("V0102", context.scenario.operator, line, message)
    };
    context.unreachable.iter().map(finding).collect()
}

/// V0103: two rules hold for one caller at one time, send the call to different places, and neither is an exception.
pub(super) fn disagreeing(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let Disagreements {
        found,
        compared_until,
    } = scenario.routes.disagreements();
    let finding = |route: RouteId, message| {
        let line = scenario.lines.routes[route.index()];
        context.finding("V0103", scenario.operator, line, message)
    };
    let pairs = found
        .into_iter()
        // A rule that is never reached has been told already.
        .filter(|found| !context.unreachable.contains(&found.later))
        .map(|found| finding(found.later, disagreement(context, &found)));
    let rest = compared_until.map(|route| {
        let message = format!(
            "`{}` and the rules after it weren't compared with all rules before them: too many disagree, or hold by the hour; \
             mend those that are told, and check again",
            scenario.route_name(route)
        );
        finding(route, message)
    });
    pairs.chain(rest).collect()
}

fn disagreement(context: &Context<'_>, found: &Disagreement) -> String {
    let scenario = context.scenario;
    let when = if found.at == Time::from_micros(i64::MIN) {
        String::new()
    } else {
        format!(
            ", the first time on {}",
            found.at.in_sweden().strftime("%Y-%m-%d %H:%M")
        )
    };
    format!(
        "`{}` and `{}` (line {}) hold for the same callers at the same time and send them to different places{when}",
        scenario.route_name(found.later),
        scenario.route_name(found.earlier),
        scenario.lines.routes[found.earlier.index()],
    )
}
