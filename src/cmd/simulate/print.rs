//! The summary of a run as people read it.

use simulator::Summary;

use super::Printed;
use crate::{failure::Failure, show};

pub(super) fn print(printed: &Printed<'_>) -> Result<(), Failure> {
    let summary = printed.summary;
    let calls = &summary.calls;
    // Counts are the first run's, and the time is all runs'.
    let played = match summary.replications {
        0 | 1 => format!("{} calls", calls.offered),
        runs => format!(
            "{} calls, {} in {runs} runs",
            calls.offered, summary.calls_of_all_runs
        ),
    };
    show::line(format_args!(
        "{} day{} from {}, seed {}: {played} in {:.2} s ({:.2} M a second, {:.2} M a CPU second)",
        summary.days,
        if summary.days == 1 { "" } else { "s" },
        summary.start,
        summary.seed,
        printed.seconds,
        printed.calls_per_second / 1e6,
        summary.calls_per_cpu_second / 1e6
    ))?;
    show::line(format_args!(
        "answered {}   gave up {}   turned away {}   to a provider {}   failed {}   called again {}",
        calls.answered,
        calls.abandoned,
        calls.blocked,
        calls.external,
        calls.failed,
        calls.redialled
    ))?;
    let service = &summary.service;
    show::line(format_args!(
        "within 180 s {:.1} %   mean wait {:.0} s   gave up {:.1} %   nurses busy {:.1} %",
        100.0 * service.service_level,
        service.mean_wait_s,
        100.0 * service.p_abandon,
        100.0 * service.occupancy
    ))?;
    for (name, interval) in &summary.intervals {
        show::line(format_args!(
            "  {name}: {:.5}, with 95 % confidence between {:.5} and {:.5} ({} runs)",
            interval.mean, interval.low, interval.high, summary.replications
        ))?;
    }
    let callbacks = &summary.callbacks;
    if callbacks.offered > 0 {
        show::line(format_args!(
            "offered to be called back {}   took it {}   reached {} (after {:.0} s)   never reached {}",
            callbacks.offered,
            callbacks.promised,
            callbacks.reached,
            callbacks.until_reached_s / (callbacks.reached.max(1) as f64),
            callbacks.unreached
        ))?;
    }
    print_queues(summary)?;
    print_stores(summary)?;
    for (organisation, count) in &summary.provider_calls {
        show::line(format_args!("to {organisation}: {count} calls"))?;
    }
    show::line(format_args!(
        "recorded at the switch for a provider: {}",
        summary.recorded_at_switch_for_provider
    ))?;
    show::line(format_args!("digest {}", summary.digest))
}

fn print_queues(summary: &Summary) -> Result<(), Failure> {
    let rows = summary.queues.iter().map(|(name, queue)| {
        let service = &queue.service;
        // A share of no calls is none, and not 0 %.
        let of_calls = |figure: String| match queue.offered {
            0 => "–".to_owned(),
            _ => figure,
        };
        [
            name.clone(),
            queue.offered.to_string(),
            queue.answered.to_string(),
            of_calls(format!("{:.1} %", 100.0 * service.service_level)),
            of_calls(format!("{:.0} s", service.mean_wait_s)),
            of_calls(format!("{:.1} %", 100.0 * service.p_abandon)),
            format!("{:.1} %", 100.0 * service.occupancy),
        ]
    });
    let header = [
        "queue",
        "calls",
        "answered",
        "in 180 s",
        "mean wait",
        "gave up",
        "busy",
    ];
    show::line(format_args!("{}", show::table(header, rows)))
}

fn print_stores(summary: &Summary) -> Result<(), Failure> {
    if summary.stores.is_empty() {
        return Ok(());
    }
    let rows = summary.stores.iter().map(|(name, store)| {
        let erased: u64 = store
            .controllers
            .values()
            .map(|held| held.erased_files)
            .sum();
        let overdue: u64 = store
            .controllers
            .values()
            .map(|held| held.overdue_files)
            .sum();
        [
            name.clone(),
            store.processor.clone(),
            store.calls.to_string(),
            store.files.to_string(),
            format!("{:.0} GB", store.gigabytes),
            erased.to_string(),
            overdue.to_string(),
        ]
    });
    let header = [
        "store", "run by", "calls", "files", "audio", "erased", "overdue",
    ];
    show::line(format_args!("{}", show::table(header, rows)))
}
