//! What callers are offered while they wait, and how providers are watched.

use std::ops::RangeInclusive;

use toml::Spanned;

use super::{Reader, names::Names};
use crate::{
    digit::Digit,
    scenario::{
        Callback, Ping,
        raw::{RawCallback, RawPing},
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

    pub(super) fn digit(&mut self, raw: Option<&Spanned<String>>) -> Option<Digit> {
        self.value(
            raw?,
            "this is no key of a telephone",
            "write one of \"0\" to \"9\", \"*\" or \"#\"",
            |text| Digit::parse(text),
        )
    }

    /// A number within limits; the lowest in its place when it isn't.
    fn within<T: Copy + PartialOrd + std::fmt::Display>(
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
