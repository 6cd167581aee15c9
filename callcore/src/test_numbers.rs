//! The only telephone numbers that simulated callers have: 495 that belong to nobody.
//! Source: `data/test_numbers.csv` (set aside by PTS for books and films).

use std::sync::LazyLock;

use crate::{
    csv,
    personal::{CallerNumber, E164, Personal},
};

/// How many test numbers there are; more callers than this share them.
pub const TEST_NUMBERS_LEN: usize = 495;

/// The test number at a place, counted from 0 and round again after the last.
pub fn test_number(place: usize) -> CallerNumber {
    NUMBERS[place % TEST_NUMBERS_LEN].clone()
}

/// Whether a number is one of the test numbers, and so nobody's.
pub fn is_test_number(number: &CallerNumber) -> bool {
    NUMBERS.contains(number)
}

static NUMBERS: LazyLock<Vec<CallerNumber>> = LazyLock::new(|| {
    csv::rows(include_str!("../../data/test_numbers.csv"))
        .flat_map(|row| range(&row))
        .collect()
});

/// Every number of one row. A row that can't be read gives none; the test below counts them.
fn range(row: &[&'static str]) -> Vec<CallerNumber> {
    let number = |column: usize| row.get(column)?.strip_prefix('+')?.parse::<u64>().ok();
    let (Some(first), Some(last)) = (number(5), number(6)) else {
        return Vec::new();
    };
    (first..=last)
        .filter_map(|digits| E164::parse(&format!("+{digits}")))
        .map(Personal::new)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_495_different_ones() {
        assert_eq!(NUMBERS.len(), TEST_NUMBERS_LEN);
        assert_eq!(
            NUMBERS.iter().collect::<BTreeSet<_>>().len(),
            TEST_NUMBERS_LEN
        );
        assert_eq!(test_number(0), test_number(TEST_NUMBERS_LEN));
        assert_eq!(test_number(0).reveal().as_str(), "+46701740605");
        assert!(is_test_number(&test_number(494)));
    }
}
