//! The registers: 290 kommuner in 21 regions, as Statistics Sweden counts them.
//! Source: `data/kommuner.csv`, `data/regions.csv`, `data/PROVENANCE.md`.

use std::{fmt, sync::LazyLock};

use crate::csv;

/// How many kommuner there are.
pub const KOMMUNER_LEN: usize = 290;

/// How many regions there are.
pub const REGIONS_LEN: usize = 21;

/// One of the 290 kommuner. Exists only for codes in the register; ordered as the codes are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KommunId(u16);

/// One of the 21 regions by its two-digit county code, `01` for Stockholm; ordered as the codes are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionCode(u8);

/// A kommun as the register has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kommun {
    /// Which one it is.
    pub id: KommunId,
    /// Its four-digit code.
    pub code: &'static str,
    /// Its name, without "kommun".
    pub name: &'static str,
    /// Its region.
    pub region: RegionCode,
    /// Inhabitants on 31 December 2025.
    pub population: u32,
    /// Latitude of a point inside it, WGS 84 degrees.
    pub lat: f64,
    /// Longitude of that point, WGS 84 degrees.
    pub lon: f64,
}

/// A region as the register has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Which one it is.
    pub code: RegionCode,
    /// Its two-digit code.
    pub digits: &'static str,
    /// Its own name for itself.
    pub name: &'static str,
    /// Inhabitants, summed over its kommuner.
    pub population: u32,
}

/// All 290 kommuner, in the order of their codes; a [`KommunId::index`] points into it.
pub fn kommuner() -> &'static [Kommun] {
    &REGISTER.kommuner
}

/// All 21 regions, in the order of their codes; a [`RegionCode::index`] points into it.
pub fn regions() -> &'static [Region] {
    &REGISTER.regions
}

/// The register's entry for a kommun.
pub fn kommun(id: KommunId) -> &'static Kommun {
    &REGISTER.kommuner[id.index()]
}

/// The register's entry for a region.
pub fn region(code: RegionCode) -> &'static Region {
    &REGISTER.regions[code.index()]
}

impl KommunId {
    /// The kommun with this four-digit code; `None` for anything that the register doesn't have.
    pub fn parse(code: &str) -> Option<Self> {
        let place = REGISTER
            .kommuner
            .binary_search_by(|kommun| kommun.code.cmp(code))
            .ok()?;
        Some(REGISTER.kommuner[place].id)
    }

    /// The kommun of this name, as people write it in addresses: `Trosa`, `Trosa kommun`, in any case.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        let name = name.strip_suffix(" kommun").unwrap_or(&name);
        // "Trosas kommun" is a genitive.
        let genitive = name.strip_suffix('s');
        let named = |wanted: &str| {
            let mut all = REGISTER.kommuner.iter();
            all.find(|kommun| kommun.name.to_lowercase() == wanted)
        };
        let found = named(name).or_else(|| genitive.and_then(named))?;
        Some(found.id)
    }

    /// Its place among the kommuner, 0 to 289, in the order of the codes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its four-digit code.
    pub fn code(self) -> &'static str {
        kommun(self).code
    }

    /// The region it lies in.
    pub fn region(self) -> RegionCode {
        kommun(self).region
    }
}

impl RegionCode {
    /// The region with this two-digit code; `None` for anything that the register doesn't have.
    pub fn parse(code: &str) -> Option<Self> {
        let place = REGISTER
            .regions
            .binary_search_by(|region| region.digits.cmp(code))
            .ok()?;
        Some(REGISTER.regions[place].code)
    }

    /// Its place among the regions, 0 to 20, in the order of the codes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its two-digit code.
    pub fn code(self) -> &'static str {
        region(self).digits
    }
}

impl fmt::Display for KommunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
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

struct Register {
    regions: Vec<Region>,
    kommuner: Vec<Kommun>,
}

static REGISTER: LazyLock<Register> = LazyLock::new(|| {
    let regions = read_regions(include_str!("../../data/regions.csv"));
    let kommuner = read_kommuner(include_str!("../../data/kommuner.csv"), &regions);
    Register { regions, kommuner }
});

/// A row that can't be read is left out; the tests below count them.
fn read_regions(text: &'static str) -> Vec<Region> {
    let mut rows: Vec<_> = csv::rows(text).filter(|row| row.len() > 6).collect();
    rows.sort_by_key(|row| row[0]);
    (0..)
        .zip(rows)
        .filter_map(|(place, row)| read_region(place, &row))
        .collect()
}

fn read_region(place: u8, row: &[&'static str]) -> Option<Region> {
    Some(Region {
        code: RegionCode(place),
        digits: row[0],
        name: row[1],
        population: row[6].parse().ok()?,
    })
}

fn read_kommuner(text: &'static str, regions: &[Region]) -> Vec<Kommun> {
    let mut rows: Vec<_> = csv::rows(text).filter(|row| row.len() > 7).collect();
    rows.sort_by_key(|row| row[0]);
    (0..)
        .zip(rows)
        .filter_map(|(place, row)| read_kommun(place, &row, regions))
        .collect()
}

fn read_kommun(place: u16, row: &[&'static str], regions: &[Region]) -> Option<Kommun> {
    Some(Kommun {
        id: KommunId(place),
        code: row[0],
        name: row[1],
        region: regions.iter().find(|region| region.digits == row[2])?.code,
        population: row[4].parse().ok()?,
        lat: row[6].parse().ok()?,
        lon: row[7].parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_register_is_whole() {
        assert_eq!(kommuner().len(), KOMMUNER_LEN);
        assert_eq!(regions().len(), REGIONS_LEN);
        assert_eq!(
            kommuner()
                .iter()
                .map(|kommun| kommun.population)
                .sum::<u32>(),
            10_605_520
        );
        assert!(
            kommuner()
                .windows(2)
                .all(|pair| pair[0].code < pair[1].code),
            "codes are unique"
        );
        assert!(
            regions()
                .windows(2)
                .all(|pair| pair[0].digits < pair[1].digits),
            "codes are unique"
        );
    }

    #[test]
    fn places_and_codes_agree() {
        for (place, kommun) in kommuner().iter().enumerate() {
            assert_eq!(kommun.id.index(), place);
            assert_eq!(KommunId::parse(kommun.code), Some(kommun.id));
            assert_eq!(kommun.id.to_string(), kommun.code);
            assert_eq!(
                kommun.region.code(),
                &kommun.code[..2],
                "a kommun's code begins with its county"
            );
            assert!((55.0..70.0).contains(&kommun.lat) && (10.0..25.0).contains(&kommun.lon));
        }
        for (place, region) in regions().iter().enumerate() {
            assert_eq!(region.code.index(), place);
            assert_eq!(RegionCode::parse(region.digits), Some(region.code));
        }
    }

    #[test]
    fn a_region_is_the_sum_of_its_kommuner() {
        for region in regions() {
            let sum: u32 = kommuner()
                .iter()
                .filter(|kommun| kommun.region == region.code)
                .map(|kommun| kommun.population)
                .sum();
            assert_eq!(region.population, sum, "{}", region.name);
        }
    }

    #[test]
    fn what_the_register_lacks_is_no_kommun() {
        for code in [
            "",
            "0000",
            "9999",
            "180",
            "01800",
            "0180 ",
            "018a",
            "Stockholm",
        ] {
            assert_eq!(KommunId::parse(code), None, "{code}");
        }
        assert_eq!(RegionCode::parse("02"), None, "there is no county 02");
        assert_eq!(
            KommunId::parse("0180").map(|id| kommun(id).name),
            Some("Stockholm")
        );
    }

    #[test]
    fn a_kommun_is_found_by_its_name_as_people_write_it() {
        for name in ["Trosa", "trosa kommun", " TROSA ", "Trosas kommun"] {
            assert_eq!(KommunId::by_name(name), KommunId::parse("0488"), "{name}");
        }
        assert_eq!(
            KommunId::by_name("Västerås"),
            KommunId::parse("1980"),
            "no genitive"
        );
        assert_eq!(KommunId::by_name("Södermanland"), None);
        for kommun in kommuner() {
            assert_eq!(
                KommunId::by_name(kommun.name),
                Some(kommun.id),
                "{}",
                kommun.name
            );
        }
    }
}
