//! The pictures of the report, each from the books of a run.

use callcore::{
    kommun,
    route::{Destination, Who},
    scenario::Scenario,
};

use super::{
    days,
    map::map,
    storage,
    svg::{Flow, Series, bars, heat, lines, sankey},
    words::Words,
};
use crate::{
    summary::{Results, share},
    tally::{HourRow, WAIT_CLASS_S},
};

/// Every picture in its frame, in the order of the page.
pub(super) fn all(scenario: &Scenario, results: &Results) -> Vec<String> {
    let [
        arrivals,
        occupancy,
        waits,
        by_queue,
        levels,
        abandonment,
        map,
        controllers,
        storage,
        calls,
        in_time,
    ] = each(scenario, results);
    vec![
        pair(&calls, &in_time),
        pair(&arrivals, &occupancy),
        pair(&waits, &by_queue),
        levels,
        pair(&abandonment, &map),
        controllers,
        storage,
    ]
}

/// Which of [`each`] need the width of the page: the heat map, the flows and the years.
pub(super) const WIDE: [usize; 3] = [4, 7, 8];

/// The pictures one by one.
pub(super) fn each(scenario: &Scenario, results: &Results) -> [String; 11] {
    let (calls, in_time) = days::pictures(&scenario.simulation.surges, results);
    [
        arrivals(&hours_of_day(results)),
        occupancy(scenario, results),
        waits(results),
        waits_by_queue(results),
        service_levels(scenario, results),
        abandonment(results),
        the_map(results),
        controllers(scenario, results),
        storage::picture(results),
        calls,
        in_time,
    ]
}

pub(super) fn frame(title: &Words, note: &Words, picture: &str) -> String {
    format!(
        "<section><h2>{}</h2>{picture}<p class=\"note\">{}</p></section>",
        title.html(),
        note.html()
    )
}

pub(super) fn pair(one: &str, other: &str) -> String {
    format!("<div class=\"row\">{one}{other}</div>")
}

/// Workdays and weekends apart, hour by hour, and how many hours of each there were.
struct Day {
    rows: [[HourRow; 24]; 2],
    hours: [[f64; 24]; 2],
}

fn hours_of_day(results: &Results) -> Day {
    let mut day = Day {
        rows: [[HourRow::default(); 24]; 2],
        hours: [[0.0; 24]; 2],
    };
    for hour in &results.hours.hours[results.counted()] {
        let weekend = usize::from(hour.of_week >= 5 * 24);
        day.hours[weekend][usize::from(hour.of_week % 24)] += 1.0;
    }
    for book in &results.books.queues {
        for (row, hour) in book.hours.iter().zip(&results.hours.hours) {
            let weekend = usize::from(hour.of_week >= 5 * 24);
            day.rows[weekend][usize::from(hour.of_week % 24)].add(row);
        }
    }
    day
}

fn hour_labels() -> Vec<(f64, String)> {
    [0, 4, 8, 12, 16, 20]
        .map(|hour| (f64::from(hour) / 23.0, format!("{hour:02}")))
        .to_vec()
}

/// A day's hours, workdays and weekends apart: `of` gives a figure an hour for the one (0) and the other (1).
fn by_hour(of: impl Fn(usize) -> Vec<f64>, unit: &Words) -> String {
    let line = |name, kind| Series {
        name,
        values: of(kind),
        dashed: false,
    };
    let workdays = Words::new("Monday to Friday", "måndag till fredag");
    let weekends = Words::new("Saturday and Sunday", "lördag och söndag");
    lines(
        &[line(workdays, 0), line(weekends, 1)],
        &[],
        &hour_labels(),
        unit,
    )
}

fn arrivals(day: &Day) -> String {
    let of = |kind: usize| {
        (0..24)
            .map(|hour| {
                share(
                    f64::from(day.rows[kind][hour].offered),
                    day.hours[kind][hour],
                )
            })
            .collect()
    };
    let unit = Words::new(
        "hour of the day; calls an hour to queues here",
        "timme på dygnet; samtal i timmen till köer här",
    );
    let picture = by_hour(of, &unit);
    let note = Words::new("The shape is an assumption.", "Formen är ett antagande.");
    frame(
        &Words::new("Arrivals by hour", "Inkommande per timme"),
        &note,
        &picture,
    )
}

fn occupancy(scenario: &Scenario, results: &Results) -> String {
    let agents: Vec<f64> = (0..scenario.queues.len())
        .map(|at| scenario.agents_of(scenario.queue_by_place(at)).count() as f64)
        .collect();
    let mut busy = [[0.0; 24]; 2];
    let mut there = [[0.0; 24]; 2];
    for place in results.counted() {
        let hour = &results.hours.hours[place];
        let at = (
            usize::from(hour.of_week >= 120),
            usize::from(hour.of_week % 24),
        );
        for (book, agents) in results.books.queues.iter().zip(&agents) {
            busy[at.0][at.1] += book.busy_s(place);
            there[at.0][at.1] += book.staffed_s(place).unwrap_or(agents * 3600.0);
        }
    }
    let of = |kind: usize| {
        (0..24)
            .map(|hour| 100.0 * share(busy[kind][hour], there[kind][hour]))
            .collect()
    };
    let unit = Words::new(
        "hour of the day; % of the nurses who are there",
        "timme på dygnet; % av sjuksköterskorna på plats",
    );
    let picture = by_hour(of, &unit);
    let note = Words::new(
        "Ringing, talking and wrapping up, all queues together.",
        "Rings upp, samtalar och efterarbetar, alla köer tillsammans.",
    );
    frame(
        &Words::new("Nurses busy", "Sjuksköterskor upptagna"),
        &note,
        &picture,
    )
}

fn waits(results: &Results) -> String {
    let mut classes = vec![0_u64; crate::tally::WAIT_CLASSES];
    for book in &results.books.queues {
        for (sum, count) in classes.iter_mut().zip(&book.waits) {
            *sum += u64::from(*count);
        }
    }
    let total = classes.iter().sum::<u64>().max(1) as f64;
    let minutes = minutes_shown(&classes, total);
    let shown = (f64::from(minutes) * 60.0 / WAIT_CLASS_S) as usize;
    let mut so_far = 0;
    let reached: Vec<f64> = classes
        .iter()
        .take(shown)
        .map(|count| {
            so_far += count;
            100.0 * so_far as f64 / total
        })
        .collect();
    let longer = 100.0 - reached.last().copied().unwrap_or(0.0);
    let within = std::iter::once(0.0).chain(reached).collect();
    let series = [Series {
        name: Words::new("waited at most so long", "väntade högst så länge"),
        values: within,
        dashed: false,
    }];
    let labels: Vec<(f64, String)> = (0..=5)
        .map(|step| {
            let part = f64::from(step) / 5.0;
            let minute = part * f64::from(minutes);
            (part, format!("{minute} min"))
        })
        .collect();
    let unit = Words::new(
        "wait until answered or given up; % of callers in queues",
        "väntan till svar eller uppgivet; % av uppringare i köer",
    );
    let picture = lines(&series, &[], &labels, &unit);
    let note = Words::new(
        &format!("{longer:.2} % waited longer than that."),
        &format!(
            "{} % väntade längre än så.",
            format!("{longer:.2}").replace('.', ",")
        ),
    );
    frame(
        &Words::new("How long callers wait", "Hur länge uppringare väntar"),
        &note,
        &picture,
    )
}

/// How many minutes of waits tell the story: those of 199 callers in 200, an hour at most.
fn minutes_shown(classes: &[u64], total: f64) -> u32 {
    let mut so_far = 0.0;
    let enough = classes.iter().position(|count| {
        so_far += *count as f64;
        so_far >= 0.995 * total
    });
    let needed = (enough.unwrap_or(classes.len()) + 1) as f64 * WAIT_CLASS_S / 60.0;
    let steps = [5, 10, 15, 20, 30, 40, 60];
    let fits = steps
        .into_iter()
        .find(|&minutes| f64::from(minutes) >= needed);
    fits.unwrap_or(60)
}

fn waits_by_queue(results: &Results) -> String {
    let rows: Vec<(String, f64, String)> = busy_queues(results)
        .map(|(name, queue)| {
            let wait = queue.service.mean_wait_s;
            (name.clone(), wait, format!("{wait:.1} s"))
        })
        .collect();
    let title = Words::new("Mean wait by queue", "Medelväntan per kö");
    frame(&title, &Words::name(""), &bars(&rows))
}

fn abandonment(results: &Results) -> String {
    let rows: Vec<(String, f64, String)> = busy_queues(results)
        .map(|(name, queue)| {
            let gave_up = queue.service.p_abandon;
            (name.clone(), gave_up, format!("{:.2} %", 100.0 * gave_up))
        })
        .collect();
    let title = Words::new(
        "Gave up, of those who joined the queue",
        "Gav upp, av dem som ställde sig i kö",
    );
    frame(&title, &Words::name(""), &bars(&rows))
}

fn busy_queues(
    results: &Results,
) -> impl Iterator<Item = (&String, &crate::summary::QueueFigures)> {
    results
        .summary
        .queues
        .iter()
        .filter(|(_, queue)| queue.offered > 0)
}

fn the_map(results: &Results) -> String {
    let title = Words::new(
        "Answered within 180 s, by kommun",
        "Besvarade inom 180 s, per kommun",
    );
    let note = Words::new(
        "Grey: nobody from there came to a queue of this switch. Colours as above.",
        "Grått: ingen därifrån kom till en kö i den här växeln. Färger som ovan.",
    );
    frame(&title, &note, &map(&results.books.kommuner))
}

fn service_levels(scenario: &Scenario, results: &Results) -> String {
    let rows: Vec<(String, Vec<Option<f64>>)> = scenario
        .queues
        .iter()
        .zip(&results.books.queues)
        .filter(|(_, book)| book.tally.offered > 0)
        .map(|(queue, book)| {
            let mut day = [HourRow::default(); 24];
            for (row, hour) in book.hours.iter().zip(&results.hours.hours) {
                day[usize::from(hour.of_week % 24)].add(row);
            }
            let levels = day
                .iter()
                .map(|row| (row.joined > 0).then(|| f64::from(row.in_time) / f64::from(row.joined)))
                .collect();
            let region = queue.region.map(|code| kommun::region(code).name);
            (region.unwrap_or(&queue.name).to_owned(), levels)
        })
        .collect();
    let columns: Vec<String> = (0..24).map(|hour| format!("{hour:02}")).collect();
    let title = Words::new(
        "Answered within 180 s, by region and hour",
        "Besvarade inom 180 s, per region och timme",
    );
    let note = Words::new(
        "By the hour in which the call came, all days together.",
        "Efter timmen då samtalet kom, alla dagar tillsammans.",
    );
    frame(&title, &note, &heat(&rows, &columns))
}

/// Where each region's calls went, and who is controller there.
fn controllers(scenario: &Scenario, results: &Results) -> String {
    let mut flows: Vec<Flow> = Vec::new();
    for (route, calls) in scenario.routes.routes().iter().zip(&results.books.routes) {
        if *calls == 0 {
            continue;
        }
        let mut regions: Vec<_> = route
            .covers
            .iter()
            .filter_map(|who| match who {
                Who::Kommun(kommun) => Some(kommun.region()),
                _ => None,
            })
            .collect();
        regions.dedup();
        let from = match regions[..] {
            [region] => kommun::region(region).name,
            [] => "kommun-ID?",
            _ => "Sverige",
        };
        let controller = match route.to {
            Destination::Queue(queue) => scenario.queue(queue).controller,
            Destination::External(external) => scenario.provider(external.provider).organisation,
        };
        let to = scenario.org(controller).name.to_string();
        match flows
            .iter_mut()
            .find(|flow| flow.from == from && flow.to == to)
        {
            Some(flow) => flow.calls += *calls as f64,
            None => flows.push(Flow {
                from: from.to_owned(),
                to,
                calls: *calls as f64,
            }),
        }
    }
    let title = Words::new(
        "From the caller's region to the controller of the call",
        "Från uppringarens region till den som är personuppgiftsansvarig för samtalet",
    );
    let note = Words::new(
        "By the route that won; calls that were diverted from a full queue are counted where they were first sent.",
        "Efter den regel som vann; samtal som lotsats vidare från en full kö räknas dit de först sändes.",
    );
    frame(&title, &note, &sankey(&flows))
}
