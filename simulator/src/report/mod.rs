//! The report of a run: one HTML page with its pictures inside, in English and Swedish, that needs no network.

mod axis;
mod beside;
mod compare;
mod days;
mod map;
mod pictures;
mod storage;
mod svg;
mod words;

use std::fmt::Write as _;

use callcore::scenario::Scenario;

use self::words::{Words, days, escape, grouped};
use crate::{keeping::in_swedish, summary::Results};

pub use beside::{Run, comparison};
pub use compare::{Comparison, Difference, compare, differences};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1d2129;background:#f4f5f7}\
main{max-width:1080px;margin:0 auto;padding:0 20px 60px}\
h1{font-size:26px;margin:28px 0 4px}h2{font-size:17px;margin:0 0 8px}\
section{background:#fff;border:1px solid #dfe2e8;border-radius:8px;padding:16px 20px;margin:16px 0}\
.row{display:grid;grid-template-columns:1fr 1fr;gap:0 16px;align-items:start}.row section{min-width:0}\
@media(max-width:800px){.row{grid-template-columns:1fr}}\
svg{width:100%;height:auto;display:block}.map{max-height:560px}\
.grid{stroke:#e3e6eb;stroke-width:1}.tick{font-size:11px;fill:#444}.end{text-anchor:end}.mid{text-anchor:middle}\
@media(max-width:600px){section{overflow-x:auto}.tick{font-size:13px}.whole{min-width:760px}.whole .tick{font-size:11px}}\
.legend{margin:0 0 4px;font-size:13px}.legend span{margin-right:10px;white-space:nowrap}\
.figures{display:flex;flex-wrap:wrap;gap:10px 34px;margin:8px 0}.figures b{display:block;font-size:22px}\
.note{color:#5b6270;font-size:13px;overflow-wrap:anywhere}table{border-collapse:collapse;font-size:13px;width:100%}\
td,th{padding:3px 8px;text-align:right;border-bottom:1px solid #eceef2}td:first-child,th:first-child{text-align:left}\
.wide{overflow-x:auto}\
.partial{background:#fff3cd;border:1px solid #e0b100;padding:8px 14px;border-radius:6px}\
label{float:right;margin-top:34px;padding:4px 12px;border:1px solid #c8ccd4;border-radius:6px;background:#fff;cursor:pointer}\
#lang{position:absolute;opacity:0}#lang:checked~main .en,#lang:not(:checked)~main .sv{display:none}\
#lang:focus~main label{outline:2px solid #0072b2}\
.compare{max-width:1500px}.compare td:nth-child(n+2){font-variant-numeric:tabular-nums}\
.names{position:sticky;top:0;background:#f4f5f7;padding:6px 0;font-size:17px;z-index:1}";

/// The page. `name` is what the scenario is called.
pub fn html(scenario: &Scenario, results: &Results, name: &str) -> String {
    let summary = &results.summary;
    let mut page = head(name, "");
    let days = days(summary.days);
    let span = Words::new(
        &format!("{} from {}, seed {}", days.0, summary.start, summary.seed),
        &format!("{} från {}, frö {}", days.1, summary.start, summary.seed),
    );
    let _ = write!(page, "<p class=\"note\">{}</p>", span.html());
    if summary.partial {
        let partial = Words::new(
            &format!(
                "Interrupted: everything here is partial, up to {}.",
                summary.until
            ),
            &format!(
                "Avbruten: allt här är ofullständigt, till och med {}.",
                summary.until
            ),
        );
        let _ = write!(page, "<p class=\"partial\">{}</p>", partial.html());
    }
    page.push_str(&figures(results));
    for picture in pictures::all(scenario, results) {
        page.push_str(&picture);
    }
    page.push_str(&queues(results));
    page.push_str(&stores(results));
    let end = Words::new(
        "Callers, hours and staffing follow data/call_profile.csv and data/call_shape_assumption.csv; the shape of the \
         day is an assumption. The same seed gives the same figures.",
        "Uppringare, timmar och bemanning följer data/call_profile.csv och data/call_shape_assumption.csv; dygnets form \
         är ett antagande. Samma frö ger samma siffror.",
    );
    let _ = write!(
        page,
        "<p class=\"note\">{}<br>digest {}</p></main></body></html>",
        end.html(),
        summary.digest
    );
    page
}

/// The page's beginning, up to its first heading, and the switch between the languages.
fn head(title: &str, class: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>vaxel: {0}</title><style>{STYLE}</style></head><body>\
         <input type=\"checkbox\" id=\"lang\"><main class=\"{class}\"><label for=\"lang\">{1}</label><h1>{0}</h1>",
        escape(title),
        Words::new("På svenska", "In English").html()
    )
}

fn figures(results: &Results) -> String {
    let (calls, service) = (&results.summary.calls, &results.summary.service);
    let per_cent = |share: f64| format!("{:.1} %", 100.0 * share);
    let rows = [
        ("calls", "samtal", grouped(calls.offered)),
        ("answered here", "besvarade här", grouped(calls.answered)),
        ("gave up", "gav upp", grouped(calls.abandoned)),
        ("turned away", "avvisade", grouped(calls.blocked)),
        (
            "to a provider",
            "till vårdgivare utanför",
            grouped(calls.external),
        ),
        (
            "within 180 s",
            "inom 180 s",
            per_cent(service.service_level),
        ),
        (
            "mean wait",
            "medelväntan",
            format!("{:.0} s", service.mean_wait_s),
        ),
        (
            "nurses busy",
            "sjuksköterskor upptagna",
            per_cent(service.occupancy),
        ),
    ];
    let mut text = String::from("<section class=\"figures\">");
    for (en, sv, value) in rows {
        let _ = write!(
            text,
            "<span><b>{}</b>{}</span>",
            Words::figure(&value).html(),
            Words::new(en, sv).html()
        );
    }
    text + "</section>"
}

fn table(title: &Words, header: &[Words], rows: impl Iterator<Item = Vec<Words>>) -> String {
    let mut text = format!(
        "<section><h2>{}</h2><div class=\"wide\"><table><tr>",
        title.html()
    );
    for cell in header {
        let _ = write!(text, "<th>{}</th>", cell.html());
    }
    text.push_str("</tr>");
    for row in rows {
        text.push_str("<tr>");
        for cell in row {
            let _ = write!(text, "<td>{}</td>", cell.html());
        }
        text.push_str("</tr>");
    }
    text + "</table></div></section>"
}

fn queues(results: &Results) -> String {
    let header = [
        Words::new("queue", "kö"),
        Words::new("calls", "samtal"),
        Words::new("answered", "besvarade"),
        Words::new("within 180 s", "inom 180 s"),
        Words::new("mean wait", "medelväntan"),
        Words::new("gave up", "gav upp"),
        Words::new("nurses", "sjuksköterskor"),
        Words::new("busy", "upptagna"),
    ];
    let rows = results.summary.queues.iter().map(|(name, queue)| {
        let service = &queue.service;
        // A share of no calls is none, and not 0 %.
        let of_calls = |figure: String| match queue.offered {
            0 => "–".to_owned(),
            _ => figure,
        };
        let figures = [
            grouped(queue.offered),
            grouped(queue.answered),
            of_calls(format!("{:.1} %", 100.0 * service.service_level)),
            of_calls(format!("{:.0} s", service.mean_wait_s)),
            of_calls(format!("{:.1} %", 100.0 * service.p_abandon)),
            queue.agents.to_string(),
            format!("{:.1} %", 100.0 * service.occupancy),
        ];
        let figures = figures.iter().map(|figure| Words::figure(figure));
        std::iter::once(Words::name(name)).chain(figures).collect()
    });
    table(&Words::new("Queues", "Köer"), &header, rows)
}

fn stores(results: &Results) -> String {
    let header = [
        Words::new("store", "lager"),
        Words::new("controller", "personuppgiftsansvarig"),
        Words::new("calls", "samtal"),
        Words::new("files", "filer"),
        Words::new("GB", "GB"),
        Words::new("erased files", "gallrade filer"),
        Words::new("past the ceiling", "över taket"),
        Words::new("why they stay", "varför de finns kvar"),
    ];
    let rows = results.stores.iter().flat_map(|(name, store)| {
        store.controllers.iter().map(move |(controller, held)| {
            let numbers = [
                grouped(held.calls),
                grouped(held.files),
                format!("{:.0}", held.gigabytes),
                grouped(held.erased_files),
                grouped(held.overdue_files),
            ];
            let because = &held.kept_because;
            [Words::name(name), Words::name(controller)]
                .into_iter()
                .chain(numbers.iter().map(|number| Words::name(number)))
                .chain([Words::new(because, &in_swedish(because))])
                .collect()
        })
    });
    table(
        &Words::new("What is stored at the end", "Vad som är lagrat vid slutet"),
        &header,
        rows,
    )
}
