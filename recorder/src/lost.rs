//! A controller's key that is lost for good. Of a recording that has no key of its own either nobody but the operator can say that it was
//! destroyed and isn't on a disk that is away: until then gallring leaves it, and the index marks what a stopped run had begun.

use jiff::Timestamp;

use crate::{
    access::{self, Access, PURPOSE_LEN_MAX},
    index::{Index, IndexError},
    ledger::LedgerError,
    names::{ControllerName, NameError},
    store::By,
    vault::{Vault, VaultError},
};

/// What the access log calls it.
const KEY_LOST: &str = "key-lost";

/// Why a key isn't said to be lost.
#[derive(Debug, thiserror::Error)]
pub enum LostError {
    /// The name isn't one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A controller of whom nothing is here.
    #[error(
        "nothing of {0} is in the index: `vaxel recordings list` shows whose recordings there are"
    )]
    Nobody(String),
    /// Nobody said why.
    #[error(
        "say how it was lost: `--reason \"...\"`, at most {PURPOSE_LEN_MAX} characters; it is kept in the controller's access log"
    )]
    Reason,
    /// The key is there, or the keys aren't.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The access log refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Writes down that a controller's key is lost for good, how in the access log. Recordings of it that have no key of their own go
/// with the next gallring under its decisions, and stand in the register; nothing is erased here. A key that comes back is used.
///
/// # Errors
/// When nobody says how, nothing of the controller is here, its key is there, or all keys are away with their disk.
pub fn key_lost(
    vault: &Vault,
    index: &Index,
    controller: &str,
    by: &By,
    now: Timestamp,
) -> Result<(), LostError> {
    if by.purpose.trim().is_empty() || by.purpose.len() > PURPOSE_LEN_MAX {
        return Err(LostError::Reason);
    }
    let name = ControllerName::parse(controller)?;
    if index.of_controller(controller, None)?.is_empty() {
        return Err(LostError::Nobody(controller.to_owned()));
    }
    vault.refuse_key_there(&name)?;
    let access = Access {
        who: by.who.clone(),
        controller: controller.to_owned(),
        action: KEY_LOST.to_owned(),
        object: format!("controllers/{controller}.key"),
        purpose: by.purpose.clone(),
    };
    access::write(vault, now, &[access])?;
    Ok(vault.give_up_key(&name)?)
}
