//! `vaxel gateway`: a switch alone, with its page. SIGHUP reads the scenario again.

use std::{process::ExitCode, time::Duration};

use dashboards::{Admin, App};
use gateway::{Gateway, Rules};
use tokio::signal::unix::{SignalKind, signal};

use super::end_wanted;
use crate::{cli::GatewayArgs, failure::Failure, files, operator, ports, show};

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
    ports::shift(&mut loaded.scenario, args.shift)?;
    let listen = &mut loaded.scenario.listen;
    listen.sip = args.sip.unwrap_or(listen.sip);
    listen.web = args.web.unwrap_or(listen.web);
    let journal = operator::journal(journal, &loaded);
    let (scenario, file) = files::share(loaded);
    let mut options = operator::options(&file, args.at.as_deref(), args.seed)?;
    options.history = history;
    options.ledger = ledger;
    options.calls = calls;
    options.journal = journal;
    let title = scenario.org(scenario.operator).name.to_string();
    let web = scenario.listen.web;
    let token = admin_token.as_deref().map(files::read_secret).transpose()?;
    let gateway = Gateway::start(scenario, options).await?;
    let admin = token.map(|token| Admin::new(gateway.rules().clone(), &token));
    let admin = admin
        .transpose()
        .map_err(|weak| Failure::usage(weak.to_string()))?;
    let app = App {
        title,
        gateway: gateway.monitor().clone(),
        recorder: None,
        admin,
    };
    let server = dashboards::serve(web, app).await?;
    show::note(format_args!(
        "calls: sip:1177@{}   page: http://{}   stop: Ctrl-C",
        gateway.sip_addr(),
        server.addr()
    ));
    tokio::select! {
        () = end_wanted() => {}
        () = reread_on_hangup(gateway.rules(), &args.config) => {}
    }
    drain(&gateway, Duration::from_secs(drain_s)).await;
    show::note("ending calls");
    gateway.stop().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Takes no new calls and lets those in progress end: until none is left, the time is up, or somebody asks again.
async fn drain(gateway: &Gateway, patience: Duration) {
    gateway.drain();
    let mut live = gateway.monitor().live.clone();
    let calls = live.borrow().calls_now;
    if calls == 0 || patience.is_zero() {
        return;
    }
    show::note(format_args!(
        "no new calls; {calls} in progress may end within {} s. Stop again to end them now",
        patience.as_secs()
    ));
    tokio::select! {
        _ = live.wait_for(|live| live.calls_now == 0) => {}
        () = tokio::time::sleep(patience) => {}
        () = end_wanted() => {}
    }
}

/// Reads the scenario again at each SIGHUP. A broken one is told of, and the old rules stay.
async fn reread_on_hangup(rules: &Rules, config: &str) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return std::future::pending().await;
    };
    while hangups.recv().await.is_some() {
        let replaced = match std::fs::read_to_string(config) {
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
