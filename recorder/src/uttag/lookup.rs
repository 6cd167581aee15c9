//! From a patientID to telephone numbers: the supplier's own file, read when it delivers, and never stored.

use std::{collections::BTreeSet, fs, path::Path};

use callcore::{
    personal::{E164, Personal},
    uttag::lookup_number,
};
use zeroize::Zeroizing;

use super::UttagError;
use crate::vault::{Meta, folder};

const HEADER: &str = "patient_id,number";

/// The numbers of one person. Debug shows none.
pub(super) type Numbers = Personal<BTreeSet<E164>>;

/// The numbers that a patientID stands for.
pub(super) fn numbers(path: &Path, patient_id: &str) -> Result<Numbers, UttagError> {
    folder::check_private_file(path).map_err(UttagError::LookupFile)?;
    let text = fs::read_to_string(path).map_err(folder::unusable(path));
    let text = Zeroizing::new(text.map_err(UttagError::LookupFile)?);
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some(HEADER) {
        return Err(UttagError::Lookup(1, "it begins with patient_id,number"));
    }
    let mut found = BTreeSet::new();
    for (at, line) in lines.enumerate() {
        let Some((id, number)) = line.split_once(',') else {
            continue;
        };
        if id.trim() == patient_id {
            let number = lookup_number(number)
                .map_err(|_| UttagError::Lookup(at + 2, "a number is written as +46..."))?;
            found.insert(number.reveal().clone());
        }
    }
    if found.is_empty() {
        return Err(UttagError::NobodyFound);
    }
    Ok(Personal::new(found))
}

/// Whether one of the people who spoke has one of the numbers; `None` when no number of anyone is known.
pub(super) fn is_among(meta: &Meta, numbers: &Numbers) -> Option<bool> {
    let addresses = meta.parties.iter().map(|party| party.address.as_str());
    let known: Vec<E164> = addresses.filter_map(number_of).collect();
    let is_theirs = known.iter().any(|one| numbers.reveal().contains(one));
    (!known.is_empty()).then_some(is_theirs)
}

/// `sip:+46...@host;user=phone`, `tel:+46...`, or a bare number.
fn number_of(address: &str) -> Option<E164> {
    let rest = ["sips:", "sip:", "tel:"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme))
        .unwrap_or(address);
    let end = rest.find(['@', ';']).unwrap_or(rest.len());
    E164::parse(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Party;

    #[test]
    fn a_number_is_found_however_it_was_written() {
        // Set aside by PTS for books and films (data/test_numbers.csv).
        let ours: BTreeSet<E164> = E164::parse("+46701740605").into_iter().collect();
        let ours = Personal::new(ours);
        let spoke = |address: &str| Meta {
            parties: vec![Party {
                address: address.into(),
                ..Party::default()
            }],
        };
        for address in [
            "+46701740605",
            "tel:+46701740605",
            "sip:+46701740605@127.0.0.1;user=phone",
            "sip:0701740605@127.0.0.1:5060",
            "sips:+46701740605@example.invalid",
        ] {
            assert_eq!(is_among(&spoke(address), &ours), Some(true), "{address}");
        }
        assert_eq!(is_among(&spoke("+46701740606"), &ours), Some(false));
        for address in ["", "sip:nurse@127.0.0.1", "anonymous"] {
            assert_eq!(is_among(&spoke(address), &ours), None, "{address}");
        }
        assert_eq!(format!("{ours:?}"), "[personal]");
    }
}
