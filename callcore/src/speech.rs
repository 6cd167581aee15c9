//! What a waiting caller is told in Swedish, put together from recorded words: "Du har plats nummer tjugotre".
//!
//! The words are clips that come with the program (`data/audio/announcements.toml`, the entries of use `part`).

use crate::time::Span;

/// What is said to a waiting caller. A part that is `None` isn't said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken {
    /// The place in the queue, from 1.
    pub place: Option<u32>,
    /// How long the caller will probably wait.
    pub wait: Option<Span>,
}

/// A recorded word, or part of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The clip's file.
    pub file: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// The longest place that is said: longer queues than this turn callers away.
pub const PLACE_MAX: u32 = 9_999;

/// Waits beyond this aren't told more exactly.
const WAIT_MAX_MINUTES: i64 = 240;

/// Which word for one: Swedish has two genders.
#[derive(Clone, Copy, PartialEq, Eq)]
enum One {
    /// "en minut", "tjugoen minuter".
    En,
    /// "nummer ett", "nummer tjugoett".
    Ett,
}

impl Spoken {
    /// The sentences, each as its parts in order. Empty when there is nothing to say.
    pub fn sentences(&self) -> Vec<Vec<Part>> {
        let place = self
            .place
            .filter(|place| (1..=PLACE_MAX).contains(place))
            .map(|place| {
                let mut said = vec![part("say-position.wav", "Du har plats nummer")];
                number(place, One::Ett, &mut said);
                said
            });
        place.into_iter().chain(self.wait.map(wait)).collect()
    }
}

/// Waits are told ever more roughly: whole minutes up to ten, then five by five up to an hour, then quarters of an hour.
/// Always rounded up: a caller who waits less than was said is no less content.
fn wait(wait: Span) -> Vec<Part> {
    let minutes = (wait.as_micros() + 59_999_999) / 60_000_000;
    let up_to = |step: i64| (minutes + step - 1) / step * step;
    let minutes = match minutes {
        ..=0 => 0,
        1..=10 => minutes,
        11..=60 => up_to(5),
        _ => up_to(15),
    };
    if wait.as_micros() < 60_000_000 {
        return vec![part(
            "say-wait-short.wav",
            "Beräknad väntetid är mindre än en minut",
        )];
    }
    if minutes > WAIT_MAX_MINUTES {
        return vec![part(
            "say-wait-long.wav",
            "Väntetiden är mer än fyra timmar",
        )];
    }
    let mut said = vec![part("say-wait.wav", "Beräknad väntetid är ungefär")];
    let (hours, rest) = (minutes / 60, minutes % 60);
    if hours > 0 {
        counted(hours, HOUR, &mut said);
    }
    if hours > 0 && rest > 0 {
        said.push(part("say-and.wav", "och"));
    }
    if rest > 0 {
        counted(rest, MINUTE, &mut said);
    }
    said
}

const MINUTE: [Part; 2] = [
    part("say-minute.wav", "minut"),
    part("say-minutes.wav", "minuter"),
];
const HOUR: [Part; 2] = [
    part("say-hour.wav", "timme"),
    part("say-hours.wav", "timmar"),
];

/// A number of something of common gender, in the singular or the plural.
fn counted(count: i64, [one, many]: [Part; 2], said: &mut Vec<Part>) {
    number(u32::try_from(count).unwrap_or(0), One::En, said);
    said.push(if count == 1 { one } else { many });
}

/// A number from 1 to 9999 as it is said.
fn number(value: u32, one: One, said: &mut Vec<Part>) {
    let (thousands, rest) = (value / 1000, value % 1000);
    if thousands > 1 {
        number(thousands, One::Ett, said);
    }
    if thousands > 0 {
        said.push(part("say-1000.wav", "tusen"));
    }
    let (hundreds, rest) = (rest / 100, rest % 100);
    if hundreds > 1 {
        number(hundreds, One::Ett, said);
    }
    if hundreds > 0 {
        said.push(part("say-100.wav", "hundra"));
    }
    let (tens, units) = if rest < 20 {
        (0, rest)
    } else {
        (rest / 10, rest % 10)
    };
    if let Some(ten) = tens.checked_sub(2).and_then(|at| TENS.get(at as usize)) {
        said.push(*ten);
    }
    match (units, one) {
        (0, _) => {}
        (1, One::En) => said.push(part("say-en.wav", "en")),
        _ => said.extend(UNITS.get(units as usize - 1)),
    }
}

const fn part(file: &'static str, text: &'static str) -> Part {
    Part { file, text }
}

const UNITS: [Part; 19] = [
    part("say-1.wav", "ett"),
    part("say-2.wav", "två"),
    part("say-3.wav", "tre"),
    part("say-4.wav", "fyra"),
    part("say-5.wav", "fem"),
    part("say-6.wav", "sex"),
    part("say-7.wav", "sju"),
    part("say-8.wav", "åtta"),
    part("say-9.wav", "nio"),
    part("say-10.wav", "tio"),
    part("say-11.wav", "elva"),
    part("say-12.wav", "tolv"),
    part("say-13.wav", "tretton"),
    part("say-14.wav", "fjorton"),
    part("say-15.wav", "femton"),
    part("say-16.wav", "sexton"),
    part("say-17.wav", "sjutton"),
    part("say-18.wav", "arton"),
    part("say-19.wav", "nitton"),
];

const TENS: [Part; 8] = [
    part("say-20.wav", "tjugo"),
    part("say-30.wav", "trettio"),
    part("say-40.wav", "fyrtio"),
    part("say-50.wav", "femtio"),
    part("say-60.wav", "sextio"),
    part("say-70.wav", "sjuttio"),
    part("say-80.wav", "åttio"),
    part("say-90.wav", "nittio"),
];

/// Every part that can be said, once: what a driver must be able to play.
pub fn parts() -> impl Iterator<Item = Part> {
    let sentences = [
        part("say-position.wav", "Du har plats nummer"),
        part("say-wait.wav", "Beräknad väntetid är ungefär"),
        part(
            "say-wait-short.wav",
            "Beräknad väntetid är mindre än en minut",
        ),
        part("say-wait-long.wav", "Väntetiden är mer än fyra timmar"),
        part("say-and.wav", "och"),
        part("say-en.wav", "en"),
        part("say-100.wav", "hundra"),
        part("say-1000.wav", "tusen"),
    ];
    sentences
        .into_iter()
        .chain(MINUTE)
        .chain(HOUR)
        .chain(UNITS)
        .chain(TENS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn said(place: Option<u32>, wait_s: Option<u32>) -> String {
        let spoken = Spoken {
            place,
            wait: wait_s.map(Span::from_secs),
        };
        let sentences = spoken.sentences();
        let text = |parts: &Vec<Part>| {
            let words: Vec<&str> = parts.iter().map(|part| part.text).collect();
            words.join(" ")
        };
        sentences.iter().map(text).collect::<Vec<_>>().join(". ")
    }

    #[test]
    fn places_are_said_as_swedes_say_numbers() {
        let cases = [
            (1, "ett"),
            (7, "sju"),
            (12, "tolv"),
            (19, "nitton"),
            (20, "tjugo"),
            (21, "tjugo ett"),
            (23, "tjugo tre"),
            (90, "nittio"),
            (100, "hundra"),
            (101, "hundra ett"),
            (215, "två hundra femton"),
            (500, "fem hundra"),
            (999, "nio hundra nittio nio"),
            (1000, "tusen"),
            (2340, "två tusen tre hundra fyrtio"),
            (9999, "nio tusen nio hundra nittio nio"),
        ];
        for (place, words) in cases {
            assert_eq!(
                said(Some(place), None),
                format!("Du har plats nummer {words}")
            );
        }
        assert_eq!(said(Some(0), None), "");
        assert_eq!(said(Some(10_000), None), "");
    }

    #[test]
    fn waits_are_rounded_up_ever_more_roughly() {
        let about = "Beräknad väntetid är ungefär";
        let cases = [
            (0, "Beräknad väntetid är mindre än en minut".to_owned()),
            (59, "Beräknad väntetid är mindre än en minut".to_owned()),
            (60, format!("{about} en minut")),
            (61, format!("{about} två minuter")),
            (420, format!("{about} sju minuter")),
            (600, format!("{about} tio minuter")),
            (601, format!("{about} femton minuter")),
            (1260, format!("{about} tjugo fem minuter")),
            (3600, format!("{about} en timme")),
            (3601, format!("{about} en timme och femton minuter")),
            (7200, format!("{about} två timmar")),
            (9000, format!("{about} två timmar och trettio minuter")),
            (14_400, format!("{about} fyra timmar")),
            (14_401, "Väntetiden är mer än fyra timmar".to_owned()),
        ];
        for (seconds, words) in cases {
            assert_eq!(said(None, Some(seconds)), words, "{seconds} s");
        }
        assert_eq!(
            said(Some(3), Some(420)),
            format!("Du har plats nummer tre. {about} sju minuter")
        );
    }

    #[test]
    fn all_that_can_be_said_is_among_the_parts() {
        let known: BTreeSet<&str> = parts().map(|part| part.file).collect();
        assert_eq!(known.len(), parts().count(), "each once");
        for n in 1..=PLACE_MAX {
            let spoken = Spoken {
                place: Some(n),
                wait: Some(Span::from_secs(n * 2)),
            };
            let sentences = spoken.sentences();
            assert_eq!(sentences.len(), 2);
            assert!(
                sentences
                    .iter()
                    .flatten()
                    .all(|part| known.contains(part.file)),
                "{n}"
            );
        }
    }
}
