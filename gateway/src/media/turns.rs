//! Whose turn it is to play the next 20 ms: players are spread over the milliseconds of a packet's length, so that a thousand
//! waiting callers don't all get their packet in the same moment.

use std::time::{Duration, Instant};

/// The length of a packet that we make, in turns of a millisecond.
const TURNS: usize = 20;
/// A turn.
const TURN: Duration = Duration::from_millis(1);
/// Turns made up for after a stall, five packets: what is later than that, nobody's jitter buffer waits for.
const CATCH_UP_MAX: u64 = 100;

/// Players by the millisecond in which they play.
#[derive(Debug)]
pub(super) struct Turns {
    begun: Instant,
    /// The first turn that hasn't been taken.
    next: u64,
    players: [Vec<usize>; TURNS],
}

impl Turns {
    pub(super) const fn new(begun: Instant) -> Self {
        Self {
            begun,
            next: 0,
            players: [const { Vec::new() }; TURNS],
        }
    }

    /// From now on this one plays, every 20 ms.
    pub(super) fn join(&mut self, player: usize) {
        if self.players.iter().any(|turn| turn.contains(&player)) {
            return;
        }
        if let Some(emptiest) = self.players.iter_mut().min_by_key(|turn| turn.len()) {
            emptiest.push(player);
        }
    }

    /// This one plays no more.
    pub(super) fn leave(&mut self, player: usize) {
        for turn in &mut self.players {
            turn.retain(|&one| one != player);
        }
    }

    /// Until somebody plays; `None` when nobody does.
    pub(super) fn until_next(&self, now: Instant) -> Option<Duration> {
        let ahead = (0..TURNS as u64).find(|ahead| !self.at(self.next + ahead).is_empty())?;
        // 32 bits of turns are over after seven weeks.
        let due = TURN.as_millis() as u64 * (self.next + ahead);
        let due = self.begun + Duration::from_millis(due);
        Some(due.saturating_duration_since(now))
    }

    /// Lets everybody play whose turn has come; who says `false` has played to the end.
    pub(super) fn take(&mut self, now: Instant, mut play: impl FnMut(usize) -> bool) {
        let elapsed = now.saturating_duration_since(self.begun).as_millis();
        let present = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.next = self.next.max(present.saturating_sub(CATCH_UP_MAX));
        while self.next <= present {
            let turn = (self.next % TURNS as u64) as usize;
            self.players[turn].retain(|&player| play(player));
            self.next += 1;
        }
    }

    fn at(&self, turn: u64) -> &[usize] {
        &self.players[(turn % TURNS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_spread_and_play_every_twenty_milliseconds() {
        let begun = Instant::now();
        let mut turns = Turns::new(begun);
        assert_eq!(turns.until_next(begun), None);
        for player in 0..40 {
            turns.join(player);
        }
        turns.join(7);
        let mut played = [0; 40];
        let mut most_at_once = 0;
        for millisecond in 0..100 {
            let mut at_once = 0;
            turns.take(begun + TURN * millisecond, |player| {
                played[player] += 1;
                at_once += 1;
                true
            });
            most_at_once = most_at_once.max(at_once);
        }
        assert_eq!((played, most_at_once), ([5; 40], 2));
    }

    #[test]
    fn a_thread_that_has_played_for_months_still_waits_for_the_next_turn() {
        let begun = Instant::now();
        let mut turns = Turns::new(begun);
        turns.join(1);
        let now = begun + Duration::from_secs(100 * 24 * 3600);
        turns.take(now, |_| true);
        let wait = turns.until_next(now);
        assert!(wait.is_some_and(|wait| wait > Duration::ZERO), "{wait:?}");
    }

    #[test]
    fn who_is_done_plays_no_more_and_a_stall_is_made_up_for_within_bounds() {
        let begun = Instant::now();
        let mut turns = Turns::new(begun);
        turns.join(1);
        turns.take(begun, |_| false);
        assert_eq!(turns.until_next(begun), None);
        turns.join(2);
        let mut played = 0;
        turns.take(begun + Duration::from_secs(3600), |_| {
            played += 1;
            true
        });
        assert!((5..=6).contains(&played), "{played}");
        let wait = turns.until_next(begun + Duration::from_secs(3600));
        assert!(wait.is_some_and(|wait| wait <= TURN * 20), "{wait:?}");
    }
}
