//! Arguments of `vaxel store`.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use super::StoreOf;

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) store: StoreOf,
    #[command(subcommand)]
    pub(crate) what: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Try store, keys and listeners as a stranger would; exit code 1 when one gets in
    Check(StrangerArgs),
    /// Tell an index that was lost and made anew of the recordings in S3; a recorder that starts does the same behind its start
    Recover,
    /// Change a controller's key: wrap every data key anew, then destroy the old one; goes on where it stopped
    RotateKey {
        /// Whose key
        #[arg(long)]
        controller: String,
    },
    /// Say that recordings are lost whose keys are there, as after an older backup was restored: rotate-key waits for it. Without
    /// --reason shows which; exit code 1 when there are any
    RecordingsLost {
        /// Whose
        #[arg(long)]
        controller: String,
        /// How they were lost; kept in the controller's access log
        #[arg(long)]
        reason: Option<String>,
        /// Who says so (default: the account on this machine)
        #[arg(long = "as")]
        who: Option<String>,
    },
    /// Say that a controller's access log, which isn't as it was written, is lost: gallring then takes holds from the index
    LogLost {
        /// Whose
        #[arg(long)]
        controller: String,
        /// What happened; kept in the controller's access log
        #[arg(long)]
        reason: String,
        /// Who says so (default: the account on this machine)
        #[arg(long = "as")]
        who: Option<String>,
    },
    /// Say that a controller's key is lost for good: calls are recorded under a new one, and gallring erases what has no key at all; or
    /// that the store's signing key is
    KeyLost {
        /// Whose key
        #[arg(
            long,
            required_unless_present_any = ["recording", "signing_key"],
            conflicts_with_all = ["recording", "signing_key"]
        )]
        controller: Option<String>,
        /// Of one recording instead: its own key, which the backups' key part waits for
        #[arg(long, conflicts_with = "signing_key")]
        recording: Option<String>,
        /// The key that signs access logs and destruction register: they go on under a new one
        #[arg(long)]
        signing_key: bool,
        /// How it was lost; kept in the controller's access log
        #[arg(long)]
        reason: String,
        /// Who says so (default: the account on this machine)
        #[arg(long = "as")]
        who: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StrangerArgs {
    /// A further address to try
    #[arg(long)]
    pub(crate) listener: Vec<SocketAddr>,
    /// Ask every TCP port that something on this machine listens at what it gives away, not only those of the scenario
    #[arg(long)]
    pub(crate) every_port: bool,
    /// The ports were moved by N, as in a demo with --shift
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) shift: u16,
}
