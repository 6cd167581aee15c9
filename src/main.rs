//! `vaxel`: a call-routing and recording gateway simulator for 1177.
//!
//! The command only reads arguments, starts the rooms and prints. Exit codes: 0 ok, 1 findings or a failed expectation,
//! 2 wrong usage or configuration, 3 could not run.

mod bounded;
mod cli;
mod cmd;
mod failure;
mod files;
mod given;
mod operator;
mod show;
mod whole_file;

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use mimalloc::MiMalloc;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::{
    cli::{Cli, Command},
    failure::Failure,
};

/// Gives back what an overload needed, which the system's allocator keeps, and costs a call a tenth less (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::run(format!("the async runtime can't start: {error}")).report();
        }
    };
    match runtime.block_on(run(cli.command.unwrap_or_default())) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Demo(args) => cmd::demo::run(args).await,
        Command::Gateway(args) => cmd::gateway::run(args).await,
        Command::Recorder(args) => cmd::recorder::run(args).await,
        Command::Load(args) => cmd::load::run(args).await,
        Command::Replay(args) => cmd::replay::run(&args),
        Command::Simulate(args) => cmd::simulate::run(&args),
        Command::Erlang(args) => cmd::erlang::run(&args),
        Command::Staff(args) => cmd::staff::run(&args),
        Command::Recordings(args) => cmd::recordings::run(args),
        Command::Routes(args) => cmd::routes::run(args.what),
        Command::Explain(args) => cmd::explain::run(&args),
        Command::Incident(args) => cmd::incident::run(&args),
        Command::Ropa(args) => cmd::ropa::run(&args),
        Command::Gallring(args) => cmd::gallring::run(&args),
        Command::Store(args) => cmd::store::run(args),
        Command::Backup(args) => cmd::backup::run(args),
        Command::Handover(args) => cmd::handover::run(args),
        Command::Uttag(args) => cmd::uttag::run(args),
        Command::Completions(args) => cmd::shell::completions(&args),
        Command::Man(args) => cmd::shell::manual(&args),
    }
}

/// As many open files as the system lets us have: a call has four sockets and more, and most systems begin with 1 024.
fn raise_open_files() {
    let allowed = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: allowed.maximum,
        ..allowed
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Logs go to stderr: warnings by default, more with `-v`, or what `VAXEL_LOG` says.
fn start_log(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("VAXEL_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // It would panic where stderr is closed.
        .log_internal_errors(false)
        .init();
}
