//! `vaxel recorder`: a SIPREC server alone.

use std::{process::ExitCode, sync::Arc};

use tokio::signal::unix::{Signal, SignalKind};

use super::signals::{EndWanted, listen_for};
use crate::{
    cli::{RecorderArgs, RecorderCommand},
    failure::Failure,
    files, operator, show,
};

pub(crate) async fn run(args: RecorderArgs) -> Result<ExitCode, Failure> {
    if let Some(RecorderCommand::Token(token)) = args.what {
        return super::tokens::run(token);
    }
    let args = args.run;
    let mut loaded = files::load(&args.config)?;
    files::settle(&mut loaded.scenario, args.data.as_deref());
    gateway::shift(&mut loaded.scenario, args.shift)?;
    if let Some(settings) = &mut loaded.scenario.recorder {
        match args.sip.as_slice() {
            [] => {}
            [sip] => settings.siprec = format!("sip:recorder@{sip}").into(),
            _ => {
                return Err(Failure::usage(
                    "the recorder listens at one address: give --sip once",
                ));
            }
        }
        if let Some(web) = args.web {
            settings.api = web.to_string().into();
        }
    }
    let at = args.at.as_deref().map(files::moment).transpose()?;
    let scenario = Arc::new(loaded.scenario);
    let recorder = operator::start_recorder(&scenario).await?;
    let mut end = EndWanted::listen()?;
    let mut for_switches = ForSwitches::listen()?;
    let server = operator::serve_recorder(&scenario, &recorder, at).await?;
    show::note(format_args!(
        "SIPREC: sip:recorder@{}   figures: {}/metrics   stop: Ctrl-C",
        recorder.sip_addr(),
        server.url()
    ));
    tokio::select! {
        () = end.wanted() => {}
        () = for_switches.declined() => {}
    }
    show::note("closing recordings");
    recorder.stop().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Signals that ask a switch for something, often every `vaxel` of a machine at once: unheard, they would end a recorder in mid-call.
struct ForSwitches {
    reread: Signal,
    anew: Signal,
}

impl ForSwitches {
    fn listen() -> Result<Self, Failure> {
        Ok(Self {
            reread: listen_for(SignalKind::hangup())?,
            anew: listen_for(SignalKind::user_defined2())?,
        })
    }

    /// Says of each that nothing comes of it, for as long as it is waited for.
    async fn declined(&mut self) {
        loop {
            let name = tokio::select! {
                Some(()) = self.reread.recv() => "SIGHUP",
                Some(()) = self.anew.recv() => "SIGUSR2",
                else => std::future::pending().await,
            };
            show::note(format_args!(
                "{name} is for a switch: a recorder goes on as it is, and reads its scenario when it is stopped and started again"
            ));
        }
    }
}
