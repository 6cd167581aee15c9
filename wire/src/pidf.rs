//! Civic addresses in a PIDF-LO document (RFC 4119, RFC 5139): as much as routing by kommun needs.

use crate::siprec::xml::{self, Element, XmlError};

/// The type of such a document.
pub const CONTENT_TYPE: &str = "application/pidf+xml";

/// Addresses in a document that are looked at; a caller is in one place.
const ADDRESSES_MAX: usize = 8;

/// The third level of each civic address (`A3`): in Sweden the kommun, by name or code.
///
/// # Errors
/// When the document can't be read.
pub fn municipalities(document: &[u8]) -> Result<Vec<String>, XmlError> {
    let root = xml::parse(document)?;
    let mut found = Vec::new();
    collect(&root, &mut found);
    Ok(found)
}

fn collect(element: &Element, found: &mut Vec<String>) {
    if found.len() >= ADDRESSES_MAX {
        return;
    }
    if element.name == "civicAddress" {
        found.extend(element.text_of("A3").map(str::to_owned));
    }
    // As deep as the reader lets a document be.
    element
        .children
        .iter()
        .for_each(|child| collect(child, found));
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"
  xmlns:ca="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr" entity="pres:caller@example.invalid">
 <tuple id="a"><status><gp:geopriv><gp:location-info>
  <ca:civicAddress><ca:country>SE</ca:country><ca:A1>Södermanlands län</ca:A1><ca:A3> Trosa </ca:A3></ca:civicAddress>
 </gp:location-info><gp:usage-rules/></gp:geopriv></status></tuple>
</presence>"#;

    #[test]
    fn the_municipality_is_found_whatever_the_prefixes() {
        assert_eq!(
            municipalities(DOCUMENT.as_bytes()),
            Ok(vec!["Trosa".to_owned()])
        );
        let bare = DOCUMENT.replace("ca:", "");
        assert_eq!(
            municipalities(bare.as_bytes()),
            Ok(vec!["Trosa".to_owned()])
        );
        let without = DOCUMENT.replace("ca:A3", "ca:A6");
        assert_eq!(municipalities(without.as_bytes()), Ok(Vec::new()));
    }

    #[test]
    fn what_is_broken_or_a_bomb_is_an_error() {
        assert!(municipalities(b"<presence>").is_err());
        let bomb = format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{DOCUMENT}");
        assert!(municipalities(bomb.as_bytes()).is_err());
    }
}
