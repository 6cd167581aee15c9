//! Arguments of `vaxel store`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) what: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Try store, keys and listeners as a stranger would; exit code 1 when one gets in
    Check {
        /// The scenario that says where they are: a file or a built-in name
        #[arg(long, default_value = "imy-2019")]
        config: String,
        /// Folder that relative store and key paths start from (default: here)
        #[arg(long)]
        data: Option<PathBuf>,
        /// A further address to try
        #[arg(long)]
        listener: Vec<SocketAddr>,
        /// The ports were moved by N, as in a demo with --shift
        #[arg(long, value_name = "N", default_value_t = 0)]
        shift: u16,
        /// Print JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Change a controller's key: wrap every data key anew, then destroy the old one; goes on where it stopped
    RotateKey {
        /// Whose key
        #[arg(long)]
        controller: String,
        /// The scenario that says where the keys are: a file or a built-in name
        #[arg(long, default_value = "imy-2019")]
        config: String,
        /// Folder that relative store and key paths start from (default: here)
        #[arg(long)]
        data: Option<PathBuf>,
    },
}
