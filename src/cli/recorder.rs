//! Arguments of `vaxel recorder`, and of holding calls against recordings.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{RunArgs, StoreOf};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RecorderArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(subcommand)]
    pub(crate) what: Option<RecorderCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecorderCommand {
    /// Tokens for the recorder's API: who may ask, and for which organisation
    Token(TokenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) store: StoreOf,
    #[command(subcommand)]
    pub(crate) what: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; its secret is shown once and kept nowhere
    Create {
        /// Whose it is: a person or a system
        #[arg(long)]
        name: String,
        /// The organisation it is bound to, by its id in the scenario
        #[arg(long)]
        organisation: String,
        /// What it permits
        #[arg(long, value_enum)]
        role: RoleName,
        /// Its last day, such as 2027-06-30; at most 366 days from now
        #[arg(long)]
        expires: String,
    },
    /// Every token, without its secret
    List,
    /// End a token now, by its id
    Revoke {
        /// Its id, as the list shows it
        id: String,
    },
    /// Forget tokens that have expired or were revoked
    Prune,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    /// Searches and hears the organisation's recordings
    Reader,
    /// Sees tags, access log, plan and reconciliation of the organisation; hears nothing
    Dpo,
    /// Runs the recorder: figures of every controller, no recording
    Operator,
    /// A switch that says which calls there were
    Switch,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// The folder that a switch writes (default: the scenario's `calls` under [recorder])
    #[arg(long, value_name = "FOLDER")]
    pub(crate) calls: Option<PathBuf>,
    /// Calls that ended then or later, Swedish time (default: all that are known)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// And earlier than this (default: all that are known)
    #[arg(long)]
    pub(crate) until: Option<String>,
}
