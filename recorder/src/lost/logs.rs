//! An access log that isn't as it was written, and that no backup has: it can't say any more what is held, and gallring leaves all of its
//! controller's. Nobody but the operator can say that what the index says of holds is all there is.

use std::{fs, path::PathBuf};

use jiff::Timestamp;

use super::{LostError, has_reason};
use crate::{
    access::{self, Access},
    backup::{self, Lifted},
    gallring,
    index::Index,
    ledger::LedgerError,
    names::ControllerName,
    store::By,
    vault::{Vault, folder},
};

/// What the access log calls it.
const LOG_LOST: &str = "log-lost";

/// Writes down that a controller's access log is lost for good where it is broken, and why: from then on what the index says of holds
/// counts there. It holds for this break only; and once the log is back it is asked again. One to which nothing can be added any more is
/// put aside.
///
/// # Errors
/// When nobody says why, the log is whole, or nothing can be added to it.
pub fn log_lost(
    vault: &Vault,
    index: &Index,
    controller: &str,
    by: &By,
    now: Timestamp,
) -> Result<(), LostError> {
    has_reason(by)?;
    let name = ControllerName::parse(controller)?;
    let _alone = gallring::lock(vault)?;
    let mut unread = Lifted::find::<LostError>(vault, index)?.unread;
    let error = unread.remove(controller);
    let error = error.ok_or_else(|| LostError::LogThere(controller.to_owned()))?;
    let Some(place) = place_of(&error) else {
        return Err(error.into());
    };
    let lost = Access {
        who: by.who.clone(),
        controller: controller.to_owned(),
        action: LOG_LOST.to_owned(),
        object: place.clone(),
        purpose: by.purpose.clone(),
    };
    let entries = [lost];
    match access::write(vault, now, &entries) {
        // Its end is broken: nothing could ever be shown of that controller again.
        Err(LedgerError::Broken { .. }) => {
            access::give_up_last(vault, controller)?;
            access::write(vault, now, &entries)?;
        }
        written => {
            written?;
            folder::keep(&mark(vault, name.as_str()), place.as_bytes())?;
        }
    }
    // They stand in the index alone now, where others may write.
    backup::write_again(vault, index, (controller, now), |_| true)
}

/// Whether somebody said so of this break.
pub(crate) fn is_log_given_up(vault: &Vault, controller: &str, error: &LedgerError) -> bool {
    let said = fs::read_to_string(mark(vault, controller)).ok();
    said.is_some() && said == place_of(error)
}

/// Where it is broken, and how, by no path of a machine's. `None` where it may only be that a disk can't be read.
fn place_of(error: &LedgerError) -> Option<String> {
    let LedgerError::Broken { path, line, what } = error else {
        return None;
    };
    let name = path.file_name()?.to_string_lossy();
    Some(format!("{name}, line {line}: {what}"))
}

/// With the keys: whoever writes in the store alone can't pretend it.
fn mark(vault: &Vault, controller: &str) -> PathBuf {
    vault.keys().join("lost-logs").join(controller)
}
