//! The registers: 290 kommuner in 21 regions, as Statistics Sweden counts them.
//! Source: `data/kommuner.csv`, `data/regions.csv`, `data/PROVENANCE.md`.

use std::fmt;

/// The four-digit code of one of the 290 kommuner. Exists only for codes in the register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KommunId(u16);

/// The two-digit county code of one of the 21 regions, `01` for Stockholm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionCode(u8);

/// A kommun as the register has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kommun {
    /// Its code.
    pub id: KommunId,
    /// Its name, without "kommun".
    pub name: &'static str,
    /// Its region.
    pub region: RegionCode,
    /// Inhabitants on 31 December 2025.
    pub population: u32,
    /// Latitude of a point inside it, WGS 84 degrees.
    pub lat: f64,
    /// Longitude of that point.
    pub lon: f64,
}

/// A region as the register has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Its code.
    pub code: RegionCode,
    /// Its own name for itself.
    pub name: &'static str,
    /// Inhabitants, summed over its kommuner.
    pub population: u32,
}

impl fmt::Display for KommunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl fmt::Debug for KommunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl KommunId {
    /// The kommun with this four-digit code; `None` for anything that the register doesn't have.
    pub fn parse(_code: &str) -> Option<Self> {
        None
    }
}
