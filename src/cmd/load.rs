//! `vaxel load`: places calls and tells where they went.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use callcore::kommun::KommunId;
use simulator::load::{self, Hold, LoadPlan, LoadReport, PLACED_LATE_MAX};

use super::{follow, signals::EndWanted};
use crate::{cli::LoadArgs, failure::Failure, show};

pub(crate) async fn run(args: LoadArgs) -> Result<ExitCode, Failure> {
    let mut end = EndWanted::listen()?;
    let run = load::start(plan(&args)?)
        .await
        .map_err(|error| match error {
            load::LoadError::Bind(_) | load::LoadError::Unbelieved { .. } => {
                Failure::run(error.to_string())
            }
            _ => Failure::usage(error.to_string()),
        })?;
    let report = follow(run, Some(args.calls), &mut end).await;
    if args.json {
        show::json(&report)?;
    } else {
        print(&report, &args.to)?;
    }
    if report.is_placed_too_late() {
        show::note(format_args!(
            "vaxel: warning: this load generator is the bottleneck, and not the switch: one call in a hundred was placed {:.0} ms after \
             its time or later ({} ms is the most that counts as in time); lower --rate, or play parts of the load from several machines{}",
            report.placed_late.p99_ms,
            PLACED_LATE_MAX.as_millis(),
            if args.no_audio {
                ""
            } else {
                ", or add --no-audio"
            }
        ));
    }
    let not_well = report.failed_total() + report.abandoned + report.unreached + report.not_placed;
    let clean = not_well == 0;
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn plan(args: &LoadArgs) -> Result<LoadPlan, Failure> {
    let kommun = args.kommun.as_deref().map(|code| {
        KommunId::parse(code).ok_or_else(|| {
            Failure::usage(format!("{code} is no kommun-ID: four digits, such as 0180"))
        })
    });
    let tls = args.ca.as_deref().map(|file| {
        gateway::mutual::trusting(file).map_err(|error| Failure::usage(error.to_string()))
    });
    let talk = seconds("--talk", args.talk)?;
    Ok(LoadPlan {
        to: args.to.clone(),
        next_hop: None,
        rate: args.rate,
        calls: Some(args.calls),
        seed: args.seed,
        kommun: kommun.transpose()?,
        hold: Hold::Caller(talk..talk),
        patience: seconds("--patience", args.patience)?,
        audio: !args.no_audio,
        tls: tls.transpose()?,
        elsewhere: args.elsewhere,
        // The address that the system would send from.
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        at_once_max: args.at_once,
    })
}

/// Four hours: nobody talks or waits longer.
const SECONDS_MAX: f64 = 14_400.0;

fn seconds(option: &str, given: f64) -> Result<Duration, Failure> {
    if !(0.0..=SECONDS_MAX).contains(&given) {
        return Err(Failure::usage(format!(
            "{option} {given:?}: give 0 to {SECONDS_MAX} seconds"
        )));
    }
    Ok(Duration::from_secs_f64(given))
}

/// What a status means to whoever doesn't know them by heart, where it isn't the switch's own word.
const fn hint(status: u16) -> &'static str {
    match status {
        408 => " (it had no answer from behind it in time)",
        503 => " (full, or stopping)",
        _ => "",
    }
}

fn print(report: &LoadReport, to: &str) -> Result<(), Failure> {
    show::line(format_args!(
        "{} calls in {:.1} s: {} answered, {} completed, {} given up, {} failed, {} not placed",
        report.placed,
        report.seconds,
        report.answered,
        report.completed,
        report.abandoned,
        report.failed_total(),
        report.not_placed
    ))?;
    if report.unreached > 0 {
        show::line(format_args!(
            "  no answer at all: {} (does a switch listen at {to}?)",
            report.unreached
        ))?;
    }
    for (status, count) in &report.failed {
        show::line(format_args!(
            "  failed with {status}{}: {count}",
            hint(*status)
        ))?;
    }
    if !report.by_route.is_empty() {
        show::line(show::table(
            ["went to", "calls"],
            report
                .by_route
                .iter()
                .map(|(route, n)| [route.clone(), n.to_string()]),
        ))?;
    }
    let delay = &report.setup_delay;
    // No delay is so short: nobody rang or answered.
    if delay.max_ms > 0.0 {
        show::line(format_args!(
            "setup delay   median {:.1} ms   90 % {:.1}   99 % {:.1}   99.9 % {:.1}   longest {:.1}",
            delay.p50_ms, delay.p90_ms, delay.p99_ms, delay.p999_ms, delay.max_ms
        ))?;
    }
    let late = &report.placed_late;
    if report.placed > 0 {
        show::line(format_args!(
            "placed late   median {:.1} ms   99 % {:.1}   longest {:.1}",
            late.p50_ms, late.p99_ms, late.max_ms
        ))?;
    }
    if report.rtp_sent > 0 {
        show::line(format_args!(
            "audio         {} packets sent, {} heard, {} lost; {} calls silent",
            report.rtp_sent, report.rtp_heard, report.rtp_lost, report.silent
        ))?;
    }
    if report.encrypted > 0 {
        show::line(format_args!(
            "              of {} answered calls {} encrypted (SRTP)",
            report.answered, report.encrypted
        ))?;
    }
    Ok(())
}
