//! What commands do to the key part of the backups after they have changed what is in it.

use std::process::ExitCode;

use jiff::Timestamp;
use recorder::{
    backup::{self, BackupError},
    store::Store,
};

use crate::show;

/// What a command does afterwards that destroys keys: they go from the backups too. While they haven't, whoever has the backups
/// can still open what was erased: the exit code is that of a finding.
#[must_use]
pub(super) fn renew(store: &Store) -> ExitCode {
    refresh(store).map_or_else(|error| still_in_backups(&error), |()| ExitCode::SUCCESS)
}

/// The same after a hold: a store that is restored has it from the access log in the key part.
#[must_use]
pub(super) fn renew_with_hold(store: &Store) -> ExitCode {
    let Err(error) = refresh(store) else {
        return ExitCode::SUCCESS;
    };
    show::note(format_args!(
        "vaxel: it is held here, and the key part of the backups doesn't know that: {error}; then run `vaxel backup keys`"
    ));
    ExitCode::from(1)
}

/// The same after the signing key was lost: what the next one signs is checked with it.
#[must_use]
pub(super) fn renew_with_signing_key(store: &Store) -> ExitCode {
    let Err(error) = refresh(store) else {
        return ExitCode::SUCCESS;
    };
    show::note(format_args!(
        "vaxel: the new key isn't in the key part of the backups: {error}; then run `vaxel backup keys`"
    ));
    ExitCode::from(1)
}

fn refresh(store: &Store) -> Result<(), BackupError> {
    let (vault, index) = store.parts();
    backup::refresh(vault, index, Timestamp::now()).map(drop)
}

/// Says that the key part of the backups is still the old one, and what to do.
pub(super) fn still_in_backups(error: &dyn std::fmt::Display) -> ExitCode {
    show::note(format_args!(
        "vaxel: what was destroyed or revoked is still in the key part of the backups: {error}; then run `vaxel backup keys`"
    ));
    ExitCode::from(1)
}
