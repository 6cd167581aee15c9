//! `vaxel recorder`: a SIPREC server alone.

use std::process::ExitCode;

use super::end_wanted;
use crate::{cli::RunArgs, failure::Failure, files, operator, ports, show};

pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let mut loaded = files::load(&args.config)?;
    files::settle(&mut loaded.scenario, args.data.as_deref());
    ports::shift(&mut loaded.scenario, args.shift)?;
    if let Some(settings) = &mut loaded.scenario.recorder {
        if let Some(sip) = args.sip {
            settings.siprec = format!("sip:recorder@{sip}").into();
        }
        if let Some(web) = args.web {
            settings.api = web.to_string().into();
        }
    }
    let scenario = loaded.scenario;
    let recorder = operator::start_recorder(&scenario).await?;
    let server = operator::serve_recorder(&scenario, &recorder).await?;
    show::note(format_args!(
        "SIPREC: sip:recorder@{}   figures: http://{}/metrics   stop: Ctrl-C",
        recorder.sip_addr(),
        server.addr()
    ));
    end_wanted().await;
    show::note("closing recordings");
    recorder.stop().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}
