//! Plotting: bars, lines, stacked areas, a heat map, flows and the map of Sweden, as SVG text. No network, no scripts.

use std::fmt::Write as _;

use super::{
    axis::{STEPS, round_up, ticks},
    words::{Words, escape},
};

/// Colours that stay apart for eyes that see red and green alike (after Okabe and Ito).
pub(super) const COLOURS: [&str; 9] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1", "#7f7f7f",
    "#b8a100",
];

/// Where a plot's axes stand.
#[derive(Clone, Copy)]
struct Frame {
    width: f64,
    height: f64,
    left: f64,
    bottom: f64,
    y_max: f64,
}

/// How wide a picture is drawn that has half the page, and one that has all of it: letters then are of one size.
const HALF: f64 = 500.0;
const WHOLE: f64 = 1000.0;
/// On a telephone it is moved sideways instead of being drawn so small that nobody reads it.
const CLASS_OF_WHOLE: &str = r#" class="whole""#;
const TOP: f64 = 12.0;
const RIGHT: f64 = 20.0;

impl Frame {
    fn plot_width(&self) -> f64 {
        self.width - self.left - RIGHT
    }

    fn y(&self, value: f64) -> f64 {
        let height = self.height - TOP - self.bottom;
        TOP + height * (1.0 - (value / self.y_max).clamp(0.0, 1.0))
    }

    fn mark(&self, text: &mut String, band: &Band) {
        let _ = write!(
            text,
            r#"<rect x="{:.1}" y="{TOP}" width="{:.1}" height="{:.1}" fill="{}" fill-opacity=".25"><title>{}</title></rect>"#,
            self.left + self.plot_width() * band.from,
            (self.plot_width() * (band.to - band.from)).max(1.5),
            self.height - TOP - self.bottom,
            COLOURS[1],
            band.name.svg()
        );
    }

    fn open(&self, text: &mut String) {
        let _ = write!(
            text,
            r#"<svg viewBox="0 0 {} {}"{} role="img">"#,
            self.width,
            self.height,
            if self.width < WHOLE {
                ""
            } else {
                CLASS_OF_WHOLE
            }
        );
        for (step, label) in (0..).zip(ticks(self.y_max)) {
            let y = self.y(self.y_max * f64::from(step) / STEPS);
            let _ = write!(
                text,
                r#"<line x1="{}" x2="{}" y1="{y:.1}" y2="{y:.1}" class="grid"/><text x="{}" y="{:.1}" class="tick end">{}</text>"#,
                self.left,
                self.width - RIGHT,
                self.left - 6.0,
                y + 3.5,
                Words::figure(&label).svg()
            );
        }
    }
}

/// A line or an area of a plot.
pub(super) struct Series {
    pub(super) name: Words,
    pub(super) values: Vec<f64>,
    pub(super) dashed: bool,
}

/// A stretch of a plot's axis that is marked, from 0 to 1.
pub(super) struct Band {
    pub(super) name: Words,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// Lines over a common axis with a label here and there, and what is marked behind them.
pub(super) fn lines(
    series: &[Series],
    bands: &[Band],
    labels: &[(f64, String)],
    unit: &Words,
) -> String {
    let frame = frame_for(
        HALF,
        series.iter().flat_map(|one| one.values.iter().copied()),
    );
    let mut text = legend(series);
    frame.open(&mut text);
    for band in bands {
        frame.mark(&mut text, band);
    }
    for (place, one) in series.iter().enumerate() {
        let points = points(&frame, &one.values);
        let dash = if one.dashed {
            r#" stroke-dasharray="6 4""#
        } else {
            ""
        };
        let _ = write!(
            text,
            r#"<polyline points="{points}" fill="none" stroke="{}" stroke-width="2"{dash}/>"#,
            COLOURS[place % COLOURS.len()]
        );
    }
    close(text, &frame, labels, unit)
}

/// Areas one on top of the other, and dashed lines over them that aren't stacked. `places` are those of the values along the
/// axis, from 0 to 1.
pub(super) fn areas(
    series: &[Series],
    places: &[f64],
    labels: &[(f64, String)],
    unit: &Words,
) -> String {
    let len = series.iter().map(|one| one.values.len()).max().unwrap_or(0);
    let mut base = vec![0.0; len];
    let stacked: Vec<(usize, Vec<f64>, Vec<f64>)> = series
        .iter()
        .enumerate()
        .filter(|(_, one)| !one.dashed)
        .map(|(place, one)| {
            let below = base.clone();
            for (sum, value) in base.iter_mut().zip(&one.values) {
                *sum += value;
            }
            (place, below, base.clone())
        })
        .collect();
    let loose = series.iter().filter(|one| one.dashed);
    let frame = frame_for(
        WHOLE,
        base.iter()
            .copied()
            .chain(loose.flat_map(|one| one.values.iter().copied())),
    );
    let mut text = legend(series);
    frame.open(&mut text);
    for (place, below, above) in &stacked {
        let there = points_at(&frame, places, above);
        let back = points_at(&frame, places, below);
        let back: Vec<&str> = back.split(' ').rev().collect();
        let _ = write!(
            text,
            r#"<polygon points="{there} {}" fill="{}" fill-opacity=".85"/>"#,
            back.join(" "),
            COLOURS[place % COLOURS.len()]
        );
    }
    for (place, one) in series.iter().enumerate().filter(|(_, one)| one.dashed) {
        let _ = write!(
            text,
            r##"<polyline points="{}" fill="none" stroke="{}" stroke-width="2" stroke-dasharray="6 4"/>"##,
            points_at(&frame, places, &one.values),
            COLOURS[place % COLOURS.len()]
        );
    }
    close(text, &frame, labels, unit)
}

/// Horizontal bars with their names and values.
pub(super) fn bars(rows: &[(String, f64, String)]) -> String {
    const ROW: f64 = 18.0;
    const NAMES: f64 = 130.0;
    let most = rows.iter().map(|row| row.1).fold(0.0, f64::max).max(1e-12);
    let height = ROW * rows.len() as f64 + 8.0;
    let mut text = format!(r#"<svg viewBox="0 0 {HALF} {height}" role="img">"#);
    for (place, (name, value, said)) in rows.iter().enumerate() {
        let y = 4.0 + ROW * place as f64;
        let width = (HALF - NAMES - 64.0) * value / most;
        let _ = write!(
            text,
            r#"<text x="{}" y="{:.1}" class="tick end">{}</text><rect x="{NAMES}" y="{:.1}" width="{width:.1}" height="14" rx="2" fill="{}"/><text x="{:.1}" y="{:.1}" class="tick">{}</text>"#,
            NAMES - 8.0,
            y + 12.0,
            escape(name),
            y + 1.0,
            COLOURS[0],
            NAMES + width + 6.0,
            y + 12.0,
            Words::figure(said).svg()
        );
    }
    text + "</svg>"
}

/// A table of colours: rows by columns of shares from 0 to 1; `None` where nothing was.
pub(super) fn heat(rows: &[(String, Vec<Option<f64>>)], columns: &[String]) -> String {
    const ROW: f64 = 20.0;
    const NAMES: f64 = 190.0;
    let cell = (WHOLE - NAMES - RIGHT) / columns.len().max(1) as f64;
    let height = ROW * (rows.len() + 1) as f64 + 40.0;
    let mut text = format!(r#"<svg viewBox="0 0 {WHOLE} {height}"{CLASS_OF_WHOLE} role="img">"#);
    for (place, column) in columns.iter().enumerate() {
        let x = NAMES + cell * (place as f64 + 0.5);
        let _ = write!(
            text,
            r#"<text x="{x:.1}" y="14" class="tick mid">{}</text>"#,
            escape(column)
        );
    }
    for (line, (name, values)) in rows.iter().enumerate() {
        let y = 20.0 + ROW * line as f64;
        let _ = write!(
            text,
            r#"<text x="{}" y="{:.1}" class="tick end">{}</text>"#,
            NAMES - 8.0,
            y + 14.0,
            escape(name)
        );
        for (place, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let _ = write!(
                text,
                r#"<rect x="{:.1}" y="{y:.1}" width="{:.1}" height="{:.1}" fill="{}"><title>{} {}: {:.0} %</title></rect>"#,
                NAMES + cell * place as f64,
                cell - 1.0,
                ROW - 1.0,
                shade(*value),
                escape(name),
                escape(&columns[place]),
                100.0 * value
            );
        }
    }
    text.push_str(&scale(NAMES, height - 22.0));
    text + "</svg>"
}

/// The key to [`shade`].
fn scale(x: f64, y: f64) -> String {
    let mut text = String::new();
    for step in 0..=10 {
        let value = f64::from(step) / 10.0;
        let left = x + 34.0 * f64::from(step);
        let _ = write!(
            text,
            r#"<rect x="{left:.1}" y="{y:.1}" width="34" height="8" fill="{}"/>"#,
            shade(value)
        );
        if step % 5 == 0 {
            let _ = write!(
                text,
                r#"<text x="{:.1}" y="{:.1}" class="tick mid">{:.0} %</text>"#,
                left + 17.0,
                y + 20.0,
                100.0 * value
            );
        }
    }
    text
}

/// From red over pale to blue: told apart by eyes of every kind, and on paper.
pub(super) fn shade(value: f64) -> String {
    const STOPS: [(f64, [f64; 3]); 5] = [
        (0.0, [165.0, 15.0, 38.0]),
        (0.5, [239.0, 138.0, 98.0]),
        (0.8, [247.0, 231.0, 206.0]),
        (0.9, [146.0, 197.0, 222.0]),
        (1.0, [33.0, 102.0, 172.0]),
    ];
    let value = value.clamp(0.0, 1.0);
    let after = STOPS
        .iter()
        .position(|stop| stop.0 >= value)
        .unwrap_or(4)
        .max(1);
    let (from, to) = (STOPS[after - 1], STOPS[after]);
    let part = (value - from.0) / (to.0 - from.0);
    let mix = |place: usize| (from.1[place] + (to.1[place] - from.1[place]) * part) as u8;
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}

/// A flow from a place on the left to one on the right.
pub(super) struct Flow {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) calls: f64,
}

/// Flows between two columns, as wide as they have calls.
pub(super) fn sankey(flows: &[Flow]) -> String {
    const HEIGHT: f64 = 560.0;
    const GAP: f64 = 4.0;
    let (left, right) = (sums(flows, |flow| &flow.from), sums(flows, |flow| &flow.to));
    let total: f64 = flows.iter().map(|flow| flow.calls).sum::<f64>().max(1.0);
    let nodes = left.len().max(right.len()) as f64;
    // Each name needs room for its letters, however few its calls.
    let room = |calls: f64| (calls / total * (HEIGHT - nodes * GAP)).max(11.0);
    let place = |column: &[(&str, f64)]| {
        let mut y = 6.0;
        column
            .iter()
            .map(|(name, calls)| {
                let top = y;
                y += room(*calls) + GAP;
                ((*name).to_owned(), top, room(*calls), *calls)
            })
            .collect::<Vec<_>>()
    };
    let (left, right) = (place(&left), place(&right));
    let bottom =
        |column: &[(String, f64, f64, f64)]| column.last().map_or(0.0, |last| last.1 + last.2);
    let height = bottom(&left).max(bottom(&right)) + 8.0;
    let mut text = format!(r#"<svg viewBox="0 0 {WHOLE} {height:.0}"{CLASS_OF_WHOLE} role="img">"#);
    let (mut used_left, mut used_right) = (vec![0.0; left.len()], vec![0.0; right.len()]);
    for (number, flow) in flows.iter().enumerate() {
        let (Some(from), Some(to)) = (
            left.iter().position(|node| node.0 == flow.from),
            right.iter().position(|node| node.0 == flow.to),
        ) else {
            continue;
        };
        let wide = |node: &(String, f64, f64, f64)| node.2 * flow.calls / node.3.max(1.0);
        let (a, b) = (left[from].1 + used_left[from], right[to].1 + used_right[to]);
        let (wide_a, wide_b) = (wide(&left[from]), wide(&right[to]));
        used_left[from] += wide_a;
        used_right[to] += wide_b;
        let _ = write!(
            text,
            r#"<path d="M210 {a:.1}C480 {a:.1} 480 {b:.1} 750 {b:.1}L750 {:.1}C480 {:.1} 480 {:.1} 210 {:.1}Z" fill="{}" fill-opacity=".55"><title>{} → {}: {:.0}</title></path>"#,
            b + wide_b,
            b + wide_b,
            a + wide_a,
            a + wide_a,
            COLOURS[number % COLOURS.len()],
            escape(&flow.from),
            escape(&flow.to),
            flow.calls
        );
    }
    text += &sankey_names(&left, 200.0, " end", 194.0);
    text += &sankey_names(&right, 750.0, "", 766.0);
    text + "</svg>"
}

/// The bars of one side and their names: name, top, height and calls of each.
fn sankey_names(column: &[(String, f64, f64, f64)], x: f64, end: &str, text_x: f64) -> String {
    let mut text = String::new();
    for (name, y, high, calls) in column {
        let _ = write!(
            text,
            r##"<rect x="{x}" y="{y:.1}" width="10" height="{high:.1}" fill="#333"/><text x="{text_x}" y="{:.1}" class="tick{end}">{} {}</text>"##,
            y + high / 2.0 + 3.5,
            escape(name),
            Words::figure(&short(*calls)).svg()
        );
    }
    text
}

/// One side's names in the order they come, and their calls.
fn sums(flows: &[Flow], side: fn(&Flow) -> &String) -> Vec<(&str, f64)> {
    let mut sums: Vec<(&str, f64)> = Vec::new();
    for flow in flows {
        let name = side(flow).as_str();
        match sums.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1 += flow.calls,
            None => sums.push((name, flow.calls)),
        }
    }
    sums
}

fn frame_for(width: f64, values: impl Iterator<Item = f64>) -> Frame {
    let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    Frame {
        width,
        height: 270.0,
        left: 58.0,
        bottom: 44.0,
        y_max: round_up(most),
    }
}

/// The points of values that lie evenly.
fn points(frame: &Frame, values: &[f64]) -> String {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let places: Vec<f64> = (0..values.len()).map(|place| place as f64 / last).collect();
    points_at(frame, &places, values)
}

fn points_at(frame: &Frame, places: &[f64], values: &[f64]) -> String {
    let points: Vec<String> = places
        .iter()
        .zip(values)
        .map(|(place, value)| {
            let x = frame.left + frame.plot_width() * place;
            format!("{x:.1},{:.1}", frame.y(*value))
        })
        .collect();
    points.join(" ")
}

fn legend(series: &[Series]) -> String {
    let mut text = String::from(r#"<p class="legend">"#);
    for (place, one) in series.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let mark = if one.dashed { "╍" } else { "■" };
        let _ = write!(
            text,
            r#"<span><b style="color:{colour}">{mark}</b> {}</span> "#,
            one.name.html()
        );
    }
    text + "</p>"
}

fn close(mut text: String, frame: &Frame, labels: &[(f64, String)], unit: &Words) -> String {
    for (part, label) in labels {
        let x = frame.left + frame.plot_width() * part;
        let _ = write!(
            text,
            r#"<text x="{x:.1}" y="{:.1}" class="tick mid">{}</text>"#,
            frame.height - frame.bottom + 16.0,
            escape(label)
        );
    }
    let _ = write!(
        text,
        r#"<text x="{:.1}" y="{:.1}" class="tick mid">{}</text></svg>"#,
        frame.left + frame.plot_width() / 2.0,
        frame.height - 6.0,
        unit.svg()
    );
    text
}

/// A number in few letters.
pub(super) fn short(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if magnitude >= 1e7 => format!("{:.0} M", value / 1e6),
        _ if magnitude >= 1e6 => format!("{:.1} M", value / 1e6),
        _ if magnitude >= 1e4 && magnitude % 1e3 > 1.0 && magnitude < 1e5 => {
            format!("{:.1} k", value / 1e3)
        }
        _ if magnitude >= 1e4 => format!("{:.0} k", value / 1e3),
        _ if magnitude >= 10.0 || value == value.trunc() => format!("{value:.0}"),
        _ if magnitude >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let said = [0.0, 0.25, 3.5, 42.0, 13_425.0, 4_901_051.0].map(short);
        assert_eq!(said, ["0", "0.25", "3.5", "42", "13.4 k", "4.9 M"]);
    }

    #[test]
    fn names_from_a_scenario_cannot_break_the_page() {
        let text = bars(&[("<script>".to_owned(), 1.0, "\"&".to_owned())]);
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"));
    }
}
