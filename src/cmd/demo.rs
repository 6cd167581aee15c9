//! `vaxel demo`: everything at once, on loopback.
//!
//! Inera's switch and recorder, MedHelp's switch and recorder with their own store and keys, simulated nurses, and
//! live callers. Nothing crosses between the two operators but SIP.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use callcore::{
    scenario::{Scenario, TlsSettings},
    time::Span,
};
use gateway::view::Totals;
use serde::Serialize;
use simulator::load::{self, AT_ONCE_MAX, Hold, LoadHandle, LoadPlan, LoadReport};

use super::{follow, signals::EndWanted};
use crate::{
    cli::DemoArgs,
    failure::{Failure, Taken},
    files,
    operator::{self, Operator},
    show,
};

/// Simulated nurses talk this long before they say goodbye and hang up: real calls take seven minutes, a demo has seconds.
const NURSE_TALKS: std::ops::Range<Duration> = Duration::from_secs(6)..Duration::from_secs(14);

/// And write their notes this long: two minutes would keep every nurse busy at the demo's many calls.
const WRAP_UP: Span = Span::from_secs(3);

/// A demo caller who isn't through by then hangs up.
const PATIENCE: Duration = Duration::from_secs(180);

/// SIP's port for TLS is the one above (RFC 3261 section 19.1.2).
const TLS_PORT_ABOVE: u16 = 1;

/// What a demo run found. The keys are fixed: programs read them.
#[derive(Debug, Serialize)]
struct Summary {
    offered: u64,
    completed: u64,
    /// Ended any other way; `outcomes` says which.
    failed: u64,
    /// Calls by how they ended, as `vaxel_calls_ended_total` has them.
    outcomes: BTreeMap<&'static str, u64>,
    by_route: BTreeMap<String, u64>,
    /// Recordings at this switch, by controller.
    recorded: BTreeMap<String, u64>,
    recorded_at_switch_for_provider: u64,
    unaccounted: u64,
    recording_gaps: u64,
    /// The other operator's own figures, from its own switch.
    provider: Provider,
    callers: LoadReport,
}

#[derive(Debug, Serialize)]
struct Provider {
    operator: String,
    offered: u64,
    completed: u64,
    failed: u64,
    recorded: BTreeMap<String, u64>,
}

/// How far the ports of a demonstration are moved beside another: further than its own lie apart.
const SHIFT_BESIDE: u16 = 100;
/// Where it keeps its recordings then.
const DATA_BESIDE: &str = "demo-2";

pub(crate) async fn run(args: DemoArgs) -> Result<ExitCode, Failure> {
    let beside = |failure: Failure| beside(failure, &args);
    let inera = start("imy-2019", &args, args.journal.clone());
    let inera = inera.await.map_err(beside)?;
    let medhelp = start("medhelp-2019", &args, None).await.map_err(beside)?;
    let mut end = EndWanted::listen()?;
    let load = if args.quiet_callers {
        None
    } else {
        Some(start_callers(&args, inera.gateway.sip_addr()).await?)
    };
    // Nobody is told where to look before callers that can't be played are refused.
    introduce(&inera, &medhelp, args.data.as_deref());
    let callers = match load {
        Some(load) => follow(load, args.calls, &mut end).await,
        None => {
            end.wanted().await;
            LoadReport::default()
        }
    };
    let totals = inera.stop().await;
    let provider = medhelp.stop().await;
    let summary = summary(totals, provider, callers);
    if args.json {
        show::json(&summary)?;
    } else {
        print(&summary)?;
    }
    let kept = summary.recorded_at_switch_for_provider == 0 && summary.unaccounted == 0;
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// What to type where another demonstration, or another program, has what this one needs.
fn beside(failure: Failure, args: &DemoArgs) -> Failure {
    let typed = |shift: u16, data: &Path| {
        format!(
            "Or run this demonstration beside it: vaxel demo --shift {shift} --data {}",
            data.display()
        )
    };
    let further = args.shift.saturating_add(SHIFT_BESIDE);
    let other = Path::new(DATA_BESIDE);
    match failure.taken() {
        None => failure,
        // Who moved the ports has said which are free.
        Some(Taken::Store(process)) => Failure::run(format!(
            "another demonstration has the recordings in {} (process {process}): stop it. {}",
            args.data.as_deref().unwrap_or(Path::new(".")).display(),
            typed(if args.shift == 0 { further } else { args.shift }, other)
        )),
        Some(Taken::Address) => {
            let more = typed(further, args.data.as_deref().unwrap_or(other));
            failure.adding(&more)
        }
    }
}

async fn start(name: &str, args: &DemoArgs, journal: Option<PathBuf>) -> Result<Operator, Failure> {
    let mut loaded = files::load(name)?;
    files::settle(&mut loaded.scenario, args.data.as_deref());
    for queue in &mut loaded.scenario.queues {
        queue.wrap_up = WRAP_UP;
    }
    gateway::shift(&mut loaded.scenario, args.shift)?;
    let folder = args.data.as_deref().unwrap_or(Path::new("."));
    secure(
        &mut loaded.scenario,
        &folder.join("recordings").join(name).join("tls"),
    )?;
    let journal = operator::journal(journal, &loaded);
    let (scenario, file) = files::share(loaded);
    let mut options = operator::options(&file, args.at.as_deref(), args.seed)?;
    options.journal = journal;
    options.nurse_talks = Some(NURSE_TALKS);
    Operator::start(scenario, options).await
}

/// Turns on SIP over TLS, by a certificate of the demo's own; one that is there is kept, so that a phone may be told to trust it.
fn secure(scenario: &mut Scenario, folder: &Path) -> Result<(), Failure> {
    let files = gateway::mutual::kept(folder, &["localhost", "127.0.0.1"])
        .map_err(|error| Failure::run(error.to_string()))?;
    let text = |path: &Path| path.to_string_lossy().into_owned().into_boxed_str();
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map(|path| text(&path))
            .map_err(|error| Failure::run(error.to_string()))
    };
    let mut addresses = scenario.listen.sip.clone();
    for address in &mut addresses {
        address.set_port(address.port() + TLS_PORT_ABOVE);
    }
    scenario.listen.tls = Some(TlsSettings {
        addresses,
        certificate: absolute(&files.certificate)?,
        key: absolute(&files.key)?,
        peers_ca: files.peers_ca.as_deref().map(absolute).transpose()?,
        trusted_names: Vec::new(),
    });
    Ok(())
}

async fn start_callers(args: &DemoArgs, switch: SocketAddr) -> Result<LoadHandle, Failure> {
    let plan = LoadPlan {
        to: format!("sip:1177@{switch}"),
        next_hop: None,
        rate: args.rate,
        calls: args.calls,
        seed: args.seed,
        kommun: None,
        hold: Hold::FarEnd(PATIENCE),
        patience: PATIENCE,
        audio: true,
        tls: None,
        elsewhere: false,
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        at_once_max: AT_ONCE_MAX,
    };
    load::start(plan)
        .await
        .map_err(|error| Failure::usage(error.to_string()))
}

fn introduce(inera: &Operator, medhelp: &Operator, data: Option<&Path>) {
    // What is said here can be typed as it stands.
    let there = data.map(|data| format!(" --data {}", data.display()));
    let there = there.unwrap_or_default();
    let ca = data
        .unwrap_or(Path::new(""))
        .join("recordings/imy-2019/tls/ca.pem");
    let fixed = inera.gateway.monitor().fixed.borrow().clone();
    let external = fixed
        .kommuner
        .iter()
        .filter(|kommun| kommun.external)
        .count();
    show::note(format_args!(
        "
  1177 on {}, as the sources describe it: {} kommuner are answered by their own regions and recorded,
  {external} leave for a care provider and are not recorded here.

  Look        {}          (the provider's own side: {})
  Call in     sip:1177@{} with the header  X-Kommun-ID: 0488  (Trosa)
              or, from any SIP phone, dial   sip:11770488@{}   (1177 and a kommun-ID)
              or by TLS  sips:11770488@{}   (trust {})
  Recordings  vaxel recordings list{there}          (encrypted; each with controller and retention)
  Stop        Ctrl-C
",
        inera.gateway.monitor().live.borrow().clock.get(..10).unwrap_or("a day"),
        fixed.kommuner.len() - external,
        inera.page(),
        medhelp.page(),
        inera.gateway.sip_addr(),
        inera.gateway.sip_addr(),
        inera.gateway.tls_addr().unwrap_or_else(|| inera.gateway.sip_addr()),
        ca.display(),
    ));
}

fn summary(totals: Totals, provider: Totals, callers: LoadReport) -> Summary {
    Summary {
        offered: totals.offered,
        completed: totals.completed,
        failed: totals.failed,
        outcomes: totals.outcomes,
        by_route: totals.by_route,
        recorded: totals.recorded,
        recorded_at_switch_for_provider: totals.recorded_at_switch_for_provider,
        unaccounted: totals.unaccounted,
        recording_gaps: totals.recording_gaps,
        provider: Provider {
            operator: "medhelp".to_owned(),
            offered: provider.offered,
            completed: provider.completed,
            failed: provider.failed,
            recorded: provider.recorded,
        },
        callers,
    }
}

fn print(summary: &Summary) -> Result<(), Failure> {
    // Who gave up or rang off didn't fail: each outcome by its name.
    let others = summary.outcomes.iter();
    let others = others.filter(|(name, _)| !matches!(**name, "completed" | "handed_over"));
    let others: String = others
        .map(|(name, calls)| format!(", {calls} {}", name.replace('_', " ")))
        .collect();
    show::line(format_args!(
        "{} calls offered, {} completed{others}",
        summary.offered, summary.completed
    ))?;
    let rows = summary
        .by_route
        .iter()
        .map(|(route, calls)| [route.clone(), calls.to_string()]);
    show::line(show::table(["route", "calls"], rows))?;
    let rows = summary
        .recorded
        .iter()
        .map(|(controller, calls)| [controller.clone(), calls.to_string()]);
    show::line(show::table(["controller", "recorded here"], rows))?;
    show::line(format_args!(
        "recorded for the external provider at the switch: {}",
        summary.recorded_at_switch_for_provider
    ))?;
    show::line(format_args!(
        "the provider's own switch ({}): {} calls, recorded by itself: {}",
        summary.provider.operator,
        summary.provider.offered,
        summary.provider.recorded.values().sum::<u64>()
    ))?;
    if summary.recording_gaps > 0 {
        show::line(format_args!(
            "recordings with a gap: {}",
            summary.recording_gaps
        ))?;
    }
    Ok(())
}
