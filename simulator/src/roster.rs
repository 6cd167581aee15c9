//! A roster out of what each hour needs, as a piece of a scenario: the same numbers that were worked out can be run.

use std::{collections::BTreeMap, fmt::Write};

use callcore::{calendar::DayKind, scenario::Simulation};

use crate::staffing::Need;

/// Hours of one day in which the same number is there: from and to, 0 to 24.
type Stretch = (u8, u8);

/// Who is to be there when: more than are needed, as many as breaks and illness take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    queue: String,
    /// Days with their stretches, by how many nurses.
    levels: BTreeMap<u32, Vec<(DayKind, Stretch)>>,
}

impl Roster {
    /// The roster of a queue. A kind of day that the needs don't have, such as a holiday, is staffed as a Sunday.
    pub fn new(queue: &str, needs: &[Need], settings: &Simulation) -> Self {
        let there = (1.0 - settings.sick_share) * (1.0 - settings.break_share);
        let rostered = |need: &Need| (f64::from(need.nurses) / there.max(0.1)).ceil() as u32;
        let mut levels: BTreeMap<u32, Vec<(DayKind, Stretch)>> = BTreeMap::new();
        for day in DayKind::ALL {
            let like = if needs.iter().any(|need| need.day == day) {
                day
            } else {
                DayKind::Sunday
            };
            for need in needs.iter().filter(|need| need.day == like) {
                let level = levels.entry(rostered(need)).or_default();
                match level.last_mut() {
                    Some((last, (_, to))) if *last == day && *to == need.hour => *to += 1,
                    _ => level.push((day, (need.hour, need.hour + 1))),
                }
            }
        }
        Self {
            queue: queue.to_owned(),
            levels,
        }
    }

    /// How many nurses the queue must have: those of the busiest hour.
    pub fn most(&self) -> u32 {
        self.levels.keys().next_back().copied().unwrap_or(0)
    }

    /// What to write into a scenario (TOML).
    pub fn to_toml(&self) -> String {
        let (queue, most) = (&self.queue, self.most());
        let mut calendars = String::new();
        let mut staffing = String::new();
        for (count, stretches) in &self.levels {
            let name = format!("{queue}-{count}");
            let open = openings(stretches).join(", ");
            let share = f64::from(*count) / f64::from(most.max(1));
            // Writing to a string can't fail.
            let _written = writeln!(calendars, "  {{ name = \"{name}\", open = [{open}] }},");
            let _written = writeln!(
                staffing,
                "  {{ queue = \"{queue}\", hours = \"{name}\", share = {share} }},"
            );
        }
        format!(
            "# The queue's own line: agents = [{{ simulated = {most} }}]\n\
             # With the other calendars:\n\
             calendar = [\n{calendars}]\n\n\
             # In the simulation's table, with its break_share and sick_share:\n\
             [simulation]\n\
             staffing = [\n{staffing}]\n"
        )
    }
}

/// Days that have the same stretch are written together.
fn openings(stretches: &[(DayKind, Stretch)]) -> Vec<String> {
    let mut by_stretch: BTreeMap<Stretch, Vec<&str>> = BTreeMap::new();
    for (day, stretch) in stretches {
        by_stretch.entry(*stretch).or_default().push(day.name());
    }
    by_stretch
        .iter()
        .map(|((from, to), days)| {
            let days = days.join("\", \"");
            format!("{{ days = [\"{days}\"], from = \"{from:02}:00\", to = \"{to:02}:00\" }}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use callcore::scenario::Scenario;
    use jiff::civil::date;

    use super::*;
    use crate::tests::today;

    fn need(day: DayKind, hour: u8, nurses: u32) -> Need {
        Need {
            day,
            hour,
            calls: 0.0,
            by_formula: nurses,
            nurses,
            reached: Some(1.0),
        }
    }

    /// Two nurses by night and four by day, five on Sundays at noon.
    fn needs() -> Vec<Need> {
        let nurses = |day, hour| match (day, hour) {
            (_, 0..7) => 2,
            (DayKind::Sunday, 12) => 5,
            _ => 4,
        };
        let days = DayKind::ALL[..7].iter();
        days.flat_map(|&day| (0..24).map(move |hour| need(day, hour, nurses(day, hour))))
            .collect()
    }

    #[test]
    fn days_alike_are_written_together_and_a_holiday_is_a_sunday() {
        let toml = Roster::new("region-21", &needs(), &today().simulation).to_toml();
        assert!(toml.contains("agents = [{ simulated = 5 }]"), "{toml}");
        let noon = r#"{ name = "region-21-5", open = [{ days = ["sun", "holiday"], from = "12:00", to = "13:00" }] }"#;
        assert!(toml.contains(noon), "{toml}");
        assert!(toml.contains("share = 0.4 }"), "{toml}");
    }

    #[test]
    fn who_rests_or_is_ill_is_made_up_for() {
        let mut settings = today().simulation;
        (settings.break_share, settings.sick_share) = (0.1, 0.1);
        // 5 / 0.81 is 6.2.
        assert_eq!(Roster::new("q", &needs(), &settings).most(), 7);
    }

    #[test]
    fn what_is_written_is_read_and_says_the_same_at_any_hour() {
        let toml = Roster::new("region-21", &needs(), &today().simulation).to_toml();
        let (calendar, staffing) = toml.split_once("[simulation]").expect("two pieces");
        let text = include_str!("../../scenarios/today.toml");
        let text = format!("{calendar}\n{text}\n[simulation]\n{staffing}");
        let scenario = Scenario::from_toml(&text, "with a roster").expect("a scenario");
        let planned = |local: jiff::civil::DateTime| {
            let mut open = scenario.simulation.staffing.iter().filter(|entry| {
                let hours = entry.hours.as_ref();
                hours.is_some_and(|hours| hours.is_open(local))
            });
            let share = open.next().expect("somebody is there").share;
            assert!(open.next().is_none(), "one number an hour");
            (share * 5.0).round() as u32
        };
        // A Tuesday, a Sunday, and Epiphany.
        for (day, at_noon) in [(13, 4), (18, 5), (6, 5)] {
            let day = date(2026, 1, day);
            assert_eq!(planned(day.at(6, 59, 0, 0)), 2, "{day}");
            assert_eq!(planned(day.at(7, 0, 0, 0)), 4, "{day}");
            assert_eq!(planned(day.at(12, 30, 0, 0)), at_noon, "{day}");
            assert_eq!(planned(day.at(23, 59, 0, 0)), 4, "{day}");
        }
    }
}
