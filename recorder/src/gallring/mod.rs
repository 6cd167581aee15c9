//! Gallring: what is due, why and what blocks it; and erasing it, under a decision and no other way.
//!
//! `callcore::retention::judge` decides; nothing here does. Erasing goes in an order that a crash at any point leaves
//! sound (see [`run`]), and every erasure stands in the [destruction register](REGISTER).

mod clock;
mod erase;
#[cfg(test)]
mod far_tests;
mod matter;
mod plan;
mod receipts;
mod register;
mod run;
mod words;

use callcore::{
    retention::{Kept, ObjectClass, RetentionWindow, Verdict, judge},
    scenario::Scenario,
};
use jiff::civil::Date;

pub use self::{
    clock::{GAP_DAYS_MAX, refuse_jump},
    erase::{BATCH, Step, Watch},
    plan::{Group, Plan, plan},
    register::{Destroyed, NumbersToo, Register, register},
    run::{Report, recover, refused, run},
};
pub(crate) use self::{
    register::{call_name, minute, note_key_change, register_gone},
    run::{lock, run_handed_over},
};
use crate::{index::IndexError, ledger::LedgerError, vault::VaultError};

/// The destruction register's name within the store.
pub const REGISTER: &str = "destruction-register.log";

/// Why gallring refuses or stops.
#[derive(Debug, thiserror::Error)]
pub enum GallringError {
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The register or an access log refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A day that hasn't come.
    #[error(
        "{at} hasn't come: no floor is got round by a date. `vaxel gallring plan --at {at}` shows what will be due then"
    )]
    NotYet {
        /// The day that was asked for.
        at: Date,
    },
    /// Nothing shows how the clock came to stand where it does.
    #[error(
        "the clock says that it is {today}, and nothing happened here between {last} and {next}: {days} days, more than {GAP_DAYS_MAX}. By a clock that stands ahead what must stay would be erased, so nothing is. If it is {today}, say so: `vaxel gallring run --today {today}`"
    )]
    Jump {
        /// By the clock.
        today: Date,
        /// Before that all is of days near each other.
        last: Date,
        /// The next day of which there is something; today where there is none.
        next: Date,
        /// From one to the other.
        days: i32,
    },
    /// Another day than the clock's.
    #[error("the clock says that it is {today}, not {said}: set it right, and run again")]
    OtherDay {
        /// By the clock.
        today: Date,
        /// As somebody says.
        said: Date,
    },
    /// Another run is going on.
    #[error(
        "another gallring, a backup or a change of keys works in this store: wait for it, or look for what it waits for"
    )]
    Busy,
    /// The index may miss recordings, and orders that they stay.
    #[error(
        "the index is another one than before, and doesn't know yet all that is kept and held: the recorder tells it once it has started, or `vaxel store recover`. Nothing is erased until then"
    )]
    Unlisted,
    /// The keys' disk isn't there.
    #[error(
        "the controller's key isn't there: is the disk of `keys` mounted? Nothing is said to be erased whose key may be on it. If the key is lost for good: `vaxel store key-lost`"
    )]
    KeysAway,
    /// Whoever watched the run stopped it.
    #[error("stopped; what was begun is finished or taken back by the next run")]
    Stopped,
}

/// What retention has to say of a thing described in words; `None` when its controller, class or days aren't ones the
/// scenario knows, and then nobody may erase it.
fn verdict(scenario: &Scenario, thing: &Thing<'_>, today: Date) -> Option<Verdict> {
    let kept = Kept {
        controller: scenario.org_by_id(thing.controller)?,
        class: thing.class,
        window: thing.window,
        held: thing.held,
        handed_over: thing.handed_over,
    };
    Some(judge(scenario, &kept, today))
}

/// Something kept, by names.
struct Thing<'a> {
    controller: &'a str,
    class: ObjectClass,
    window: RetentionWindow,
    held: bool,
    handed_over: bool,
}
