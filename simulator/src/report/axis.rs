//! Where an axis of a plot ends, and what stands at its steps.

/// The next number that people like at the end of an axis.
pub(super) fn round_up(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.iter().find(|step| **step * power >= most * 0.999);
    step.unwrap_or(&10.0) * power
}

/// Into so many steps an axis is divided.
pub(super) const STEPS: f64 = 4.0;
/// More decimals nobody reads; what is smaller is nothing on an axis.
const DECIMALS_MAX: usize = 6;

/// What stands at an axis' steps: the very value of each, in one unit, and with no more decimals than that takes.
pub(super) fn ticks(y_max: f64) -> [String; STEPS as usize + 1] {
    let (unit, mark) = match y_max {
        _ if y_max >= 1e6 => (1e6, " M"),
        _ if y_max > 1e4 => (1e3, " k"),
        _ => (1.0, ""),
    };
    std::array::from_fn(|step| {
        let value = y_max * step as f64 / STEPS / unit;
        let text = format!("{value:.DECIMALS_MAX$}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let mark = if step == 0 { "" } else { mark };
        format!("{text}{mark}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_numbers_that_people_like() {
        for (most, end) in [
            (0.0, 1.0),
            (0.93, 1.0),
            (17.0, 20.0),
            (230.0, 240.0),
            (8.1, 10.0),
        ] {
            assert!(
                (round_up(most) - end).abs() < 1e-9,
                "{most}: {}",
                round_up(most)
            );
        }
    }

    /// A label says the value of the line that it stands at, and no two say the same.
    #[test]
    fn a_step_of_an_axis_is_labelled_with_its_very_value() {
        for (y_max, labels) in [
            (0.05, ["0", "0.0125", "0.025", "0.0375", "0.05"]),
            (1.0, ["0", "0.25", "0.5", "0.75", "1"]),
            (5.0, ["0", "1.25", "2.5", "3.75", "5"]),
            (50.0, ["0", "12.5", "25", "37.5", "50"]),
            (10_000.0, ["0", "2500", "5000", "7500", "10000"]),
            (50_000.0, ["0", "12.5 k", "25 k", "37.5 k", "50 k"]),
            (5e6, ["0", "1.25 M", "2.5 M", "3.75 M", "5 M"]),
        ] {
            assert_eq!(ticks(y_max), labels);
        }
    }
}
