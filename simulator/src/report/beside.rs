//! Two runs on one page: what differs and how surely, then every picture of both side by side.

use std::fmt::Write as _;

use callcore::scenario::Scenario;

use super::{
    Difference, head, pictures,
    words::{Words, days, escape, grouped},
};
use crate::summary::Results;

/// One of the two.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What was run.
    pub scenario: &'a Scenario,
    /// What came out.
    pub results: &'a Results,
}

/// The page.
pub fn comparison(before: Run<'_>, after: Run<'_>, differences: &[Difference]) -> String {
    let title = format!("{} / {}", before.name, after.name);
    let mut page = head(&title, "compare");
    let summary = &after.results.summary;
    let days = days(summary.days);
    let what = Words::new(
        &format!(
            "{} from {}, seed {}, {} replications: both meet the same callers.",
            days.0, summary.start, summary.seed, summary.replications
        ),
        &format!(
            "{} från {}, frö {}, {} upprepningar: båda möter samma uppringare.",
            days.1, summary.start, summary.seed, summary.replications
        ),
    );
    let _ = write!(page, "<p class=\"note\">{}</p>", what.html());
    if summary.partial || before.results.summary.partial {
        let partial = Words::new(
            "Interrupted: what is here is partial.",
            "Avbruten: det som står här är ofullständigt.",
        );
        let _ = write!(page, "<p class=\"partial\">{}</p>", partial.html());
    }
    page.push_str(&services(before, after, differences));
    page.push_str(&queues(before, after, differences));
    page.push_str(&calls(before, after));
    let (left, right) = (
        pictures::each(before.scenario, before.results),
        pictures::each(after.scenario, after.results),
    );
    let _ = write!(
        page,
        "<div class=\"row names\"><b>{}</b><b>{}</b></div>",
        escape(before.name),
        escape(after.name)
    );
    for (place, (left, right)) in left.iter().zip(&right).enumerate() {
        if pictures::WIDE.contains(&place) {
            let (before, after) = (escape(before.name), escape(after.name));
            let _ = write!(page, "<h2>{before}</h2>{left}<h2>{after}</h2>{right}");
        } else {
            page.push_str(&pictures::pair(left, right));
        }
    }
    page + "</main></body></html>"
}

fn services(before: Run<'_>, after: Run<'_>, differences: &[Difference]) -> String {
    let title = Words::new("What differs", "Vad som skiljer");
    let of_all = differences.iter().filter(|one| !one.name.contains('.'));
    let rows = of_all.map(|one| row(&figure(&one.name), &one.name, one));
    table(&title, &header(before, after, ("figure", "mått")), rows)
}

/// The queues whose service differs, service level only: six figures of 22 queues would hide it.
fn queues(before: Run<'_>, after: Run<'_>, differences: &[Difference]) -> String {
    let title = Words::new(
        "Answered within 180 s, queue by queue",
        "Besvarade inom 180 s, kö för kö",
    );
    let rows = differences.iter().filter_map(|one| {
        let queue = one.name.strip_prefix("queues.")?;
        let queue = queue.strip_suffix(".service_level")?;
        Some(row(&Words::name(queue), "service_level", one))
    });
    table(&title, &header(before, after, ("queue", "kö")), rows)
}

fn calls(before: Run<'_>, after: Run<'_>) -> String {
    let title = Words::new("Calls", "Samtal");
    let (one, other) = (&before.results.summary.calls, &after.results.summary.calls);
    let rows = [
        ("came in", "inkomna", one.offered, other.offered),
        ("answered", "besvarade", one.answered, other.answered),
        ("gave up", "gav upp", one.abandoned, other.abandoned),
        ("turned away", "avvisade", one.blocked, other.blocked),
        (
            "to a provider",
            "till vårdgivare utanför",
            one.external,
            other.external,
        ),
        (
            "called again",
            "ringde igen",
            one.redialled,
            other.redialled,
        ),
    ];
    let rows = rows.into_iter().map(|(en, sv, one, other)| {
        let difference = other.cast_signed() - one.cast_signed();
        [
            Words::new(en, sv).html(),
            grouped(one),
            grouped(other),
            format!(
                "{}{}",
                if difference < 0 { "-" } else { "+" },
                grouped(difference.unsigned_abs())
            ),
            String::new(),
        ]
    });
    table(&title, &header(before, after, ("calls", "samtal")), rows)
}

fn header(before: Run<'_>, after: Run<'_>, first: (&str, &str)) -> [Words; 5] {
    [
        Words::new(first.0, first.1),
        Words::name(before.name),
        Words::name(after.name),
        Words::new("difference", "skillnad"),
        Words::new("95 % confidence", "95 % konfidens"),
    ]
}

fn table(title: &Words, header: &[Words; 5], rows: impl Iterator<Item = [String; 5]>) -> String {
    let mut text = format!(
        "<section><h2>{}</h2><div class=\"wide\"><table><tr>",
        title.html()
    );
    for cell in header {
        let _ = write!(text, "<th>{}</th>", cell.html());
    }
    text.push_str("</tr>");
    for row in rows {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = write!(text, "<tr>{cells}</tr>");
    }
    text + "</table></div></section>"
}

fn row(name: &Words, unit_of: &str, one: &Difference) -> [String; 5] {
    let (show, sign) = units(unit_of);
    let between = one.interval.map_or_else(String::new, |interval| {
        written(&format!("{} … {}", sign(interval.low), sign(interval.high)))
    });
    let difference = written(&sign(one.after - one.before));
    let difference = match one.is_sure() {
        Some(true) => format!("<b>{difference}</b>"),
        _ => difference,
    };
    [
        name.html(),
        written(&show(one.before)),
        written(&show(one.after)),
        difference,
        between,
    ]
}

/// In both languages. Between two ends stand three points that are one letter, and no decimals.
fn written(figure: &str) -> String {
    Words::figure(figure).html()
}

type Show = fn(f64) -> String;

/// How a figure is written, and how a difference of it.
fn units(name: &str) -> (Show, Show) {
    match name {
        "mean_wait_s" => (|s| format!("{s:.1} s"), |s| format!("{s:+.1} s")),
        _ => (
            |share| format!("{:.2} %", 100.0 * share),
            |share| format!("{:+.2}", 100.0 * share),
        ),
    }
}

fn figure(name: &str) -> Words {
    let (en, sv) = match name {
        "service_level" => ("answered within 180 s", "besvarade inom 180 s"),
        "mean_wait_s" => ("mean wait", "medelväntan"),
        "p_wait" => ("had to wait", "fick vänta"),
        "p_abandon" => ("gave up", "gav upp"),
        "p_blocked" => ("turned away", "avvisade"),
        "occupancy" => ("nurses busy", "sjuksköterskor upptagna"),
        other => (other, other),
    };
    Words::new(en, sv)
}
