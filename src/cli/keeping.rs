//! The arguments of what leaves a store: gallring, backups, hand-overs, extracts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Asker;

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StoreOf {
    /// The scenario whose recorder keeps it: a file or a built-in name
    #[arg(long, default_value = "imy-2019", global = true)]
    pub(crate) config: String,
    /// Folder that relative store and key paths start from (default: here)
    #[arg(long, global = true)]
    pub(crate) data: Option<PathBuf>,
    /// Print JSON on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GallringArgs {
    #[command(flatten)]
    pub(crate) store: StoreOf,
    #[command(subcommand)]
    pub(crate) what: GallringCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GallringCommand {
    /// What would go on a day, when the rest may, and what blocks it; exit code 1 when anything has outstayed its ceiling
    Plan {
        /// The day, such as 2029-01-01 (default: today)
        #[arg(long)]
        at: Option<String>,
    },
    /// Erase what is due, under the decisions in force: keys first, then objects; all into the destruction register
    Run {
        /// Judge by this day, not later than today (default: today); what is paused or not to go today stays all the same
        #[arg(long)]
        at: Option<String>,
        /// The day that it is, such as 2026-11-24: for a clock that is right though nothing happened here for over 100 days before
        #[arg(long, value_name = "DAY")]
        today: Option<String>,
    },
    /// The destruction register
    Register {
        /// Check every line, signature and the end
        #[arg(long)]
        verify: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) store: StoreOf,
    #[command(subcommand)]
    pub(crate) what: BackupCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a key that backups are sealed for; keep it apart from them, or nobody will open them
    Key {
        /// The file for the secret half; the public half is printed
        #[arg(long)]
        out: PathBuf,
    },
    /// Back up everything at rest: audio to one place, keys and ledgers to another
    Create {
        /// Where audio parts go: a folder on another disk
        #[arg(long)]
        to: PathBuf,
        /// Where the key part goes (default: the same name with -keys)
        #[arg(long)]
        keys_to: Option<PathBuf>,
        /// For whom it is sealed: `age1...`, or a file with that (default: whom the last one was sealed for)
        #[arg(long)]
        recipient: Option<String>,
        /// Take a place on the same disk
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        asker: Asker,
    },
    /// Replace the key part, so that keys destroyed since are gone from it; `vaxel gallring run` does it too
    Keys,
    /// The backups there are, when each must be gone, and whether a trial is due; exit code 1 when anything is overdue
    List,
    /// Try a backup: restore it to a scratch place, compare every digest, read every recording; exit code 1 when it failed
    Test {
        /// Its name (default: the newest)
        name: Option<String>,
        /// The file with the key it is sealed for
        #[arg(long)]
        identity: PathBuf,
        /// Where the scratch place is made; it holds keys while it lasts (default: the system's temporary folder)
        #[arg(long)]
        scratch: Option<PathBuf>,
        #[command(flatten)]
        asker: Asker,
    },
    /// Restore a backup to a new place, without what was erased since; needs nothing of the old store
    Restore {
        /// Its audio part, or its name in this store's catalogue
        backup: String,
        /// The key part (default: the one this store's catalogue knows)
        #[arg(long)]
        keys: Option<PathBuf>,
        /// The file with the key it is sealed for
        #[arg(long)]
        identity: PathBuf,
        /// The folder that gets `store` and `keys`
        #[arg(long)]
        to: PathBuf,
        /// A destruction register that may know of later erasures (default: the live store's, when there is one)
        #[arg(long)]
        register: Option<PathBuf>,
        #[command(flatten)]
        asker: Asker,
    },
    /// Remove the backups whose time is over, or forget those whose disk was destroyed
    Prune {
        /// A folder of backups that is gone for good: those in it are forgotten; needs --purpose
        #[arg(long, value_name = "FOLDER", requires = "purpose")]
        lost: Option<PathBuf>,
        #[command(flatten)]
        asker: Asker,
    },
}

#[derive(Debug, Args)]
pub(crate) struct HandoverArgs {
    #[command(flatten)]
    pub(crate) store: StoreOf,
    #[command(subcommand)]
    pub(crate) what: HandoverCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HandoverCommand {
    /// The receiver's side: make a key, and print the public half that whoever hands over needs
    Key {
        /// The file with the secret half: read when it is there, else made
        #[arg(long)]
        identity: PathBuf,
    },
    /// Pack a controller's recordings for it, sealed for its key; needs its decision and --purpose
    Create {
        /// Whose
        #[arg(long)]
        controller: String,
        /// Only calls from this kommun
        #[arg(long)]
        kommun: Option<String>,
        /// Only those that began before this day, such as 2020-01-01
        #[arg(long)]
        before: Option<String>,
        /// The file that the receiver's `vaxel handover key` printed
        #[arg(long)]
        receiver: PathBuf,
        /// The package
        #[arg(long)]
        to: PathBuf,
        #[command(flatten)]
        asker: Asker,
    },
    /// The receiver's side: open a package, check every file, sign a receipt; exit code 1 when it isn't what was packed
    Verify {
        /// The package
        package: PathBuf,
        /// The file with the secret key it is sealed for
        #[arg(long)]
        identity: PathBuf,
        /// Unpack it to this new folder
        #[arg(long)]
        out: Option<PathBuf>,
        /// Where the receipt is written (default: the package's name with .receipt.json)
        #[arg(long)]
        receipt: Option<PathBuf>,
    },
    /// Take a receipt: what it is of counts as handed over, and goes here when retention lets it go
    Close {
        /// The receipt
        receipt: PathBuf,
        #[command(flatten)]
        asker: Asker,
    },
    /// The hand-overs there are
    List,
}

#[derive(Debug, Args)]
pub(crate) struct UttagArgs {
    #[command(flatten)]
    pub(crate) store: StoreOf,
    #[command(subcommand)]
    pub(crate) what: UttagCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UttagCommand {
    /// Take an order on. No personal data may be in it: a person is named by a link with the patientID only
    Order {
        /// A JSON object with the fields below, instead of them
        #[arg(long, conflicts_with_all = ["kind", "asked_by", "controller", "orderer", "patient", "from", "until"])]
        form: Option<PathBuf>,
        /// What is extracted: access-log, content or register
        #[arg(long)]
        kind: Option<String>,
        /// On whose behalf: care-provider or resident
        #[arg(long)]
        asked_by: Option<String>,
        /// Whose data: an organisation's id in the scenario
        #[arg(long)]
        controller: Option<String>,
        /// The orderer's HSA id
        #[arg(long)]
        orderer: Option<String>,
        /// The link that holds the patientID, such as https://.../?patientID=...
        #[arg(long)]
        patient: Option<String>,
        /// First day, such as 2018-01-01
        #[arg(long)]
        from: Option<String>,
        /// First day after the last
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        asker: Asker,
    },
    /// Check in the HSA catalogue that the orderer is verksamhetschef, and send the order to the supplier
    Check {
        /// The extract's number
        id: String,
        #[command(flatten)]
        asker: Asker,
    },
    /// Make the extract, sealed for a key of its own; the key goes to the orderer by another channel
    Deliver {
        /// The extract's number
        id: String,
        /// The folder for the sealed extract
        #[arg(long)]
        to: PathBuf,
        /// The supplier's file that ties patientIDs to numbers: CSV with the columns patient_id,number
        #[arg(long)]
        lookup: Option<PathBuf>,
        /// Write the secret to this file, for the SMS, instead of printing it once
        #[arg(long)]
        secret: Option<PathBuf>,
        #[command(flatten)]
        asker: Asker,
    },
    /// Close an extract: the orderer has been told
    Close {
        /// The extract's number
        id: String,
        #[command(flatten)]
        asker: Asker,
    },
    /// Every extract and where it is
    List,
}
