//! `vaxel gateway`: a switch alone, with its page. SIGHUP reads the scenario again; SIGUSR2 starts the program anew on the same
//! sockets.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use dashboards::{Admin, AdminToken, App};
use gateway::{Bequest, Gateway, Inherited, Rules};
use tokio::signal::unix::{Signal, SignalKind};

use super::signals::{EndWanted, hold_back, let_through, listen_for};
use crate::{bounded, cli::GatewayArgs, failure::Failure, files, operator, show};

/// How a running switch is asked for something.
struct Signals {
    end: EndWanted,
    start_anew: Signal,
    reread: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let signals = Self {
            end: EndWanted::listen()?,
            start_anew: listen_for(SignalKind::user_defined2())?,
            reread: listen_for(SignalKind::hangup())?,
        };
        // The program before this one may have held them back.
        let_through();
        Ok(signals)
    }
}

/// What a running switch is asked to do.
enum Wish {
    End,
    StartAnew,
}

pub(crate) async fn run(args: GatewayArgs) -> Result<ExitCode, Failure> {
    let GatewayArgs {
        run: args,
        admin_token,
        history,
        ledger,
        calls,
        journal,
        drain_s,
    } = args;
    let mut loaded = files::load(&args.config)?;
    gateway::shift(&mut loaded.scenario, args.shift)?;
    let listen = &mut loaded.scenario.listen;
    if !args.sip.is_empty() {
        listen.sip = args.sip;
    }
    listen.web = args.web.unwrap_or(listen.web);
    let journal = operator::journal(journal, &loaded);
    let (scenario, file) = files::share(loaded);
    let mut options = operator::options(&file, args.at.as_deref(), args.seed)?;
    let inherited = Inherited::from_env();
    options.inherited = inherited.clone();
    options.history = history;
    options.ledger = ledger;
    options.calls = calls;
    options.journal = journal;
    let title = scenario.org(scenario.operator).name.to_string();
    let web = scenario.listen.web;
    let token = token_in(admin_token.as_deref())?;
    let mut signals = Signals::listen()?;
    let mut gateway = Gateway::start(scenario, options).await?;
    tell_what_was_taken_over(&mut gateway).await;
    let rules = gateway.rules().clone().shifted(args.shift);
    let admin = token.map(|token| Admin::new(rules.clone(), token));
    let app = App {
        title,
        gateway: gateway.monitor().clone(),
        recorder: None,
        admin,
    };
    let (server, page) = serve(web, &inherited, app).await?;
    show::note(format_args!(
        "calls: {}   page: http://{}   stop: Ctrl-C",
        calls_to(&gateway),
        server.addr()
    ));
    let next = Next {
        config: &args.config,
        token: admin_token.as_deref(),
    };
    let patience = Duration::from_secs(drain_s);
    let wish = until_drained(&gateway, &rules, &mut signals, (next, patience)).await;
    let (wish, mut sockets) = stopped(gateway, wish, &mut signals.end).await;
    server.stop().await;
    match wish {
        Wish::End => Ok(ExitCode::SUCCESS),
        Wish::StartAnew => {
            sockets.append(page);
            Err(start_anew(sockets))
        }
    }
}

/// The token in its file, when there is to be one. Asked before anything is opened or written.
fn token_in(file: Option<&Path>) -> Result<Option<AdminToken>, Failure> {
    let Some(file) = file else { return Ok(None) };
    AdminToken::parse(&files::read_secret(file)?)
        .map(Some)
        .map_err(|weak| Failure::usage(weak.to_string()))
}

/// Runs until it is to end or to start anew, and lets calls end then.
async fn until_drained(
    gateway: &Gateway,
    rules: &Rules,
    signals: &mut Signals,
    (next, patience): (Next<'_>, Duration),
) -> Wish {
    loop {
        let wish = tokio::select! {
            () = signals.end.wanted() => Wish::End,
            () = start_anew_wanted(&mut signals.start_anew, next) => Wish::StartAnew,
            () = reread_on_hangup(&mut signals.reread, rules, next.config) => Wish::End,
        };
        match wish {
            Wish::End => gateway.drain(),
            Wish::StartAnew => gateway.drain_for_next(),
        }
        let drained = drained(gateway, patience, &mut signals.end).await;
        if drained == Drained::Interrupted {
            return Wish::End;
        }
        // What it would read may be broken by now: better the switch that is there than none.
        if matches!(wish, Wish::End) || next.would_start() {
            return wish;
        }
        gateway.resume();
        show::note("calls are taken again");
    }
}

/// Ends the calls that are left; what is wanted after all, and the sockets.
async fn stopped(gateway: Gateway, wish: Wish, end: &mut EndWanted) -> (Wish, Bequest) {
    show::note("ending calls");
    let (_, sockets) = gateway.stop_and_bequeath().await;
    let ends = end.came().await;
    (if ends { Wish::End } else { wish }, sockets)
}

/// Where it is to be called: an address in each of its networks.
fn calls_to(gateway: &Gateway) -> String {
    let all = gateway.sip_addrs().iter();
    let all: Vec<String> = all.map(|at| format!("sip:1177@{at}")).collect();
    all.join(" ")
}

/// The page, and its listener for the next process. Inherited sockets that nobody has asked for by now are closed.
async fn serve(
    web: SocketAddr,
    inherited: &Inherited,
    app: App,
) -> Result<(dashboards::Server, Bequest), Failure> {
    let listener = dashboards::listen(web, inherited.tcp(web)).await?;
    let mut page = Bequest::default();
    page.keep(&listener)
        .map_err(|error| Failure::run(error.to_string()))?;
    let server = dashboards::serve_on(listener, web, app)?;
    for address in inherited.close_rest() {
        show::note(format_args!(
            "an inherited socket at {address} is of no use here: the scenario names no such address"
        ));
    }
    Ok((server, page))
}

/// What the next program reads before it listens.
#[derive(Clone, Copy)]
struct Next<'a> {
    config: &'a str,
    token: Option<&'a Path>,
}

impl Next<'_> {
    /// Whether it would start; why not is told.
    fn would_start(self) -> bool {
        match files::load(self.config).and_then(|_| token_in(self.token)) {
            Ok(_) => true,
            Err(failure) => {
                let _code = failure.report();
                show::note("not started anew: the next program would refuse to start");
                false
            }
        }
    }
}

/// Waits for SIGUSR2 and for a moment when there is nothing in the way of starting anew.
async fn start_anew_wanted(signals: &mut Signal, next: Next<'_>) {
    while signals.recv().await.is_some() {
        if next.would_start() {
            return;
        }
    }
}

/// This program once more, in this process, by the same arguments and on the same sockets. Comes back only when that fails.
fn start_anew(sockets: Bequest) -> Failure {
    let failed = |error: std::io::Error| Failure::run(format!("can't start anew: {error}"));
    let program = match std::env::current_exe() {
        Ok(program) => in_place(&program),
        Err(error) => return failed(error),
    };
    let mut command = std::process::Command::new(program);
    command.args(std::env::args_os().skip(1));
    match sockets.hand_on(&mut command) {
        Ok(_open) => {
            hold_back();
            failed(command.exec())
        }
        Err(error) => failed(error),
    }
}

/// Where the program is now, when a new one has taken its place: the system adds a word to the path of a file that is gone.
fn in_place(program: &Path) -> PathBuf {
    let path = program.to_string_lossy();
    path.strip_suffix(" (deleted)")
        .map_or_else(|| program.to_owned(), PathBuf::from)
}

/// What the program before this one left, and where its journal goes on.
async fn tell_what_was_taken_over(gateway: &mut Gateway) {
    match gateway.taken_over().await {
        None => return,
        Some(Ok(taken)) => show::note(format_args!(
            "started anew: to be called back {}, phones registered {}, nurses in wrap-up {}",
            taken.callbacks, taken.phones, taken.writing
        )),
        Some(Err(why)) => show::note(format_args!(
            "started anew without what the program before left: {why}. Phones register again; promises to call back are lost"
        )),
    }
    if let Some(journal) = gateway.journal() {
        show::note(format_args!("journal: {}", journal.display()));
    }
}

/// Why a drain is over.
#[derive(PartialEq, Eq)]
enum Drained {
    /// No call is left, or the time is up.
    Done,
    /// Somebody wants the program to end now.
    Interrupted,
}

/// Lets calls in progress end: until none is left, the time is up, or somebody asks again.
async fn drained(gateway: &Gateway, patience: Duration, end: &mut EndWanted) -> Drained {
    if patience.is_zero() {
        return Drained::Done;
    }
    let mut in_hand = gateway.in_hand();
    // What is told is some time old: the first may be of before the drain, the second isn't.
    for _ in 0..2 {
        let _told = in_hand.changed().await;
    }
    let calls = *in_hand.borrow();
    if calls == 0 {
        return Drained::Done;
    }
    show::note(format_args!(
        "no new calls; {calls} in progress may end within {} s. Stop again to end them now",
        patience.as_secs()
    ));
    tokio::select! {
        _ = in_hand.wait_for(|calls| *calls == 0) => Drained::Done,
        () = tokio::time::sleep(patience) => Drained::Done,
        () = end.wanted() => Drained::Interrupted,
    }
}

/// Reads the scenario again at each SIGHUP. A broken one is told of, and the old rules stay.
async fn reread_on_hangup(hangups: &mut Signal, rules: &Rules, config: &str) {
    while hangups.recv().await.is_some() {
        let replaced = match bounded::scenario(Path::new(config)) {
            Ok(text) => rules
                .replace(&text, config, "SIGHUP")
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(format!("{config} can't be read: {error}")),
        };
        match replaced {
            Ok(change) => show::note(format_args!(
                "rules replaced: {} gave way to {}",
                change.from, change.to
            )),
            Err(why) => show::note(format_args!("the rules stay as they are: {why}")),
        }
    }
}
