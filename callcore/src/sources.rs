//! The sources that a kommun-ID can come from, and what they say together (design: ordered, each with its provenance).
//!
//! Strong sources (a trusted operator's own words) are heard together: two that differ are a conflict, never a guess.
//! A weak source (the caller's area code) is heard only when no strong one said anything at all, so it can neither
//! contradict nor mend them.

use crate::origin::{Origin, UnknownReason};

/// Where a kommun-ID came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The header `X-Kommun-ID`.
    Header,
    /// The request-URI's parameter `kommun-id`.
    Uri,
    /// Four digits after `1177` in the number dialled.
    Digits,
    /// `P-Access-Network-Info` with `operator-specific-GI`, marked `network-provided` (RFC 7315).
    AccessNetwork,
    /// `Geolocation` with a civic address (RFC 6442, RFC 5139).
    Geolocation,
    /// The area code of the caller's number. Weak: numbers move with their owners.
    AreaCode,
}

impl Source {
    /// Every source, the most trusted first.
    pub const ALL: [Self; 6] = [
        Self::Header,
        Self::Uri,
        Self::Digits,
        Self::AccessNetwork,
        Self::Geolocation,
        Self::AreaCode,
    ];

    /// Those that are read unless the scenario says otherwise: the strong ones.
    pub const DEFAULT: [Self; 5] = [
        Self::Header,
        Self::Uri,
        Self::Digits,
        Self::AccessNetwork,
        Self::Geolocation,
    ];

    /// Its name in scenarios, logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Uri => "uri",
            Self::Digits => "digits",
            Self::AccessNetwork => "access-network",
            Self::Geolocation => "geolocation",
            Self::AreaCode => "area-code",
        }
    }

    /// Whether it is heard only when no other said anything.
    pub const fn is_weak(self) -> bool {
        matches!(self, Self::AreaCode)
    }
}

/// What one source said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub source: Source,
    /// What.
    pub origin: Origin,
}

/// What the sources of a call said together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Where the call comes from.
    pub origin: Origin,
    /// The first source, in the order in which they are read, that said so; `None` when none said anything.
    pub source: Option<Source>,
    /// The source that contradicts it, in a conflict.
    pub against: Option<Source>,
}

impl Finding {
    /// Hears claims in the order of their trust.
    pub fn of(claims: &[Claim]) -> Self {
        let strong = |claim: &&Claim| !claim.source.is_weak();
        let said = Self::heard(&claims.iter().filter(strong).collect::<Vec<_>>());
        if said.source.is_some() {
            return said;
        }
        Self::heard(&claims.iter().collect::<Vec<_>>())
    }

    fn heard(claims: &[&Claim]) -> Self {
        let missing = Origin::Unknown(UnknownReason::Missing);
        let said = claims.iter().map(|claim| claim.origin);
        let origin = said.fold(missing, Origin::join);
        let first = |wanted: Origin| {
            let found = claims.iter().find(|claim| claim.origin == wanted);
            found.map(|claim| claim.source)
        };
        match origin {
            Origin::Conflict(one, other) => Self {
                origin,
                source: first(Origin::Known(one)),
                against: first(Origin::Known(other)),
            },
            _ => Self {
                origin,
                source: first(origin),
                against: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(claims: &[(Source, &str)]) -> Finding {
        let claims: Vec<Claim> = claims
            .iter()
            .map(|&(source, code)| Claim {
                source,
                origin: Origin::from_code(code),
            })
            .collect();
        Finding::of(&claims)
    }

    #[test]
    fn the_first_source_that_names_the_kommun_is_its_provenance() {
        let found = said(&[(Source::Header, "0488"), (Source::AccessNetwork, "0488")]);
        assert_eq!(found.origin, Origin::from_code("0488"));
        assert_eq!((found.source, found.against), (Some(Source::Header), None));
        assert_eq!(said(&[]).source, None);
    }

    #[test]
    fn strong_sources_that_differ_conflict_and_both_are_named() {
        let found = said(&[
            (Source::Digits, "9999"),
            (Source::AccessNetwork, "0180"),
            (Source::Geolocation, "0488"),
        ]);
        assert_eq!(found.origin.class(), "conflict");
        assert_eq!(
            (found.source, found.against),
            (Some(Source::AccessNetwork), Some(Source::Geolocation))
        );
    }

    #[test]
    fn a_weak_source_never_contradicts_and_never_mends_a_strong_one() {
        let weak = (Source::AreaCode, "0180");
        assert_eq!(said(&[weak]).source, Some(Source::AreaCode));
        for strong in ["0488", "9999", "01a0", "018"] {
            let found = said(&[(Source::Header, strong), weak]);
            assert_eq!(found.origin, Origin::from_code(strong), "{strong}");
            assert_eq!(found.source, Some(Source::Header));
        }
    }
}
