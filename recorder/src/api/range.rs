//! Range requests (RFC 9110 section 14): which part of a sound file is wanted.

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range, one we don't know, or several, which a server may answer so.
    All,
    /// From the first byte to the last, both included.
    Part { first: u64, last: u64 },
    /// Nothing that is there.
    Beyond,
}

/// Reads a `Range` header for a file of this length.
pub(super) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(set) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let Some((first, last)) = set.trim().split_once('-') else {
        return Wanted::All;
    };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) => match last {
            Some(last) if last < first => Wanted::All,
            _ if first >= length => Wanted::Beyond,
            last => Wanted::Part {
                first,
                last: last.map_or(length - 1, |last| last.min(length - 1)),
            },
        },
        (Some(None), Some(Some(suffix))) => {
            if suffix == 0 || length == 0 {
                return Wanted::Beyond;
            }
            Wanted::Part {
                first: length.saturating_sub(suffix),
                last: length - 1,
            }
        }
        _ => Wanted::All,
    }
}

/// `None` when it isn't digits; `Some(None)` when nothing stands there. What no file reaches is as far as none.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_as_the_rfc_has_them() {
        let part = |first, last| Wanted::Part { first, last };
        for (header, expected) in [
            ("bytes=0-499", part(0, 499)),
            ("bytes=500-999", part(500, 999)),
            ("bytes=-500", part(9500, 9999)),
            ("bytes=9500-", part(9500, 9999)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=-1", part(9999, 9999)),
            ("bytes=9999-99999999999999999999999", part(9999, 9999)),
            ("bytes=-99999", part(0, 9999)),
            ("bytes=10000-", Wanted::Beyond),
            ("bytes=99999999999999999999999-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-4", Wanted::All),
            ("bytes=0-0,-1", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("seconds=1-2", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(Some(header), 10_000), expected, "{header}");
        }
        assert_eq!(wanted(None, 10_000), Wanted::All);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Beyond);
    }

    proptest! {
        #[test]
        fn a_part_lies_within(text in "bytes=[0-9]{0,22}-[0-9]{0,22}", length in 0..u64::MAX) {
            if let Wanted::Part { first, last } = wanted(Some(&text), length) {
                prop_assert!(first <= last && last < length);
            }
        }

        #[test]
        fn nothing_breaks_it(text in "\\PC{0,40}", length: u64) {
            let _ = wanted(Some(&text), length);
        }
    }
}
