//! What callers are offered while they wait, and how providers are watched.

use std::ops::RangeInclusive;

use toml::Spanned;

use super::{Reader, names::Names};
use crate::{
    digit::Digit,
    scenario::{
        Callback, Choice, Menu, Ping, Speak,
        raw::{RawCallback, RawChoice, RawMenu, RawPing, RawSpeak},
    },
    time::Span,
};

/// How often a caller is tried unless the scenario says otherwise: once, and twice more. An assumption.
const ATTEMPTS_DEFAULT: u8 = 3;
/// Somebody called back more often than this is being pestered.
const ATTEMPTS_MAX: u8 = 10;
/// From an attempt in vain to the next: long enough to have found the phone. An assumption.
const AGAIN_AFTER_DEFAULT_S: u32 = 300;
/// How long a phone at home or in a pocket rings: about six signals.
const CALLBACK_RING_DEFAULT_S: u32 = 30;
/// Nobody's phone rings longer than networks let it.
const CALLBACK_RING_S: RangeInclusive<u32> = 5..=180;
/// Promises at once: each is a state in memory and a telephone number that is kept.
const AT_MOST: RangeInclusive<u32> = 1..=10_000;

/// How often place and wait are said: often enough to be believed, seldom enough to bear. An assumption.
const SPEAK_EVERY_DEFAULT_S: u32 = 60;
/// More often than this there would be no music between.
const SPEAK_EVERY_S: RangeInclusive<u32> = 15..=3600;
/// The keys of a telephone.
const KEYS_MAX: usize = 12;
/// How long a caller has to press a key once all have been named. An assumption.
const MENU_TIMEOUT_DEFAULT_S: u32 = 6;
const MENU_TIMEOUT_S: RangeInclusive<u32> = 1..=60;
/// Once more, for those who weren't listening.
const MENU_REPEATS_DEFAULT: u8 = 1;
const MENU_REPEATS_MAX: u8 = 5;

/// How often a provider is asked: a caller who rings in between is helped by the failover list. An assumption.
const PING_EVERY_DEFAULT_S: u32 = 10;
/// Asked less often than once an hour, it would tell nothing.
const PING_EVERY_MAX_S: u32 = 3600;
/// One answer may be lost, and two; the third is no chance.
const DOWN_AFTER_DEFAULT: u8 = 3;
/// A provider that comes and goes isn't back at its first answer.
const UP_AFTER_DEFAULT: u8 = 2;
/// More in a row would take longer than the trouble.
const PING_TIMES_MAX: u8 = 100;

impl Reader<'_> {
    pub(super) fn callback(&mut self, raw: RawCallback, names: &Names) -> Callback {
        if let Some(via) = &raw.via {
            self.sip_uri(via.get_ref(), via.span());
        }
        Callback {
            after_expected_wait: Span::from_secs(*raw.after_expected_wait_s.get_ref()),
            at_most: self.within(&raw.at_most, AT_MOST, "how many promises may stand at once")
                as usize,
            offer: names.announcement(self, &raw.offer),
            accepted: raw.accepted.map(|name| names.announcement(self, &name)),
            digit: self.digit(raw.digit.as_ref()).unwrap_or(Digit::ONE),
            attempts_max: raw.attempts_max.map_or(ATTEMPTS_DEFAULT, |attempts| {
                self.within(&attempts, 1..=ATTEMPTS_MAX, "how often a caller is tried")
            }),
            again_after: Span::from_secs(raw.again_after_s.unwrap_or(AGAIN_AFTER_DEFAULT_S)),
            ring_max: Span::from_secs(raw.ring_s.map_or(CALLBACK_RING_DEFAULT_S, |ring| {
                self.within(
                    &ring,
                    CALLBACK_RING_S,
                    "how long a caller's phone rings, in seconds",
                )
            })),
            via: raw.via.map(|via| via.into_inner().into()),
        }
    }

    pub(super) fn ping(&mut self, raw: Option<RawPing>) -> Option<Ping> {
        let raw = raw.unwrap_or(RawPing {
            every_s: None,
            down_after: None,
            up_after: None,
        });
        let mut times = |raw: Option<Spanned<u8>>, default| {
            raw.map_or(default, |times| {
                self.within(&times, 1..=PING_TIMES_MAX, "how many answers in a row")
            })
        };
        let (down_after, up_after) = (
            times(raw.down_after, DOWN_AFTER_DEFAULT),
            times(raw.up_after, UP_AFTER_DEFAULT),
        );
        let every = raw.every_s.map_or(PING_EVERY_DEFAULT_S, |every| {
            self.within(
                &every,
                0..=PING_EVERY_MAX_S,
                "seconds between two questions",
            )
        });
        (every > 0).then_some(Ping {
            every: Span::from_secs(every),
            down_after,
            up_after,
        })
    }

    pub(super) fn speak(&mut self, raw: RawSpeak) -> Speak {
        let every = raw.every_s.map_or(SPEAK_EVERY_DEFAULT_S, |every| {
            self.within(&every, SPEAK_EVERY_S, "seconds until it is said again")
        });
        Speak {
            place: raw.place,
            wait: raw.wait,
            every: Span::from_secs(every),
        }
    }

    pub(super) fn menu(&mut self, raw: RawMenu, names: &Names) -> Menu {
        let span = raw.choices.span();
        let choices = raw.choices.into_inner();
        let mut read: Vec<(Digit, Choice)> = Vec::new();
        for choice in choices.iter().take(KEYS_MAX) {
            let Some(digit) = self.digit(Some(&choice.digit)) else {
                continue;
            };
            if read.iter().any(|(known, _)| *known == digit) {
                self.fault(
                    choice.digit.span(),
                    "this key is named twice",
                    "give each choice a key of its own",
                );
            }
            read.push((digit, self.choice(choice, names)));
        }
        if choices.is_empty() || choices.len() > KEYS_MAX {
            let remedy = format!(
                "name from 1 to {KEYS_MAX} keys: `choices = [{{ digit = \"1\", continue = true }}]`"
            );
            self.fault(
                span,
                "a menu of no keys, or more than a telephone has",
                &remedy,
            );
        }
        Menu {
            announcement: names.announcement(self, &raw.announcement),
            timeout: Span::from_secs(raw.timeout_s.map_or(MENU_TIMEOUT_DEFAULT_S, |timeout| {
                self.within(&timeout, MENU_TIMEOUT_S, "seconds to press a key")
            })),
            repeats: raw.repeats.map_or(MENU_REPEATS_DEFAULT, |repeats| {
                self.within(
                    &repeats,
                    0..=MENU_REPEATS_MAX,
                    "how often a menu is said again",
                )
            }),
            choices: read,
        }
    }

    fn choice(&mut self, raw: &RawChoice, names: &Names) -> Choice {
        match (&raw.queue, raw.callback, raw.goes_on) {
            (Some(queue), false, false) => Choice::Queue(names.queue(self, queue)),
            (None, true, false) => Choice::Callback,
            (None, false, true) => Choice::Continue,
            _ => {
                self.fault(
                    raw.digit.span(),
                    "a key is for one thing",
                    "write one of `queue = \"...\"`, `callback = true` and `continue = true`",
                );
                Choice::Continue
            }
        }
    }

    pub(super) fn digit(&mut self, raw: Option<&Spanned<String>>) -> Option<Digit> {
        self.value(
            raw?,
            "this is no key of a telephone",
            "write one of \"0\" to \"9\", \"*\" or \"#\"",
            |text| Digit::parse(text),
        )
    }

    /// A number within limits; the lowest in its place when it isn't.
    pub(super) fn within<T: Copy + PartialOrd + std::fmt::Display>(
        &mut self,
        raw: &Spanned<T>,
        limits: RangeInclusive<T>,
        what: &str,
    ) -> T {
        let value = *raw.get_ref();
        if limits.contains(&value) {
            return value;
        }
        self.fault(
            raw.span(),
            &format!("{value} is out of range: {what}"),
            &format!("write a number from {} to {}", limits.start(), limits.end()),
        );
        *limits.start()
    }
}
