//! `vaxel routes explain`: one call, who answers it, whose data it makes, and why not the other rules.

use std::process::ExitCode;

use callcore::{
    explain::{Explained, explain},
    origin::Origin,
};

use crate::{cli::ExplainCallArgs, failure::Failure, files, show};

pub(crate) fn run(args: &ExplainCallArgs) -> Result<ExitCode, Failure> {
    let scenario = files::load(&args.config)?.scenario;
    let at = files::moment_or_now(args.at.as_deref())?;
    let origin = Origin::from_code(&args.kommun);
    let Some(explained) = explain(&scenario, origin, at) else {
        show::note(format_args!(
            "vaxel: no rule of {} takes this call; `vaxel routes check` tells more",
            args.config
        ));
        return Ok(ExitCode::from(1));
    };
    if args.json {
        show::json(&explained)?;
    } else {
        print(&explained, origin)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(explained: &Explained, origin: Origin) -> Result<(), Failure> {
    let line = |what: &str, text: &str| show::line(format_args!("{what:13} {text}"));
    let from = match (&explained.kommun, &explained.region) {
        (Some(kommun), Some(region)) => format!("kommun {kommun}, region {region}"),
        _ => format!("{} kommun: {}", origin.class(), origin.reason()),
    };
    line("caller", &from)?;
    line("route", &explained.route)?;
    let leaves = explained
        .handover
        .map(|handover| format!(", leaving this switch ({handover})"));
    line(
        "destination",
        &format!("{}{}", explained.destination, leaves.unwrap_or_default()),
    )?;
    line(
        "recorded",
        &match (explained.recorded, &explained.recorded_by) {
            (true, Some(by)) => format!("here, by {by}"),
            (false, Some(by)) => format!("not here; by {by}, in its own system"),
            _ => "no".to_owned(),
        },
    )?;
    line(
        "hears first",
        explained.announcement.as_deref().unwrap_or("nothing"),
    )?;
    line(
        "agreement",
        explained.agreement.as_deref().unwrap_or("none"),
    )?;
    if let Some(kept) = &explained.retention {
        let latest = kept
            .latest
            .as_deref()
            .map(|latest| format!(", at the latest {latest}"));
        line(
            "erasable",
            &format!(
                "from {}{} ({})",
                kept.earliest,
                latest.unwrap_or_default(),
                kept.basis
            ),
        )?;
    }
    show::line("")?;
    let rows = explained.controllers.iter().map(|(datum, controller)| {
        let processors = explained.processors.get(datum).map(|list| list.join(", "));
        [
            (*datum).to_owned(),
            controller.clone(),
            processors.unwrap_or_default(),
        ]
    });
    show::line(format_args!(
        "{}",
        show::table(["datum", "controller", "processors"], rows)
    ))?;
    show::line(format_args!("\nrules that lost:"))?;
    for rule in &explained.losing_rules {
        show::line(format_args!("  {:22} {}", rule.name, rule.reason))?;
    }
    show::line(format_args!("\ntable digest  {}", explained.digest))?;
    Ok(())
}
