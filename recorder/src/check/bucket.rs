//! A bucket in S3: whether what is removed from it is gone.

use super::{Finding, Severity, Targets, error};
use crate::vault::Remote;

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
            let message = "what is removed stays as an older version: who spoke can still be read there after it was erased, with the recording's key. Keep no versions, or have a lifecycle rule remove within a day what isn't current";
            found.push(Finding {
                severity: Severity::Warning,
                ..error("S0111", &name, message)
            });
        }
        Err(unasked) => {
            let message = format!("it can't be looked at: {unasked}");
            found.push(error("S0106", &name, message));
        }
    }
}
