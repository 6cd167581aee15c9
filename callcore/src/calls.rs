//! What a switch that writes down its ended calls and a recorder that holds them against what is stored agree on: a folder with a
//! file a day, a JSON object a line.

/// How a day's file ends: `2018-11-05.jsonl`, by UTC.
pub const SUFFIX: &str = ".jsonl";
/// Days that are kept: four years and more, and audio is kept for three at most (BTV instruction 8). Nothing of a caller is in them,
/// so that no controller decides on them.
pub const DAYS_MAX: usize = 1500;
/// Bytes of one day: a million calls and more, ten times the busiest of 2020.
pub const DAY_BYTES_MAX: u64 = 300 * 1024 * 1024;
