//! The arguments.

mod keeping;
mod recorder;
mod routes;
mod store;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, builder::RangedU64ValueParser};

pub(crate) use self::{keeping::*, recorder::*, routes::*, store::*};

/// A call-routing and recording gateway simulator for 1177, Sweden's health-care advice number.
///
/// Without a subcommand: `vaxel demo`.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Log more: -v what happens to calls, -vv everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 ok; 1 findings, failed calls, or interrupted with a part of the result; 2 wrong usage or \
configuration, also a file that was named and isn't there; 3 could not run (disk, network, a port in use)";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See it all work: Inera's switch and recorder, MedHelp's beside them, nurses, and live callers
    Demo(DemoArgs),
    /// Run a switch alone
    Gateway(GatewayArgs),
    /// Run a recorder alone, or make tokens for its API
    Recorder(RecorderArgs),
    /// Place calls with audio against a switch, this one or anyone else's
    Load(LoadArgs),
    /// Repeat a switch's journal and compare: 0 the same, 1 a difference
    Replay(ReplayArgs),
    /// Run a scenario in virtual time
    Simulate(SimulateArgs),
    /// What the Erlang formulas say of one queue
    Erlang(ErlangArgs),
    /// Nurses by hour for a service level, by formula and checked by simulation
    Staff(StaffArgs),
    /// List, show, export, hold and verify recordings, and hold them against the calls there were
    Recordings(RecordingsArgs),
    /// Check, explain, list, test and compare routing rules
    Routes(RoutesArgs),
    /// What a finding's code means, such as V0301
    Explain(ExplainArgs),
    /// Work out a personal-data incident: who is controller, how many calls, who tells whom by when
    Incident(IncidentArgs),
    /// The register of processing activities (GDPR Art. 30), from a scenario
    Ropa(RopaArgs),
    /// What is due to be erased, and erasing it under the controllers' decisions
    Gallring(GallringArgs),
    /// Try what is kept as a stranger would, change a controller's key, recover an index that was lost
    Store(StoreArgs),
    /// Copies in another place, tried by restoring them
    Backup(BackupArgs),
    /// Hand a controller its recordings; with its receipt they go here
    Handover(HandoverArgs),
    /// Extracts of personal data: order, check, deliver, close
    Uttag(UttagArgs),
    /// What a shell completes this command's words by, on stdout
    Completions(CompletionsArgs),
    /// The manual page on stdout, or with --to every command's own
    Man(ManArgs),
}

impl Default for Command {
    fn default() -> Self {
        Self::Demo(DemoArgs {
            calls: None,
            rate: DEMO_RATE,
            seed: 1,
            at: Some(DEMO_MOMENT.to_owned()),
            data: None,
            json: false,
            quiet_callers: false,
            journal: None,
            shift: 0,
        })
    }
}

/// A weekday morning in November 2018: three regions' calls still go to MedHelp.
pub(crate) const DEMO_MOMENT: &str = "2018-11-05T10:00";
/// Calls a second in the demo: enough to look at, seldom enough to follow.
const DEMO_RATE: f64 = 2.0;

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct DemoArgs {
    /// Stop after this many calls and print a summary (default: go on until Ctrl-C)
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "quiet_callers")]
    pub(crate) calls: Option<u64>,
    /// New calls a second
    #[arg(long, default_value_t = DEMO_RATE)]
    pub(crate) rate: f64,
    /// Seed of everything drawn by chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What the switch's clock shows at the start, Swedish time
    #[arg(long, default_value = DEMO_MOMENT)]
    pub(crate) at: Option<String>,
    /// Where recordings and keys are put (default: the folder `recordings` here)
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Print the summary as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// No simulated callers: only your own phone
    #[arg(long)]
    pub(crate) quiet_callers: bool,
    /// Move every port by N, so that two demos can run side by side, each with its own --data
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) shift: u16,
    /// A new file for the journal of Inera's switch; `vaxel replay` repeats it
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// A file with the token that permits replacing the rules by `vaxel routes apply` or POST /api/routes
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_token: Option<PathBuf>,
    /// Where the boundary ledger is kept: each operation on personal data, who did it, for whom; `vaxel ropa --ledger` reads it
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// The folder where it is said of each call whether it should have been recorded; `vaxel recordings reconcile` reads it
    #[arg(long, value_name = "FOLDER")]
    pub(crate) calls: Option<PathBuf>,
    /// Where replacements of the rules are kept, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    /// How long calls in progress may go on after the first signal to stop, in seconds; a second signal ends them
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(crate) drain_s: u64,
    /// A new file for the journal: everything that happens, callers under pseudonyms; `vaxel replay` repeats it
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario file, or the name of a built-in one: today, imy-2019, medhelp-2019, jamtland-2025, voice-nas-2019,
    /// winter, erlang-check
    #[arg(long, default_value = "today")]
    pub(crate) config: String,
    /// What the clock shows at the start, Swedish time, such as 2018-11-05T22:15 (default: now)
    #[arg(long)]
    pub(crate) at: Option<String>,
    /// Listen for SIP here instead of where the scenario says; may be given several times
    #[arg(long)]
    pub(crate) sip: Vec<SocketAddr>,
    /// Serve the web page or API here instead of where the scenario says
    #[arg(long)]
    pub(crate) web: Option<SocketAddr>,
    /// Move every port of the scenario on this machine by N, its recorder's and providers' too
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) shift: u16,
    /// Folder that relative store and key paths of the scenario start from (default: here)
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Seed of everything drawn by chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The journal
    #[arg(value_name = "FILE")]
    pub(crate) journal: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct LoadArgs {
    /// Whom to call, a SIP URI with an IP address: by UDP, with `;transport=tcp` by TCP, with `;transport=tls` or as `sips:` by TLS
    #[arg(long, default_value = "sip:1177@127.0.0.1:5060")]
    pub(crate) to: String,
    /// Call another machine: one that is yours, and takes no real calls
    #[arg(long)]
    pub(crate) elsewhere: bool,
    /// The CA certificates (PEM) that a switch called by TLS has to prove itself by; audio is encrypted where it takes keys
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// New calls a second, on average
    #[arg(long, default_value_t = 10.0)]
    pub(crate) rate: f64,
    /// How many calls
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) calls: u64,
    /// Seed of everything drawn by chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Every caller's kommun, four digits (default: drawn by population)
    #[arg(long)]
    pub(crate) kommun: Option<String>,
    /// Seconds from answer to hang-up; announcements are part of it: who leaves before a nurse has the call is recorded nowhere
    #[arg(long, default_value_t = 5.0)]
    pub(crate) talk: f64,
    /// Seconds that a caller lets it ring before giving up
    #[arg(long, default_value_t = simulator::load::PATIENCE.as_secs_f64())]
    pub(crate) patience: f64,
    /// Signalling only, no audio
    #[arg(long)]
    pub(crate) no_audio: bool,
    /// Calls at once, at most; what comes beyond isn't placed
    #[arg(long, default_value_t = simulator::load::AT_ONCE_MAX, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) at_once: usize,
    /// Print the figures as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// More threads than any machine has processors to spare for a plan.
pub(crate) const THREADS_MAX: u16 = 256;

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct SimulateArgs {
    /// The scenario file, or the name of a built-in one
    #[arg(default_value = "today")]
    pub(crate) scenario: String,
    /// First day, such as 2026-03-02 (default: the scenario's, or the first Monday of 2026)
    #[arg(long)]
    pub(crate) start: Option<String>,
    /// First day after the last (default: by --days, or the scenario's)
    #[arg(long, conflicts_with = "days")]
    pub(crate) until: Option<String>,
    /// How many days
    #[arg(long)]
    pub(crate) days: Option<u32>,
    /// Seed of everything drawn by chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many runs with different seeds, for confidence intervals (default: the scenario's, or 1)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) replications: Option<u32>,
    /// Threads; the result is the same for any number (default: one a processor)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(THREADS_MAX)))]
    pub(crate) threads: Option<u16>,
    /// A value instead of the scenario's, such as calls_per_year=6300000; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Run twice and compare
    #[arg(long)]
    pub(crate) twice: bool,
    /// Real calls instead of drawn ones: CSV or Parquet with the columns time, kommun, talk_s
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,
    /// Compare with another scenario (a file or a built-in name), which is run with the same callers and without --set,
    /// or with the JSON that another run printed. With --report, the report shows both
    #[arg(long, value_name = "OTHER")]
    pub(crate) against: Option<String>,
    /// Write a report with pictures, one HTML file that needs no network
    #[arg(long, value_name = "HTML")]
    pub(crate) report: Option<PathBuf>,
    /// Write every call as CSV
    #[arg(long, value_name = "CSV")]
    pub(crate) calls_csv: Option<PathBuf>,
    /// Write every hour of every queue as CSV
    #[arg(long, value_name = "CSV")]
    pub(crate) hours_csv: Option<PathBuf>,
    /// Write every call as Parquet
    #[arg(long, value_name = "PARQUET")]
    pub(crate) calls_parquet: Option<PathBuf>,
    /// Write every hour of every queue as Parquet
    #[arg(long, value_name = "PARQUET")]
    pub(crate) hours_parquet: Option<PathBuf>,
    /// Print the figures as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct ErlangArgs {
    /// Calls an hour
    #[arg(long)]
    pub(crate) lambda_per_h: f64,
    /// Conversations that one agent ends an hour
    #[arg(long)]
    pub(crate) mu_per_h: f64,
    /// How often a waiting caller gives up an hour; 0 for never
    #[arg(long, default_value_t = 0.0)]
    pub(crate) theta_per_h: f64,
    /// Agents
    #[arg(long)]
    pub(crate) agents: u32,
    /// Answered within so many seconds counts as in time
    #[arg(long, default_value_t = simulator::summary::SERVICE_GOAL_S)]
    pub(crate) within_s: f64,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct StaffArgs {
    /// The scenario file, or the name of a built-in one
    #[arg(default_value = "today")]
    pub(crate) scenario: String,
    /// The region, two digits
    #[arg(long)]
    pub(crate) region: String,
    /// The service level: this many per cent of callers answered within so long
    #[arg(long, default_value = "80/180s")]
    pub(crate) sl: String,
    /// First day of the weeks that are looked at
    #[arg(long, default_value = "2026-01-12")]
    pub(crate) start: String,
    /// How many weeks
    #[arg(long, default_value_t = 8)]
    pub(crate) weeks: u32,
    /// Seed of everything drawn by chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Callers who wait never give up: Erlang C instead of A
    #[arg(long)]
    pub(crate) patient: bool,
    /// Print the numbers as pieces of a scenario (TOML), with those who rest or are ill made up for
    #[arg(long, conflicts_with = "json")]
    pub(crate) roster: bool,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecordingsArgs {
    #[command(flatten)]
    pub(crate) store: StoreOf,
    #[command(subcommand)]
    pub(crate) what: RecordingsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordingsCommand {
    /// List recordings, newest first
    List {
        /// Only this controller's
        #[arg(long)]
        controller: Option<String>,
        /// Only calls from this kommun
        #[arg(long)]
        kommun: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 50, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
        limit: usize,
    },
    /// Show one recording's tag and streams; written to the access log
    Show {
        /// Its id, or the beginning of it
        id: String,
        #[command(flatten)]
        asker: Asker,
    },
    /// Write one recording as a two-channel WAV file with its tag, or as a vCon; needs --purpose, written to the access log
    Export {
        /// Its id, or the beginning of it
        id: String,
        /// Where to write it (default: the id with .wav or .vcon.json)
        #[arg(long, short)]
        out: Option<PathBuf>,
        /// A sound file, or a vCon 0.4.0 with who spoke, the sound and the tag
        #[arg(long, value_enum, default_value_t = ExportFormat::Wav)]
        format: ExportFormat,
        /// The https:// address at which the sound of a vCon will be; it is then written beside the vCon, not into it
        #[arg(long, value_name = "URL")]
        audio_url: Option<String>,
        #[command(flatten)]
        asker: Asker,
    },
    /// Check the access logs, the destruction register and every recording; exit code 1 when one isn't as it was written
    Verify,
    /// Order that a recording stay, until it is released
    Hold {
        /// Its id, or the beginning of it
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// Who orders it (default: the account on this machine)
        #[arg(long = "as")]
        who: Option<String>,
    },
    /// End every hold on a recording
    Release {
        /// Its id, or the beginning of it
        id: String,
        /// Why; kept in the controller's access log
        #[arg(long, alias = "purpose")]
        reason: String,
        /// Who orders it (default: the account on this machine)
        #[arg(long = "as")]
        who: Option<String>,
    },
    /// Every hold that there is or was
    Holds,
    /// Hold what the switch says of its calls against what is stored; exit code 1 when they differ
    Reconcile(ReconcileArgs),
}

/// As what a recording is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// Two channels, 8 kHz, the tag in its chunks.
    Wav,
    /// JSON, draft-ietf-vcon-vcon-core.
    Vcon,
}

/// Who asks for a recording, and what for.
#[derive(Debug, Args)]
pub(crate) struct Asker {
    /// What for; kept in the controller's access log
    #[arg(long)]
    pub(crate) purpose: Option<String>,
    /// Who asks (default: the account on this machine)
    #[arg(long = "as")]
    pub(crate) who: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The code (default: list them all)
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Whose
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// A folder for `vaxel.1`, `vaxel-demo.1` and so on; it is made when it isn't there
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RopaArgs {
    /// The scenario file, or the name of a built-in one
    #[arg(long, default_value = "imy-2019")]
    pub(crate) config: String,
    /// Only this organisation's register: as controller and as processor
    #[arg(long)]
    pub(crate) organisation: Option<String>,
    /// The day on which decisions are in force or not (default: today)
    #[arg(long)]
    pub(crate) on: Option<String>,
    /// Hold the register against this boundary ledger, as `vaxel gateway --ledger` keeps it
    #[arg(long)]
    pub(crate) ledger: Option<PathBuf>,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct IncidentArgs {
    /// Scenario files, or names of built-in ones; all together say who is what
    #[arg(default_values = ["imy-2019", "medhelp-2019"])]
    pub(crate) scenarios: Vec<String>,
    /// The store that was exposed, by its name in a scenario
    #[arg(long)]
    pub(crate) store: String,
    /// Since when, Swedish time (default: not known)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Until when, Swedish time (default: now)
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// When the controller came to know, Swedish time (default: as --until)
    #[arg(long)]
    pub(crate) discovered: Option<String>,
    /// How many files the store held
    #[arg(long)]
    pub(crate) files: Option<u64>,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}
