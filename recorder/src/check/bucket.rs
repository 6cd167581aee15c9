//! A bucket in S3: whether what is removed from it is gone, and whether the index knows what lies there.

use super::{Finding, Severity, Targets, error};
use crate::{
    index::Index,
    names::RecordingId,
    place::Place,
    vault::{Remote, Vault},
};

/// Asks for one object and what the bucket says of it; where there is none, nothing can be told yet.
pub(super) fn check(targets: &Targets, found: &mut Vec<Finding>) {
    let Some(place) = &targets.bucket else { return };
    let asked = Remote::of(place).and_then(|remote| {
        let Some(remote) = remote else {
            return Ok(false);
        };
        remote.keeps_versions()
    });
    let name = place.bucket.as_ref().map(|bucket| &*bucket.name);
    let name = format!("s3://{}", name.unwrap_or_default());
    match asked {
        Ok(false) => {}
        Ok(true) => {
            let message = "what is removed stays as an older version; who spoke is erased there only where the account may remove versions (s3:DeleteObjectVersion). Keep no versions, or let it, and have a lifecycle rule remove within a day what isn't current";
            found.push(Finding {
                severity: Severity::Warning,
                ..error("S0111", &name, message)
            });
        }
        Err(unasked) => {
            let message = format!("it can't be looked at: {unasked}");
            found.push(error("S0106", &name, message));
            return;
        }
    }
    match unknown(place) {
        Ok(0) => {}
        Ok(count) => {
            let message = format!(
                "{count} recordings lie there that the index doesn't know: nobody finds them, and they are never erased. `vaxel store recover` enters them again"
            );
            found.push(error("S0112", &name, message));
        }
        Err(unasked) => {
            let message = format!("what lies there can't be held against the index: {unasked}");
            found.push(error("S0106", &name, message));
        }
    }
}

/// How many recordings there are that the index doesn't know. One that has just been moved there is known since it began.
fn unknown(place: &Place) -> Result<u64, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let vault = Vault::open_existing_place(place.clone()).map_err(|error| told(&error))?;
    let (mut index, mut count) = (None, 0);
    for page in vault.recordings_far(None).into_iter().flatten() {
        let page = page.map_err(|error| told(&error))?;
        if page.is_empty() {
            continue;
        }
        if index.is_none() {
            index = Some(Index::open_existing(&vault).map_err(|error| told(&error))?);
        }
        let ids: Vec<RecordingId> = page.iter().map(|one| one.id).collect();
        let known = index.as_ref().map(|index| index.known(&ids)).transpose();
        let known = known.map_err(|error| told(&error))?.unwrap_or_default();
        count += (ids.len() - known.len()) as u64;
    }
    Ok(count)
}
