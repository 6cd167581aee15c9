//! A queue: callers in order of arrival, agents longest idle first.

use std::collections::{BTreeMap, VecDeque};

use crate::{scenario::AgentId, switch::CallId, time::Span};

/// A place in the order of arrival. Kept while an agent is rung, so that a call that comes back
/// stands again before everyone who came after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

/// Those who wait, and those who are free to answer.
///
/// Callers stand in order of place. One who gives up leaves an empty place behind: most leave from the middle, and
/// moving everyone behind them up each time would cost more than passing over the empty places in the end.
#[derive(Debug)]
pub struct Line {
    /// Never empty at the front, and never more empty places than callers elsewhere but for [`EMPTY_MAX`].
    callers: VecDeque<(Place, Option<CallId>)>,
    waiting: usize,
    /// Those who are idle, and places of those who have signed out: never more than idle ones but for [`EMPTY_MAX`].
    idle: VecDeque<AgentId>,
    /// How many places agents have who signed out: the first of theirs.
    left: BTreeMap<AgentId, u32>,
    left_len: usize,
    places: u64,
    /// Agents who have not signed out, whatever they do.
    staffed: usize,
    /// How long a call keeps an agent, talk and wrap-up: a mean in which the latest calls weigh most.
    handling: Span,
}

/// How many empty places a line may hold beside as many as there are callers.
const EMPTY_MAX: usize = 32;

/// How much of the mean is the latest call: a sixteenth, so that one odd call doesn't change what callers are told.
const LATEST_SHARE: i64 = 16;

impl Line {
    /// An empty line, in which a call is taken to keep an agent that long until calls have shown better.
    pub const fn new(handling: Span) -> Self {
        Self {
            callers: VecDeque::new(),
            waiting: 0,
            idle: VecDeque::new(),
            left: BTreeMap::new(),
            left_len: 0,
            places: 0,
            staffed: 0,
            handling,
        }
    }

    /// A new place, behind everyone who has one.
    #[inline]
    pub const fn take_place(&mut self) -> Place {
        self.places += 1;
        Place(self.places)
    }

    /// Lets a call wait at its place.
    #[inline]
    pub fn wait(&mut self, place: Place, call: CallId) {
        let behind = |last: &(Place, _)| last.0 < place;
        if self.callers.back().is_none_or(behind) {
            self.callers.push_back((place, Some(call)));
        } else {
            match self.find(place) {
                Ok(at) if self.callers[at].1.is_some() => return,
                Ok(at) => self.callers[at].1 = Some(call),
                Err(at) => self.callers.insert(at, (place, Some(call))),
            }
        }
        self.waiting += 1;
    }

    /// Takes a caller who gave up out of the line.
    pub fn leave(&mut self, place: Place) {
        let Ok(at) = self.find(place) else { return };
        if self.callers[at].1.take().is_some() {
            self.waiting -= 1;
        }
        self.tidy();
    }

    /// How many wait.
    #[inline]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Those who wait, in order.
    pub fn callers(&self) -> impl Iterator<Item = CallId> + '_ {
        self.callers.iter().filter_map(|(_, call)| *call)
    }

    /// Who has waited longest.
    #[inline]
    pub fn first(&self) -> Option<CallId> {
        self.callers.front()?.1
    }

    /// How many wait before this place; a search through the line.
    pub fn ahead(&self, place: Place) -> usize {
        let before = self.callers.iter().take_while(|caller| caller.0 < place);
        before.filter(|caller| caller.1.is_some()).count()
    }

    /// How long a caller will probably wait who has so many before. `None` while nobody is there to answer.
    ///
    /// Agents become free one after another, each after a mean call: with `n` of them, somebody leaves the line every
    /// `n`th part of that.
    pub fn expected_wait(&self, ahead: usize) -> Option<Span> {
        let places = i64::try_from(ahead).ok()?.saturating_add(1);
        let agents = i64::try_from(self.staffed)
            .ok()
            .filter(|&agents| agents > 0)?;
        let all = self.handling.as_micros().saturating_mul(places);
        Some(Span::from_micros(all / agents))
    }

    /// A call kept an agent that long.
    #[inline]
    pub fn handled(&mut self, took: Span) {
        let mean = self.handling.as_micros();
        let step = (took.as_micros() - mean) / LATEST_SHARE;
        self.handling = Span::from_micros(mean + step);
    }

    /// An agent signed in.
    pub const fn staff_came(&mut self) {
        self.staffed += 1;
    }

    /// An agent signed out.
    pub const fn staff_left(&mut self) {
        self.staffed = self.staffed.saturating_sub(1);
    }

    fn find(&self, place: Place) -> Result<usize, usize> {
        self.callers.binary_search_by_key(&place, |caller| caller.0)
    }

    fn tidy(&mut self) {
        if self.callers.len() > 2 * self.waiting + EMPTY_MAX {
            self.callers.retain(|caller| caller.1.is_some());
        }
        while let Some((_, None)) = self.callers.front() {
            self.callers.pop_front();
        }
    }

    /// Adds an agent as the one idle for the shortest time.
    #[inline]
    pub fn agent_idle(&mut self, agent: AgentId) {
        self.idle.push_back(agent);
    }

    /// Takes an agent who is idle, and signs out, from among the idle. The place is left behind, as a caller's is: of tens of thousands
    /// of agents many sign out at once.
    pub fn agent_leaves(&mut self, agent: AgentId) {
        *self.left.entry(agent).or_default() += 1;
        self.left_len += 1;
        if self.left_len > self.idle() + EMPTY_MAX {
            let mut left = std::mem::take(&mut self.left);
            self.left_len = 0;
            self.idle.retain(|agent| !takes_one(&mut left, *agent));
        }
    }

    /// How many agents are idle.
    #[inline]
    pub fn idle(&self) -> usize {
        self.idle.len().saturating_sub(self.left_len)
    }

    /// Takes the agent who has been idle longest.
    #[inline]
    pub fn take_agent(&mut self) -> Option<AgentId> {
        loop {
            let agent = self.idle.pop_front()?;
            if self.left_len == 0 || !takes_one(&mut self.left, agent) {
                return Some(agent);
            }
            self.left_len -= 1;
        }
    }

    /// Takes the longest waiting caller and the longest idle agent, when there is one of each.
    #[inline]
    pub fn take_pair(&mut self) -> Option<(CallId, AgentId)> {
        let call = self.first()?;
        let agent = self.take_agent()?;
        self.callers.pop_front();
        self.waiting -= 1;
        self.tidy();
        Some((call, agent))
    }
}

/// Whether a place of this agent's is one that was left; each time it is asked one place less.
fn takes_one(left: &mut BTreeMap<AgentId, u32>, agent: AgentId) -> bool {
    let Some(places) = left.get_mut(&agent) else {
        return false;
    };
    *places -= 1;
    if *places == 0 {
        left.remove(&agent);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Agents sign out and in by the tens of thousands where a shift ends: what each costs must not grow with how many they are.
    #[test]
    fn as_many_agents_as_there_can_be_sign_out_and_in() {
        let all = || (0..crate::scenario::AGENTS_MAX as u32).map(AgentId);
        let mut line = Line::new(Span::from_secs(60));
        all().for_each(|agent| line.agent_idle(agent));
        for _ in 0..3 {
            all().rev().for_each(|agent| {
                line.agent_leaves(agent);
                line.agent_idle(agent);
            });
        }
        assert_eq!(line.idle(), crate::scenario::AGENTS_MAX);
        assert!(line.idle.len() <= 2 * line.idle() + EMPTY_MAX);
        assert!(all().rev().all(|agent| line.take_agent() == Some(agent)));
        assert_eq!(
            (line.take_agent(), line.idle(), line.left.len()),
            (None, 0, 0)
        );
    }

    proptest::proptest! {
        /// The same as a list from which who signs out is taken at once.
        #[test]
        fn who_signs_out_is_idle_no_more(steps in proptest::collection::vec((0..12_u32, 0..3_u8), 0..400)) {
            let mut line = Line::new(Span::from_secs(60));
            let mut model: VecDeque<AgentId> = VecDeque::new();
            for (agent, step) in steps {
                let agent = AgentId(agent);
                match (step, model.contains(&agent)) {
                    (0, false) => {
                        line.agent_idle(agent);
                        model.push_back(agent);
                    }
                    (1, true) => {
                        line.agent_leaves(agent);
                        model.retain(|idle| *idle != agent);
                    }
                    (2, _) => proptest::prop_assert_eq!(line.take_agent(), model.pop_front()),
                    _ => {}
                }
                proptest::prop_assert_eq!(line.idle(), model.len());
            }
        }
    }

    #[test]
    fn a_caller_who_comes_back_stands_before_those_who_came_later() {
        let mut line = Line::new(Span::from_secs(60));
        let places: Vec<Place> = (0..3).map(|_| line.take_place()).collect();
        for (place, call) in places.iter().zip(1..) {
            line.wait(*place, CallId(call));
        }
        line.agent_idle(AgentId(0));
        assert_eq!(line.take_pair(), Some((CallId(1), AgentId(0))));
        line.wait(places[0], CallId(1));
        assert_eq!(line.first(), Some(CallId(1)));
        line.leave(places[0]);
        assert_eq!((line.first(), line.waiting()), (Some(CallId(2)), 2));
    }

    #[test]
    fn the_agent_idle_longest_is_first_and_none_is_taken_without_a_caller() {
        let mut line = Line::new(Span::from_secs(60));
        for agent in [2, 0, 1] {
            line.agent_idle(AgentId(agent));
        }
        assert_eq!(line.take_pair(), None);
        assert_eq!(line.idle(), 3);
        line.agent_leaves(AgentId(0));
        assert_eq!(line.take_agent(), Some(AgentId(2)));
        assert_eq!(line.take_agent(), Some(AgentId(1)));
        assert_eq!(line.take_agent(), None);
    }

    #[test]
    fn the_expected_wait_follows_the_place_the_agents_and_how_long_calls_take() {
        let mut line = Line::new(Span::from_secs(600));
        assert_eq!(line.expected_wait(0), None, "nobody is there");
        (0..4).for_each(|_| line.staff_came());
        assert_eq!(line.expected_wait(0), Some(Span::from_secs(150)));
        assert_eq!(line.expected_wait(3), Some(Span::from_secs(600)));
        line.staff_left();
        line.handled(Span::from_secs(120));
        assert_eq!(
            line.expected_wait(0),
            Some(Span::from_secs(190)),
            "(600 - 480/16) / 3"
        );
    }

    #[test]
    fn who_left_the_line_is_not_before_anybody() {
        let mut line = Line::new(Span::from_secs(60));
        let places: Vec<Place> = (0..4).map(|_| line.take_place()).collect();
        for (place, call) in places.iter().zip(1..) {
            line.wait(*place, CallId(call));
        }
        line.leave(places[1]);
        assert_eq!(line.ahead(places[3]), 2);
        assert_eq!(line.ahead(places[0]), 0);
    }

    proptest::proptest! {
        /// Against a map of places: who stands where, however many leave from the middle and come back.
        #[test]
        fn a_line_is_the_order_of_its_places(
            rushes in proptest::collection::vec((0_u8..4, 0_usize..10_000, 1_usize..100), 0..20)
        ) {
            let mut line = Line::new(Span::from_secs(60));
            let mut places: Vec<Place> = Vec::new();
            let mut stands: BTreeMap<Place, CallId> = BTreeMap::new();
            let steps = rushes.iter().flat_map(|&(step, from, many)| {
                (0..many).map(move |nth| (step, from + nth * 7))
            });
            for (step, pick) in steps {
                match step {
                    0 => {
                        places.push(line.take_place());
                        let (place, call) = (places[places.len() - 1], CallId(places.len() as u64));
                        line.wait(place, call);
                        stands.insert(place, call);
                    }
                    1 | 2 if !places.is_empty() => {
                        let place = places[pick % places.len()];
                        line.leave(place);
                        stands.remove(&place);
                    }
                    3 if !places.is_empty() => {
                        let at = pick % places.len();
                        line.wait(places[at], CallId(at as u64 + 1));
                        stands.insert(places[at], CallId(at as u64 + 1));
                    }
                    _ => {}
                }
                assert!(line.callers().eq(stands.values().copied()), "{line:?}");
                assert_eq!(line.waiting(), stands.len());
                assert_eq!(line.first(), stands.values().next().copied());
                assert!(line.callers.len() <= 2 * line.waiting + EMPTY_MAX + 1);
                if let Some(place) = places.get(pick % places.len().max(1)) {
                    assert_eq!(line.ahead(*place), stands.range(..*place).count());
                }
            }
        }
    }
}
