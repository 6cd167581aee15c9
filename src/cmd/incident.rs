//! `vaxel incident`: who is what when a store was exposed, and who tells whom by when.

use std::process::ExitCode;

use callcore::{
    incident::{Exposure, Incident, incident},
    scenario::Scenario,
    time::Time,
};

use crate::{cli::IncidentArgs, failure::Failure, files, show};

pub(crate) fn run(args: &IncidentArgs) -> Result<ExitCode, Failure> {
    let mut scenarios = Vec::new();
    for name in &args.scenarios {
        scenarios.push(files::load(name)?.scenario);
    }
    let scenarios: Vec<&Scenario> = scenarios.iter().collect();
    let moment = |text: &Option<String>| -> Result<Option<Time>, Failure> {
        let stamp = text.as_deref().map(files::moment).transpose()?;
        Ok(stamp.map(Time::from))
    };
    let until = files::moment_or_now(args.until.as_deref())?;
    let exposure = Exposure {
        store: &args.store,
        from: moment(&args.from)?,
        until,
        discovered: moment(&args.discovered)?.unwrap_or(until),
        files: args.files,
    };
    let incident =
        incident(&scenarios, &exposure).map_err(|error| Failure::usage(error.to_string()))?;
    if args.json {
        show::json(&incident)?;
    } else {
        print(&incident)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(incident: &Incident) -> Result<(), Failure> {
    let line = |what: &str, text: &str| show::line(format_args!("{what:13} {text}"));
    line(
        "store",
        &format!("{}, run by {}", incident.store, incident.operator),
    )?;
    line(
        "exposed",
        &format!(
            "from {} until {}",
            incident
                .from
                .as_deref()
                .unwrap_or("a time that can't be told"),
            incident.until
        ),
    )?;
    line("known", &incident.discovered)?;
    line("held", &incident.data.join(", "))?;
    if let (Some(files), Some(calls)) = (incident.files, incident.calls) {
        line("files", &files.to_string())?;
        line(
            "calls",
            &format!("{} to {}, at least {}", calls.low, calls.high, calls.least),
        )?;
    }
    show::line("\nwho is what")?;
    for alike in incident.actors.chunk_by(|a, b| a.why == b.why) {
        let names: Vec<&str> = alike.iter().map(|actor| &*actor.organisation).collect();
        let actor = &alike[0];
        show::line(format_args!(
            "  {:12} {}: {}",
            actor.role,
            names.join(", "),
            actor.why
        ))?;
    }
    show::line("\nwho tells whom")?;
    for notice in &incident.notices {
        let deadline = notice.deadline.as_deref().map(|at| format!(", by {at}"));
        show::line(format_args!(
            "  {} tells {}: {}{} ({})",
            notice.from,
            notice.to,
            notice.within,
            deadline.unwrap_or_default(),
            notice.basis
        ))?;
    }
    let told = &incident.notification;
    show::line("\nnotification to IMY (GDPR Art. 33.3)")?;
    show::line(format_args!("  (a) nature        {}", told.nature))?;
    show::line(format_args!("  (b) contact       {}", told.contact))?;
    show::line(format_args!("  (c) consequences  {}", told.consequences))?;
    for measure in &told.measures {
        show::line(format_args!("  (d) measure       {measure}"))?;
    }
    Ok(())
}
