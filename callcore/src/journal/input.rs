//! Inputs as words, and back.

use crate::{
    digit::Digit,
    kommun::KommunId,
    origin::{InvalidReason, Origin, UnknownReason},
    scenario::{AgentId, ProviderId, QueueId},
    switch::{CallId, Input, Kept, LegFailure},
    time::Span,
};

const FAILURES: [(LegFailure, &str); 5] = [
    (LegFailure::Busy, "busy"),
    (LegFailure::NoAnswer, "no-answer"),
    (LegFailure::Refused, "refused"),
    (LegFailure::Unavailable, "unavailable"),
    (LegFailure::OurFault, "our-fault"),
];

const ORIGINS: [(Origin, &str); 5] = [
    (Origin::Unknown(UnknownReason::Missing), "missing"),
    (Origin::Unknown(UnknownReason::Untrusted), "untrusted"),
    (
        Origin::Unknown(UnknownReason::NoSuchKommun),
        "no-such-kommun",
    ),
    (Origin::Invalid(InvalidReason::Length), "length"),
    (Origin::Invalid(InvalidReason::NotDigits), "not-digits"),
];

/// A kept promise whose call may be recorded.
const RECORDABLE: &str = "recordable";

/// An input about a call, with nothing else in it.
type OfCall = (&'static str, fn(CallId) -> Input);

const OF_CALL: [OfCall; 18] = [
    ("announced", Input::AnnouncementDone),
    ("agent-ringing", Input::AgentRinging),
    ("agent-answered", Input::AgentAnswered),
    ("provider-ringing", Input::ProviderRinging),
    ("provider-answered", Input::ProviderAnswered),
    ("caller-answered", Input::CallerAnswered),
    ("caller-gone", Input::CallerGone),
    ("callback-withdrawn", Input::CallbackWithdrawn),
    ("far-end-gone", Input::FarEndGone),
    ("agent-lost", Input::AgentLost),
    ("held", Input::Held),
    ("resumed", Input::Resumed),
    ("transferred", Input::Transferred),
    ("call-lost", Input::CallLost),
    ("incompatible", Input::CallerIncompatible),
    ("vanished", Input::Vanished),
    ("recording-started", Input::RecordingStarted),
    ("recording-lost", Input::RecordingLost),
];

/// The words of an input. [`Input::TableReplaced`] has a line of its own form.
pub(super) fn text(input: &Input) -> String {
    match input {
        Input::Offered {
            call,
            origin,
            reachable,
        } => {
            let reachable = if *reachable {
                "reachable"
            } else {
                "unreachable"
            };
            format!("offered {} {} {reachable}", call.0, origin_text(*origin))
        }
        Input::AnnouncementDone(call) => format!("announced {}", call.0),
        Input::AgentRinging(call) => format!("agent-ringing {}", call.0),
        Input::AgentAnswered(call) => format!("agent-answered {}", call.0),
        Input::AgentFailed(call, why) => format!("agent-failed {} {}", call.0, failure_text(*why)),
        Input::ProviderRinging(call) => format!("provider-ringing {}", call.0),
        Input::ProviderAnswered(call) => format!("provider-answered {}", call.0),
        Input::ProviderFailed(call, why) => {
            format!("provider-failed {} {}", call.0, failure_text(*why))
        }
        Input::Digit(call, digit) => format!("digit {} {}", call.0, digit.as_char()),
        Input::CallerAnswered(call) => format!("caller-answered {}", call.0),
        Input::CallerFailed(call, why) => {
            format!("caller-failed {} {}", call.0, failure_text(*why))
        }
        Input::CallbacksWait => "callbacks-wait".to_owned(),
        Input::CallbacksGoOn => "callbacks-go-on".to_owned(),
        Input::CallbackWithdrawn(call) => format!("callback-withdrawn {}", call.0),
        Input::CallbackKept(call, kept) => format!("callback-kept {} {}", call.0, kept_text(kept)),
        Input::AgentWrites(agent, left) => format!("agent-writes {} {}", agent.0, left.as_micros()),
        Input::TargetDown(provider, target) => format!("target-down {} {target}", provider.0),
        Input::TargetUp(provider, target) => format!("target-up {} {target}", provider.0),
        Input::CallerGone(call) => format!("caller-gone {}", call.0),
        Input::FarEndGone(call) => format!("far-end-gone {}", call.0),
        Input::AgentLost(call) => format!("agent-lost {}", call.0),
        Input::Held(call) => format!("held {}", call.0),
        Input::Resumed(call) => format!("resumed {}", call.0),
        Input::Transferred(call) => format!("transferred {}", call.0),
        Input::TakenBy(call, agent) => format!("taken-by {} {}", call.0, agent.0),
        Input::CallLost(call) => format!("call-lost {}", call.0),
        Input::CallerIncompatible(call) => format!("incompatible {}", call.0),
        Input::Vanished(call) => format!("vanished {}", call.0),
        Input::RecordingStarted(call) => format!("recording-started {}", call.0),
        Input::RecordingLost(call) => format!("recording-lost {}", call.0),
        Input::RecorderBack => "recorder-back".to_owned(),
        Input::AgentReady(agent) => format!("agent-ready {}", agent.0),
        Input::AgentAway(agent) => format!("agent-away {}", agent.0),
        Input::TableReplaced(_) => "table-replaced".to_owned(),
        Input::TimePassed => "time-passed".to_owned(),
    }
}

/// The input that words stand for; words after it are passed over.
pub(super) fn parse(text: &str) -> Option<Input> {
    let mut words = text.split_ascii_whitespace();
    let (verb, subject) = (words.next()?, words.next());
    match verb {
        "recorder-back" => return Some(Input::RecorderBack),
        "time-passed" => return Some(Input::TimePassed),
        "callbacks-wait" => return Some(Input::CallbacksWait),
        "callbacks-go-on" => return Some(Input::CallbacksGoOn),
        _ => {}
    }
    let number: u64 = subject?.parse().ok()?;
    let call = CallId(number);
    if let Some((_, input)) = OF_CALL.iter().find(|(known, _)| *known == verb) {
        return Some(input(call));
    }
    let provider = || u16::try_from(number).ok().map(ProviderId);
    let agent = || u32::try_from(number).ok().map(AgentId);
    Some(match verb {
        "agent-ready" => Input::AgentReady(agent()?),
        "target-down" => Input::TargetDown(provider()?, words.next()?.parse().ok()?),
        "target-up" => Input::TargetUp(provider()?, words.next()?.parse().ok()?),
        "agent-away" => Input::AgentAway(agent()?),
        "offered" => Input::Offered {
            call,
            origin: origin(words.next()?)?,
            reachable: words.next()? == "reachable",
        },
        "agent-writes" => Input::AgentWrites(agent()?, span(words.next())?),
        "callback-kept" => Input::CallbackKept(call, Box::new(kept(&mut words)?)),
        "taken-by" => Input::TakenBy(call, AgentId(words.next()?.parse().ok()?)),
        "digit" => Input::Digit(call, Digit::parse(words.next()?)?),
        "agent-failed" => Input::AgentFailed(call, failure(words.next()?)?),
        "provider-failed" => Input::ProviderFailed(call, failure(words.next()?)?),
        "caller-failed" => Input::CallerFailed(call, failure(words.next()?)?),
        _ => return None,
    })
}

fn kept_text(kept: &Kept) -> String {
    let Kept {
        origin,
        queue,
        waited,
        tried,
        rests,
        recordable,
    } = *kept;
    let queue = queue.map_or_else(|| "none".to_owned(), |queue| queue.0.to_string());
    let recordable = if recordable {
        RECORDABLE
    } else {
        "unrecordable"
    };
    let (waited, rests) = (waited.as_micros(), rests.as_micros());
    format!(
        "{} {queue} {waited} {tried} {rests} {recordable}",
        origin_text(origin)
    )
}

fn kept<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Kept> {
    Some(Kept {
        origin: origin(words.next()?)?,
        queue: match words.next()? {
            "none" => None,
            number => Some(QueueId(number.parse().ok()?)),
        },
        waited: span(words.next())?,
        tried: words.next()?.parse().ok()?,
        rests: span(words.next())?,
        recordable: words.next()? == RECORDABLE,
    })
}

fn span(micros: Option<&str>) -> Option<Span> {
    micros?.parse().ok().map(Span::from_micros)
}

/// An origin as a word.
pub fn origin_text(origin: Origin) -> String {
    match origin {
        Origin::Known(kommun) => kommun.to_string(),
        Origin::Conflict(one, other) => format!("{one}/{other}"),
        other => {
            let known = ORIGINS.iter().find(|(known, _)| *known == other);
            known.map_or("missing", |(_, word)| *word).to_owned()
        }
    }
}

/// The origin that a word stands for.
pub fn origin(text: &str) -> Option<Origin> {
    if let Some((origin, _)) = ORIGINS.iter().find(|(_, word)| *word == text) {
        return Some(*origin);
    }
    match text.split_once('/') {
        Some((one, other)) => Some(Origin::Conflict(
            KommunId::parse(one)?,
            KommunId::parse(other)?,
        )),
        None => KommunId::parse(text).map(Origin::Known),
    }
}

fn failure_text(failure: LegFailure) -> &'static str {
    let known = FAILURES.iter().find(|(known, _)| *known == failure);
    known.map_or("unavailable", |(_, word)| *word)
}

fn failure(text: &str) -> Option<LegFailure> {
    let known = FAILURES.iter().find(|(_, word)| *word == text);
    known.map(|(failure, _)| *failure)
}
