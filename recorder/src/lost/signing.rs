//! The signing key that is lost for good: without one nothing can be looked at, erased or handed over, as nothing can be entered.

use jiff::Timestamp;

use super::{KEY_LOST, LostError, has_reason};
use crate::{
    access::{self, Access},
    gallring::{self, REGISTER},
    handover,
    ledger::{self, GENESIS, KeyChange, Ledger, LedgerError, PublicKeys, Signer, Statement},
    store::By,
    uttag,
    vault::{Vault, folder},
};

/// Writes down that the signing key is lost for good, and makes another, with which logs and register go on. What the lost one signed
/// is checked as before, up to where each ledger is now; the change stands in every access log, and in the register.
///
/// # Errors
/// When nobody says how, the key is there, nothing was ever signed, or a ledger isn't what was written.
pub fn signing_key_lost(vault: &Vault, by: &By, now: Timestamp) -> Result<KeyChange, LostError> {
    has_reason(by)?;
    vault.refuse_keys_away()?;
    // A run that goes on has the key in memory, and would sign with it what comes after the change.
    let _alone = gallring::lock(vault)?;
    if let Some(change) = note_change(vault, now)? {
        return Ok(change);
    }
    let (path, is_there) = Signer::place(vault.keys())?;
    if is_there {
        return Err(LostError::SigningKeyThere { path });
    }
    let change = give_up(vault, by, now)?;
    note_change(vault, now)?;
    Ok(change)
}

/// Makes the next key, and writes down with the keys what the lost one signed. On disk when this returns.
fn give_up(vault: &Vault, by: &By, now: Timestamp) -> Result<KeyChange, LostError> {
    let _alone = ledger::alone(vault.keys())?;
    let number = ledger::statements(vault.keys())?.len() + 1;
    let public = public_of_lost(vault)?;
    let mut statement = Statement::of(by, now, public.as_ref().map_or("", |(text, _)| text));
    let public = public.map(|(_, keys)| keys);
    pin(vault, public.as_ref(), &mut statement)?;
    if statement.is_empty() {
        return Err(LostError::NothingSigned);
    }
    statement.now = Signer::next(vault.keys(), number)?.public();
    ledger::state(vault.keys(), number, &statement)?;
    Ok(statement.change())
}

/// Writes down where every ledger is. One that isn't what was written is no beginning for what follows: it is refused.
fn pin(
    vault: &Vault,
    public: Option<&PublicKeys>,
    statement: &mut Statement,
) -> Result<(), LedgerError> {
    let check = |path: &std::path::Path, name: &str| {
        let checked = |keys| ledger::verify_at(path, Some(vault.keys()), keys, name);
        public.map(checked).transpose()
    };
    let whose = access::pin(
        vault,
        |name, lines, hash| statement.pin(name, lines, hash),
        check,
    )?;
    statement.controllers = whose;
    handover::pin(vault, public, statement);
    uttag::pin(vault, public, statement);
    let register = vault.store().join(REGISTER);
    if register.exists() {
        let open = Ledger::open(vault.store(), vault.keys(), REGISTER, GENESIS)?;
        check(&register, REGISTER)?;
        if open.lines() > 0 {
            statement.pin(REGISTER, open.lines(), open.hash());
        }
    } else if ledger::was_signed(vault.keys(), REGISTER) {
        return Err(gallring::register_gone(vault));
    }
    Ok(())
}

/// The public half of the key that is lost, and all that came before it. With the keys; or as the recorder put it beside the ledgers,
/// where others may write: but what it doesn't check is refused.
fn public_of_lost(vault: &Vault) -> Result<Option<(String, PublicKeys)>, LedgerError> {
    if let Some(keys) = ledger::public_keys(vault.keys())? {
        return Ok(Some((keys.signing(), keys)));
    }
    let Some(text) = ledger::beside(vault)? else {
        return Ok(None);
    };
    let path = ledger::beside_path(vault);
    let key = ledger::parse_public(&text).ok_or(LedgerError::Key { path })?;
    Ok(Some((text, PublicKeys::from(key))))
}

/// Puts the public half of the first key beside the ledgers, once: with the secret one it would be lost as well.
pub(super) fn keep_beside(vault: &Vault) -> Result<(), LedgerError> {
    if Signer::place(vault.keys())?.1 {
        // Which is put back where that alone is gone.
        Signer::of(vault)?;
    }
    let path = ledger::beside_path(vault);
    if path.exists() || !ledger::statements(vault.keys())?.is_empty() {
        return Ok(());
    }
    match ledger::public_keys(vault.keys())? {
        Some(keys) => Ok(folder::keep(&path, keys.signing().as_bytes())?),
        None => Ok(()),
    }
}

/// Tells whoever starts a recorder, before somebody asks for a recording and is refused.
pub(super) fn refuse_lost(vault: &Vault) -> Result<(), LostError> {
    if Signer::is_lost(vault.keys())? {
        let (path, _) = Signer::place(vault.keys())?;
        return Err(LedgerError::KeyLost { path }.into());
    }
    Ok(())
}

/// Enters a change of the signing key in the ledgers, when it isn't yet: whoever said it may have been stopped. The first thing that the
/// new key signs in each.
pub(super) fn note_change(vault: &Vault, now: Timestamp) -> Result<Option<KeyChange>, LostError> {
    let mut said = ledger::statements(vault.keys())?;
    let number = said.len();
    let Some(mut statement) = said.pop().filter(|said| !said.is_noted) else {
        return Ok(None);
    };
    let change = statement.change();
    tracing::warn!(
        before = change.before,
        now = change.now,
        "the signing key was lost for good: access logs and destruction register go on under another"
    );
    for controller in &statement.controllers {
        let access = Access {
            who: statement.who.clone(),
            controller: controller.clone(),
            action: KEY_LOST.to_owned(),
            object: format!("signing.key {} -> {}", change.before, change.now),
            purpose: statement.reason.clone(),
        };
        access::write(vault, now, &[access])?;
    }
    gallring::note_key_change(vault, &Signer::of(vault)?, &change, now)?;
    statement.is_noted = true;
    ledger::state(vault.keys(), number, &statement)?;
    Ok(Some(change))
}

#[cfg(test)]
mod tests;
