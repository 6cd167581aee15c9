//! Where a call comes from, as far as the signalling tells: one of four findings, never a guess.

use crate::kommun::KommunId;

/// What the kommun-ID sources of a call said together (design: each of the four has a route of its own).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// One kommun, or several sources that agree.
    Known(KommunId),
    /// No trusted source said anything, or the code is none of the 290.
    Unknown(UnknownReason),
    /// A source said something that can't be a kommun-ID.
    Invalid(InvalidReason),
    /// Two trusted sources name two kommuner.
    Conflict(KommunId, KommunId),
}

/// Why the kommun is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnknownReason {
    /// No source carried a kommun-ID.
    Missing,
    /// Only a peer that isn't trusted named one.
    Untrusted,
    /// Four digits, but no kommun has that code.
    NoSuchKommun,
}

/// Why a value is no kommun-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InvalidReason {
    /// Not four characters.
    Length,
    /// Four characters, not all digits.
    NotDigits,
}

impl Origin {
    /// Reads one claimed code: a four-digit string, opaque (its form is an assumption, see `data/PROVENANCE.md`).
    pub fn from_code(code: &str) -> Self {
        if code.is_empty() {
            return Self::Unknown(UnknownReason::Missing);
        }
        if code.chars().count() != 4 {
            return Self::Invalid(InvalidReason::Length);
        }
        if !code.bytes().all(|b| b.is_ascii_digit()) {
            return Self::Invalid(InvalidReason::NotDigits);
        }
        KommunId::parse(code).map_or(Self::Unknown(UnknownReason::NoSuchKommun), Self::Known)
    }

    /// Joins what two sources said. Known beats missing, invalid beats missing, and two different kommuner conflict.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) if a != b => Self::Conflict(a, b),
            (conflict @ Self::Conflict(..), _) | (_, conflict @ Self::Conflict(..)) => conflict,
            (known @ Self::Known(_), _) | (_, known @ Self::Known(_)) => known,
            (invalid @ Self::Invalid(_), _) | (_, invalid @ Self::Invalid(_)) => invalid,
            (Self::Unknown(UnknownReason::Missing), b) => b,
            (a, Self::Unknown(_)) => a,
        }
    }

    /// The kommun, when exactly one is known.
    pub const fn kommun(self) -> Option<KommunId> {
        match self {
            Self::Known(kommun) => Some(kommun),
            _ => None,
        }
    }

    /// A short word for logs and metric labels: `known`, `unknown`, `invalid` or `conflict`.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Known(_) => "known",
            Self::Unknown(_) => "unknown",
            Self::Invalid(_) => "invalid",
            Self::Conflict(..) => "conflict",
        }
    }

    /// Why the kommun isn't known, in words for a person; empty when it is known.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Known(_) => "",
            Self::Unknown(UnknownReason::Missing) => "no kommun-ID came with the call",
            Self::Unknown(UnknownReason::Untrusted) => {
                "only a peer that is not trusted named a kommun"
            }
            Self::Unknown(UnknownReason::NoSuchKommun) => "no kommun has this code",
            Self::Invalid(InvalidReason::Length) => "a kommun-ID has four digits",
            Self::Invalid(InvalidReason::NotDigits) => "a kommun-ID is digits only",
            Self::Conflict(..) => "two trusted sources name different kommuner",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: [&str; 8] = ["0180", "0380", "", "9999", "018", "01800", "01a0", "０180"];

    #[test]
    fn a_code_is_known_or_says_why_not() {
        let reasons = CLAIMS.map(|code| Origin::from_code(code).reason());
        assert_eq!(
            reasons,
            [
                "",
                "",
                "no kommun-ID came with the call",
                "no kommun has this code",
                "a kommun-ID has four digits",
                "a kommun-ID has four digits",
                "a kommun-ID is digits only",
                "a kommun-ID is digits only",
            ]
        );
    }

    #[test]
    fn sources_that_agree_are_known_and_two_that_differ_conflict() {
        let [stockholm, uppsala, missing, ..] = CLAIMS.map(Origin::from_code);
        assert_eq!(stockholm.join(stockholm), stockholm);
        assert_eq!(missing.join(uppsala), uppsala);
        assert_eq!(stockholm.join(uppsala).class(), "conflict");
        assert_eq!(stockholm.join(uppsala).join(stockholm).class(), "conflict");
        assert_eq!(stockholm.join(uppsala).kommun(), None);
    }

    #[test]
    fn the_order_of_sources_does_not_change_the_finding() {
        let claims = CLAIMS.map(Origin::from_code);
        for one in claims {
            for other in claims {
                assert_eq!(
                    one.join(other).class(),
                    other.join(one).class(),
                    "{one:?} {other:?}"
                );
            }
        }
    }
}
