//! Two runs beside each other.

use serde_json::Value;

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Its name, as in JSON: `calls.answered`, `queues.region-01.mean_wait_s`.
    pub name: String,
    /// In the other run.
    pub before: f64,
    /// In this one.
    pub after: f64,
}

/// Every figure that both runs have and that differs, in the order of their names.
pub fn compare(before: &Value, after: &Value) -> Vec<Comparison> {
    let mut found = Vec::new();
    walk("", before, after, &mut found);
    found
}

/// What differs from machine to machine and says nothing of the scenario.
const OF_THE_MACHINE: [&str; 5] = [
    "seconds",
    "calls_per_second",
    "calls_per_cpu_second",
    "cpu_seconds",
    "seed",
];

fn walk(name: &str, before: &Value, after: &Value, found: &mut Vec<Comparison>) {
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for (key, value) in after {
            let full = if name.is_empty() {
                key.clone()
            } else {
                format!("{name}.{key}")
            };
            if let Some(other) = before.get(key)
                && !OF_THE_MACHINE.contains(&full.as_str())
            {
                walk(&full, other, value, found);
            }
        }
    } else if let (Some(before), Some(after)) = (before.as_f64(), after.as_f64())
        && before != after
    {
        found.push(Comparison {
            name: name.to_owned(),
            before,
            after,
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_and_the_rest_left_out() {
        let before = json!({"calls": {"answered": 5, "offered": 9}, "seconds": 1.0, "digest": "a"});
        let after = json!({"calls": {"answered": 7, "offered": 9}, "seconds": 2.0, "digest": "b"});
        let found = compare(&before, &after);
        let [one] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (one.name.as_str(), one.before, one.after),
            ("calls.answered", 5.0, 7.0)
        );
    }
}
