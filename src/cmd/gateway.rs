//! `vaxel gateway`: a switch alone, with its page.

use std::process::ExitCode;

use dashboards::App;
use gateway::Gateway;

use super::end_wanted;
use crate::{cli::RunArgs, failure::Failure, files, operator, ports, show};

pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let mut loaded = files::load(&args.config)?;
    ports::shift(&mut loaded.scenario, args.shift)?;
    let listen = &mut loaded.scenario.listen;
    listen.sip = args.sip.unwrap_or(listen.sip);
    listen.web = args.web.unwrap_or(listen.web);
    let (scenario, file) = files::share(loaded);
    let options = operator::options(&file, args.at.as_deref(), args.seed)?;
    let title = scenario.org(scenario.operator).name.to_string();
    let web = scenario.listen.web;
    let gateway = Gateway::start(scenario, options).await?;
    let server = dashboards::serve(
        web,
        App {
            title,
            gateway: gateway.monitor().clone(),
            recorder: None,
        },
    )
    .await?;
    show::note(format_args!(
        "calls: sip:1177@{}   page: http://{}   stop: Ctrl-C",
        gateway.sip_addr(),
        server.addr()
    ));
    end_wanted().await;
    show::note("ending calls");
    gateway.stop().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}
