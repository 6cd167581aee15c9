//! Who is there: nurses by queue and hour, less breaks and illness.

use callcore::{
    scenario::{AgentId, QueueId, Scenario, Simulation},
    switch::Input,
    time::{Span, Time},
};

use crate::random::fixed_chance;

/// How often it is looked at who is there: breaks are this long.
const QUARTER: Span = Span::from_secs(15 * 60);

/// The nurses of the queues that one part of a run has.
#[derive(Debug)]
pub(crate) struct Staff {
    queues: Vec<(QueueId, Vec<Nurse>)>,
    seed: u64,
    changed: Time,
}

#[derive(Debug)]
struct Nurse {
    id: AgentId,
    there: bool,
}

impl Staff {
    /// `None` when every nurse is always there.
    pub(crate) fn new(
        scenario: &Scenario,
        settings: &Simulation,
        queues: &[QueueId],
        seed: u64,
        begins: Time,
    ) -> Option<Self> {
        let changes = !settings.staffing.is_empty()
            || settings.sick_share > 0.0
            || settings.break_share > 0.0;
        let nurses = |queue| {
            scenario
                .agents_of(queue)
                .map(|id| Nurse { id, there: true })
                .collect()
        };
        changes.then(|| Self {
            queues: queues.iter().map(|&queue| (queue, nurses(queue))).collect(),
            seed,
            changed: begins,
        })
    }

    pub(crate) const fn next_change(now: Time) -> Time {
        let quarter = QUARTER.as_micros();
        Time::from_micros((now.as_micros().div_euclid(quarter) + 1) * quarter)
    }

    /// When it was last looked at.
    pub(crate) const fn since(&self) -> Time {
        self.changed
    }

    /// The time that nurses were there since the last change, by queue.
    pub(crate) fn staffed(&self, now: Time) -> impl Iterator<Item = (QueueId, f64)> {
        let span_s = now.since(self.changed).as_secs_f64();
        self.queues.iter().map(move |(queue, nurses)| {
            let there = nurses.iter().filter(|nurse| nurse.there).count();
            (*queue, there as f64 * span_s)
        })
    }

    /// Who comes and who goes.
    pub(crate) fn change(&mut self, settings: &Simulation, now: Time) -> Vec<Input> {
        self.changed = now;
        let local = now.in_sweden().datetime();
        let quarter = now.as_micros().div_euclid(QUARTER.as_micros());
        let day = u64::from(local.date().day_of_year().unsigned_abs())
            | u64::from(local.date().year().unsigned_abs()) << 16;
        let mut inputs = Vec::new();
        for (queue, nurses) in &mut self.queues {
            let share = settings
                .staffing
                .iter()
                .filter(|entry| entry.queues.is_empty() || entry.queues.contains(queue))
                .find(|entry| {
                    entry
                        .hours
                        .as_ref()
                        .is_none_or(|hours| hours.is_open(local))
                })
                .map_or(1.0, |entry| entry.share);
            let planned = (share * nurses.len() as f64 - 1e-9).ceil() as usize;
            for (place, nurse) in nurses.iter_mut().enumerate() {
                let ill = fixed_chance(self.seed, u64::from(nurse.id.0), day) < settings.sick_share;
                let rests = on_break(settings.break_share, quarter, place);
                let there = place < planned && !ill && !rests;
                if there != nurse.there {
                    nurse.there = there;
                    inputs.push(if there {
                        Input::AgentReady(nurse.id)
                    } else {
                        Input::AgentAway(nurse.id)
                    });
                }
            }
        }
        inputs
    }
}

/// Breaks go round: of each nurse's quarters of an hour so large a share, evenly spread, one nurse after the other.
fn on_break(share: f64, quarter: i64, place: usize) -> bool {
    const WHOLE: i64 = 1_000_000;
    let part = (share * WHOLE as f64).round() as i64;
    ((quarter + place as i64) * part).rem_euclid(WHOLE) < part
}

#[cfg(test)]
mod tests {
    use super::on_break;

    #[test]
    fn so_large_a_share_rests_at_any_time_and_of_every_nurses_time() {
        const NURSES: usize = 1000;
        for share in [0.0, 0.05, 0.1, 0.12, 0.15, 0.4, 0.7, 1.0] {
            let resting =
                |quarter| (0..NURSES).filter(move |&place| on_break(share, quarter, place));
            let now = resting(1_968_000).count() as f64 / NURSES as f64;
            assert!((now - share).abs() < 0.002, "{now} of {share}");
            let mine = (0..1000).filter(|&quarter| on_break(share, quarter, 7));
            let mine = mine.count() as f64 / 1000.0;
            assert!((mine - share).abs() < 0.002, "{mine} of {share}");
        }
    }
}
