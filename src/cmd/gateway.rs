//! `vaxel gateway`: a switch alone, with its page. SIGHUP reads the scenario again; SIGUSR2 starts the program anew on the same
//! sockets.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use dashboards::{Admin, AdminToken, App};
use gateway::{Bequest, Gateway, Inherited, Options, Rules};
use tokio::signal::unix::{Signal, SignalKind};

use super::signals::{EndWanted, hold_back, let_through, listen_for};
use crate::{
    bounded,
    cli::GatewayArgs,
    failure::Failure,
    files::{self, Loaded},
    operator, show,
};

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
    /// By this text of the scenario, should its file be spoilt by then.
    StartAnew(String),
}

/// What a letter begins with that is the scenario's text.
const SCENARIO: &[u8] = b"vaxel scenario\n";

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
    let inherited = Inherited::from_env();
    let mut loaded = load(&args.config, args.shift, &inherited)?;
    gateway::shift(&mut loaded.scenario, args.shift)?;
    let listen = &mut loaded.scenario.listen;
    if !args.sip.is_empty() {
        listen.sip = args.sip;
    }
    listen.web = args.web.unwrap_or(listen.web);
    let journal = operator::journal(journal, &loaded);
    let (scenario, file) = files::share(loaded);
    let mut options = operator::options(&file, args.at.as_deref(), args.seed)?;
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
        shift: args.shift,
        token: admin_token.as_deref(),
    };
    let patience = Duration::from_secs(drain_s);
    let wish = until_drained(&gateway, &rules, &mut signals, (next, patience)).await;
    let (wish, mut sockets) = stopped(gateway, wish, &mut signals.end).await;
    server.stop().await;
    match wish {
        Wish::End => Ok(ExitCode::SUCCESS),
        Wish::StartAnew(text) => {
            sockets.append(page);
            Err(start_anew(sockets, &text))
        }
    }
}

/// The scenario as it stands in its file. When it is spoilt since the program before this one looked at it for the last time, and stopped,
/// it is what that one saw: better the switch that was than none.
fn load(config: &str, shift: u16, inherited: &Inherited) -> Result<Loaded, Failure> {
    let Some(before) = inherited.letter_beginning(SCENARIO) else {
        return files::load(config);
    };
    match (usable(config, shift), String::from_utf8(before)) {
        (Err(spoilt), Ok(text)) => {
            let _code = spoilt.report();
            show::note(
                "goes on by the scenario as it was before; once it is whole, SIGHUP or SIGUSR2 reads it again",
            );
            files::loaded(text, PathBuf::from(config))
        }
        (now, _) => now,
    }
}

/// The scenario, when a switch would start by it.
fn usable(config: &str, shift: u16) -> Result<Loaded, Failure> {
    let mut loaded = files::load(config)?;
    gateway::shift(&mut loaded.scenario, shift)?;
    let options = Options::for_file(&loaded.file);
    Gateway::would_start(&loaded.scenario, &options)?;
    files::loaded(loaded.text, loaded.file)
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
            text = start_anew_wanted(&mut signals.start_anew, next) => Wish::StartAnew(text),
            () = reread_on_hangup(&mut signals.reread, rules, next.config) => Wish::End,
        };
        match wish {
            Wish::End => gateway.drain(),
            Wish::StartAnew(_) => gateway.drain_for_next(),
        }
        let drained = drained(gateway, patience, &mut signals.end).await;
        if drained == Drained::Interrupted {
            return Wish::End;
        }
        if matches!(wish, Wish::End) {
            return Wish::End;
        }
        // What it would read may be broken by now: better the switch that is there than none.
        if let Some(text) = next.would_start() {
            return Wish::StartAnew(text);
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
    shift: u16,
    token: Option<&'a Path>,
}

impl Next<'_> {
    /// The text of the scenario by which it would start; `None`: it wouldn't, and why not is told.
    fn would_start(self) -> Option<String> {
        let token = token_in(self.token);
        match token.and_then(|_| usable(self.config, self.shift)) {
            Ok(loaded) => Some(loaded.text),
            Err(failure) => {
                let _code = failure.report();
                show::note("not started anew: the next program would refuse to start");
                None
            }
        }
    }
}

/// Waits for SIGUSR2 and for a moment when there is nothing in the way of starting anew; the scenario's text then.
async fn start_anew_wanted(signals: &mut Signal, next: Next<'_>) -> String {
    loop {
        if signals.recv().await.is_none() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
        if let Some(text) = next.would_start() {
            return text;
        }
    }
}

/// This program once more, in this process, by the same arguments and on the same sockets; where its file can't be run, half of an
/// upgrade perhaps, what runs now is what starts. Comes back only when that fails.
fn start_anew(sockets: Bequest, scenario: &str) -> Failure {
    let failed = |error: std::io::Error| Failure::run(format!("can't start anew: {error}"));
    let program = match std::env::current_exe() {
        Ok(program) => in_place(&program),
        Err(error) => return failed(error),
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    // Before the others: a program that reads one letter only reads the last.
    let mut bequest = Bequest::default();
    if let Err(error) = bequest.leave(&[SCENARIO, scenario.as_bytes()].concat()) {
        tracing::warn!(%error, "the scenario can't be left to the next program, which reads the file");
    }
    bequest.append(sockets);
    match bequest.hand_on(&mut command) {
        Ok(_open) => {
            hold_back();
            let error = command.exec();
            show::note(format_args!(
                "{} can't be started: {error}; goes on by the program that was",
                Path::new(command.get_program()).display()
            ));
            failed(as_it_runs(&command).exec())
        }
        Err(error) => failed(error),
    }
}

/// The same by the program that runs, whether or not its file is there.
fn as_it_runs(command: &Command) -> Command {
    let mut same = Command::new("/proc/self/exe");
    same.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => same.env(name, value),
            None => same.env_remove(name),
        };
    }
    same
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
