//! Whatever stands in a file, it is read as a scenario or refused with lines, and what is read can be checked.
//!
//! `cd callcore && cargo +nightly fuzz run scenario ../scenarios tests/check/corpus`
#![no_main]

use callcore::{
    check::{Subject, check},
    explain::explain,
    origin::Origin,
    roles::roles,
    scenario::Scenario,
    time::Time,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let scenario = match Scenario::from_toml(text, "fuzz.toml") {
        Ok(scenario) => scenario,
        Err(error) => {
            assert!(error.faults().all(|fault| fault.line > 0 && !fault.remedy.is_empty()));
            return;
        }
    };
    let today = jiff::civil::date(2026, 11, 22);
    let has_audio = |_: &str| false;
    let subject = Subject {
        scenario: &scenario,
        has_audio: &has_audio,
    };
    let lines = text.lines().count().max(1);
    let report = check(&[subject], today);
    assert!(report.findings.iter().all(|finding| (1..=lines).contains(&(finding.line as usize))));
    let _ = roles(&scenario, today);
    let _ = explain(&scenario, Origin::from_code("0180"), Time::from_micros(1_541_452_500_000_000));
});
