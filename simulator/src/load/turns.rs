//! When each caller speaks. Telephones have clocks of their own: their packets come spread over a packet's length, and a switch
//! that gets all of them in one moment carries another load than a real one.

use std::time::Duration;

use wire::sip::endpoint::SessionId;

/// How often [`Turns::take`] wants to be called.
pub(super) const TURN: Duration = Duration::from_millis(1);
/// The length of a packet, in turns.
const TURNS: usize = 20;

/// Callers by the millisecond in which they speak.
#[derive(Debug, Default)]
pub(super) struct Turns {
    next: usize,
    speakers: [Vec<SessionId>; TURNS],
}

impl Turns {
    /// From now on this caller speaks every 20 ms; `phase`, any number, says when.
    pub(super) fn join(&mut self, speaker: SessionId, phase: u32) {
        self.speakers[phase as usize % TURNS].push(speaker);
    }

    /// The next millisecond: those speak whose turn it is. Who says `false` has gone.
    pub(super) fn take(&mut self, speak: impl FnMut(&SessionId) -> bool) {
        self.speakers[self.next].retain(speak);
        self.next = (self.next + 1) % TURNS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_speaks_once_in_twenty_turns_at_a_time_of_its_own_until_it_has_gone() {
        let mut turns = Turns::default();
        let ids: Vec<SessionId> = (0..3).map(SessionId).collect();
        for (id, phase) in ids.iter().zip([0, 7, 27]) {
            turns.join(*id, phase);
        }
        let mut spoke = Vec::new();
        for turn in 0..40 {
            turns.take(|id| {
                spoke.push((turn, *id));
                *id != ids[1]
            });
        }
        let expected = [(0, 0), (7, 1), (7, 2), (20, 0), (27, 2)];
        assert_eq!(spoke, expected.map(|(turn, id)| (turn, ids[id])));
    }
}
