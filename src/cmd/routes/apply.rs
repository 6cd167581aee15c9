//! `vaxel routes apply`: puts a scenario's rules in force at a running switch.

use std::{net::IpAddr, process::ExitCode, time::Duration};

use gateway::Change;
use serde::Deserialize;

use crate::{
    cli::ApplyArgs,
    failure::Failure,
    files::{read, read_secret},
    show,
};

/// A switch answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
}

/// A switch's page answers this machine only. Anywhere else the token would go in the clear, and to whom?
fn stays_here(to: &str) -> Result<(), Failure> {
    let authority = to
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'));
    let is_here = authority.is_some_and(|authority| {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, port)| {
                if port.bytes().all(|byte| byte.is_ascii_digit()) {
                    host
                } else {
                    authority
                }
            });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    if is_here {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--to {to} is not on this machine, and the token would go there in the clear: run this where the switch runs, or through a tunnel to http://127.0.0.1:PORT"
    )))
}

pub(crate) fn run(args: &ApplyArgs) -> Result<ExitCode, Failure> {
    let (text, _) = read(&args.scenario)?;
    let token = read_secret(&args.token)?;
    stays_here(&args.to)?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // The environment may name one, and the token would go to it.
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .build()
        .into();
    let answer = agent
        .post(format!("{}/api/routes", args.to.trim_end_matches('/')))
        .header("Authorization", format!("Bearer {}", token.trim()))
        .header("X-Operator", &args.by)
        .send(text);
    let mut answer = answer
        .map_err(|error| Failure::run(format!("no switch answers at {}: {error}", args.to)))?;
    let body = answer.body_mut().read_to_string().unwrap_or_default();
    if !answer.status().is_success() {
        let said: Option<Refused> = serde_json::from_str(&body).ok();
        let why = said.map_or(body, |refused| refused.error);
        show::note(format_args!("the rules stay as they are: {why}"));
        return Ok(ExitCode::from(1));
    }
    if args.json {
        show::line(body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let change: Change = serde_json::from_str(&body)
        .map_err(|error| Failure::run(format!("the switch's answer can't be read: {error}")))?;
    show::line(format_args!(
        "{}: table {} gave way to {}",
        change.at, change.from, change.to
    ))?;
    Ok(ExitCode::SUCCESS)
}
