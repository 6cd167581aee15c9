//! `vaxel recorder`: a SIPREC server alone.

use std::{process::ExitCode, sync::Arc};

use super::signals::EndWanted;
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
    let server = operator::serve_recorder(&scenario, &recorder, at).await?;
    show::note(format_args!(
        "SIPREC: sip:recorder@{}   figures: {}/metrics   stop: Ctrl-C",
        recorder.sip_addr(),
        server.url()
    ));
    end.wanted().await;
    show::note("closing recordings");
    recorder.stop().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}
