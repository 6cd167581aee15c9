//! Values given on the command line instead of in the scenario: `--set key=value`.

use callcore::{
    scenario::{Agent, Contact, HOLIDAY_FACTOR_MAX, Scenario, Srtp, WEEKEND_FACTOR_MAX},
    time::Span,
};

/// Why a value can't be set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OverrideError {
    /// It isn't written as it must be.
    #[error("`{0}` sets nothing: write key=value, such as lambda_per_h=200")]
    NoValue(String),
    /// Half a nurse is nobody.
    #[error("`{0}` is no whole number: write it without a fraction")]
    NotWhole(String),
    /// There is no such key.
    #[error("`{0}` can't be set: there are {KEYS}")]
    NoSuchKey(String),
    /// The value is out of range.
    #[error("`{key}={value}` is out of range: give a number from {least} to {most}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The value as it was given.
        value: String,
        /// The least that is accepted.
        least: f64,
        /// The most.
        most: f64,
    },
}

/// What can be set.
const KEYS: &str = "lambda_per_h, mu_per_h, theta_per_h, agents, calls_per_year, talk_mean_s, talk_sd_s, wrap_up_s, \
    patience_mean_s, patience_shape, redial_share, redial_after_s, returning_share, \
    callback_share, callback_missed_share, missing_share, invalid_share, wrong_share, \
    sick_share, break_share, warm_up_h, files_per_call, weekend_factor, holiday_factor";

/// What doesn't fit in a scenario.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Overrides {
    /// Calls an hour, evenly.
    pub calls_per_hour: Option<f64>,
}

/// Never, as far as a run of ten years can tell.
const NEVER: Span = Span::from_secs(u32::MAX);

impl Overrides {
    /// Sets one value: most in the scenario itself.
    ///
    /// # Errors
    /// When there is no such key, or the value is none for it.
    pub fn set(&mut self, scenario: &mut Scenario, text: &str) -> Result<(), OverrideError> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(OverrideError::NoValue(text.to_owned()));
        };
        let (key, value) = (key.trim(), value.trim());
        let given = Given { key, value };
        let number = |least: f64, most: f64| given.number(least, most);
        let whole = |least: f64, most: f64| given.whole(least, most);
        let seconds = |seconds: f64| Span::from_micros((seconds * 1e6) as i64);
        let (traffic, settings) = (&mut scenario.traffic, &mut scenario.simulation);
        match key {
            "lambda_per_h" => self.calls_per_hour = Some(number(0.001, 1e7)?),
            "mu_per_h" => traffic.talk_mean = seconds(3600.0 / number(0.001, 3600.0)?),
            "theta_per_h" => {
                let theta = number(0.0, 36_000.0)?;
                let mean = if theta > 0.0 {
                    seconds(3600.0 / theta)
                } else {
                    NEVER
                };
                for queue in &mut scenario.queues {
                    queue.patience_mean = mean;
                }
            }
            "agents" => set_agents(scenario, whole(1.0, 10_000.0)? as usize),
            "calls_per_year" => traffic.calls_per_year = whole(0.0, 4e9)? as u32,
            "talk_mean_s" => traffic.talk_mean = seconds(number(0.001, 1e6)?),
            "talk_sd_s" => traffic.talk_sd = seconds(number(0.0, 1e6)?),
            "wrap_up_s" => {
                let wrap_up = seconds(number(0.0, 1e6)?);
                for queue in &mut scenario.queues {
                    queue.wrap_up = wrap_up;
                }
            }
            "patience_mean_s" => {
                let mean = seconds(number(0.001, 1e9)?);
                for queue in &mut scenario.queues {
                    queue.patience_mean = mean;
                }
            }
            "patience_shape" => settings.patience_shape = number(0.1, 10.0)?,
            "redial_share" => settings.redial_share = number(0.0, 1.0)?,
            "redial_after_s" => settings.redial_after = seconds(number(1.0, 1e6)?),
            "returning_share" => settings.returning_share = number(0.0, 1.0)?,
            "callback_share" => settings.callback_share = number(0.0, 1.0)?,
            "callback_missed_share" => settings.callback_missed_share = number(0.0, 1.0)?,
            "missing_share" => settings.missing_share = number(0.0, 1.0)?,
            "invalid_share" => settings.invalid_share = number(0.0, 1.0)?,
            "wrong_share" => settings.wrong_share = number(0.0, 1.0)?,
            "sick_share" => settings.sick_share = number(0.0, 1.0)?,
            "break_share" => settings.break_share = number(0.0, 1.0)?,
            "warm_up_h" => settings.warm_up = seconds(3600.0 * number(0.0, 8784.0)?),
            "files_per_call" => settings.files_per_call = number(1.0, 10.0)?,
            "weekend_factor" => traffic.weekend_factor = number(0.0, WEEKEND_FACTOR_MAX)?,
            "holiday_factor" => traffic.holiday_factor = number(0.0, HOLIDAY_FACTOR_MAX)?,
            _ => return Err(OverrideError::NoSuchKey(key.to_owned())),
        }
        Ok(())
    }
}

/// What was given on the command line.
#[derive(Clone, Copy)]
struct Given<'a> {
    key: &'a str,
    value: &'a str,
}

impl Given<'_> {
    fn number(self, least: f64, most: f64) -> Result<f64, OverrideError> {
        let parsed = self.value.parse::<f64>().ok();
        let sane = parsed.filter(|number| (least..=most).contains(number));
        sane.ok_or_else(|| OverrideError::OutOfRange {
            key: self.key.to_owned(),
            value: self.value.to_owned(),
            least,
            most,
        })
    }

    fn whole(self, least: f64, most: f64) -> Result<f64, OverrideError> {
        let given = self.number(least, most)?;
        match given.fract() == 0.0 {
            true => Ok(given),
            false => Err(OverrideError::NotWhole(format!(
                "{}={}",
                self.key, self.value
            ))),
        }
    }
}

/// Gives every queue so many simulated agents.
fn set_agents(scenario: &mut Scenario, count: usize) {
    let queues = scenario.queues.len();
    scenario.agents = (0..queues)
        .flat_map(|queue| {
            let agent = Agent {
                queue: scenario.queue_by_place(queue),
                contact: Contact::Simulated,
                srtp: Srtp::Off,
                credentials: None,
            };
            std::iter::repeat_n(agent, count)
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::today;

    #[test]
    fn values_are_set_and_nonsense_is_refused() {
        let (mut scenario, mut overrides) = (today(), Overrides::default());
        for text in [
            "lambda_per_h=200",
            "mu_per_h = 7.5",
            "theta_per_h=6",
            "agents=30",
        ] {
            overrides.set(&mut scenario, text).expect("it can be set");
        }
        assert_eq!(overrides.calls_per_hour, Some(200.0));
        assert_eq!(scenario.traffic.talk_mean, Span::from_secs(480));
        assert_eq!(scenario.queues[3].patience_mean, Span::from_secs(600));
        assert_eq!(scenario.agents.len(), 30 * scenario.queues.len());
        for text in [
            "agents",
            "agents=0",
            "agents=-3",
            "agents=NaN",
            "agents=1.5",
            "calls_per_year=0.9",
            "weekend_factor=3.6",
            "lambda_per_h=x",
            "x=1",
        ] {
            assert!(overrides.set(&mut scenario, text).is_err(), "{text}");
        }
    }
}
