//! Which kommun a Swedish area code belongs to, as far as that can be told (`data/area_codes.csv`).
//!
//! Weak by nature: area borders don't follow kommun borders, and numbers move with their owners. Only codes for which
//! every kommun that was found is one and the same are used; the others name nobody.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::{csv, kommun::KommunId, personal::E164};

/// The digits of an area code, its leading nought among them: `08` to `0980`.
const CODE_LEN: std::ops::RangeInclusive<usize> = 2..=4;

static CODES: LazyLock<BTreeMap<&'static str, Option<KommunId>>> = LazyLock::new(|| {
    let rows = csv::rows(include_str!("../../data/area_codes.csv"));
    rows.filter_map(|row| {
        let (code, kind, kommuner) = (*row.first()?, *row.get(1)?, *row.get(4)?);
        let kommun = (kind == "geographic").then(|| KommunId::parse(kommuner));
        Some((code, kommun.flatten()))
    })
    .collect()
});

/// The kommun of a number's area code; `None` for numbers abroad, mobile ones, and area codes of several kommuner.
pub fn kommun(number: &E164) -> Option<KommunId> {
    let national = format!("0{}", number.as_str().strip_prefix("+46")?);
    let code = |len: usize| CODES.get(national.get(..len)?);
    // The longest that fits: 0900 is no number of 090.
    CODE_LEN.rev().filter_map(code).next().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: &str) -> Option<String> {
        let number = E164::parse(number).expect("a number");
        kommun(&number).map(|kommun| kommun.to_string())
    }

    #[test]
    fn a_code_of_one_kommun_names_it_and_others_name_nobody() {
        // The numbers are of the ranges set aside for books and films.
        let single = |code: &str| CODES.get(code).copied().flatten().map(|id| id.to_string());
        assert_eq!(of("0980-319200"), single("0980"));
        assert_eq!(of("070-1740605"), None, "mobile");
        assert_eq!(single("011").as_deref(), Some("0581"));
        assert_eq!(single("0142"), None, "two kommuner");
        assert_eq!(of("+4420794600"), None, "abroad");
    }
}
