//! The `a=ssrc` line (RFC 5576 section 4.1): `314159 cname:k7Vn2Qe8`. By it a receiver with one port for many streams tells
//! them apart.

/// Sources of a stream that are kept. A telephone has one, a browser two or three.
const SOURCES_MAX: usize = 8;
/// Bytes of a name: what an RTCP packet has room for (RFC 3550 section 6.5).
const CNAME_LEN_MAX: usize = 255;

/// Who sends a stream's packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What each packet carries.
    pub ssrc: u32,
    /// The sender's name, the same for all its streams (RFC 7022).
    pub cname: Box<str>,
}

impl Source {
    pub(super) fn write(&self) -> String {
        format!("{} cname:{}", self.ssrc, self.cname)
    }

    /// `None` for a line that is broken, or says something else of its source than the name.
    fn parse(value: &str) -> Option<Self> {
        let (ssrc, attribute) = value.trim().split_once(' ')?;
        let ssrc = ssrc.parse().ok()?;
        let cname = attribute.trim_start().strip_prefix("cname:")?;
        let room = 1..=CNAME_LEN_MAX;
        room.contains(&cname.len()).then(|| Self {
            ssrc,
            cname: cname.into(),
        })
    }
}

/// The sources of a stream. A line that can't be read is passed over, and so is a number that comes again.
pub(super) fn read<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for source in values.filter_map(Source::parse) {
        if sources.len() < SOURCES_MAX && sources.iter().all(|known| known.ssrc != source.ssrc) {
            sources.push(source);
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_source_with_a_name_is_passed_over() {
        let long = format!("7 cname:{}", "x".repeat(CNAME_LEN_MAX + 1));
        let bad = [
            "",
            "1",
            "1 ",
            "1 cname",
            "1 cname:",
            "1 msid:a b",
            "-1 cname:a",
            "4294967296 cname:a",
            "one cname:a",
            &long,
        ];
        assert_eq!(read(bad.into_iter()), []);
        let good = ["4294967295 cname:a@b", "1 msid:x", "1  cname:a b"];
        let found = read(good.into_iter());
        let names: Vec<_> = found.iter().map(|one| (one.ssrc, &*one.cname)).collect();
        assert_eq!(names, [(u32::MAX, "a@b"), (1, "a b")]);
    }

    #[test]
    fn a_number_counts_once_and_not_more_than_so_many_are_kept() {
        let lines: Vec<_> = (0..20).map(|n| format!("{} cname:a{n}", n / 2)).collect();
        let found = read(lines.iter().map(String::as_str));
        assert_eq!(found.len(), SOURCES_MAX);
        assert_eq!((found[1].ssrc, &*found[1].cname), (1, "a2"));
    }
}
