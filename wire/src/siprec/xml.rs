//! A small tree of XML: elements, attributes, text. No entities but the five, no DOCTYPE, bounded everywhere.

use std::borrow::Cow;

use quick_xml::{
    Reader, XmlVersion,
    escape::escape,
    events::{BytesRef, BytesStart, Event},
};

/// Elements inside one another; RFC 7865 has five levels.
const DEPTH_MAX: usize = 16;
/// Elements in a document.
const ELEMENTS_MAX: usize = 4096;
/// Attributes of an element; finding doubles among them takes their square.
const ATTRIBUTES_MAX: usize = 16;

/// What makes a document unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// Tags that don't match, a bare ampersand and the like.
    #[error("not well-formed at byte {at}")]
    Malformed {
        /// Where, in bytes from the start.
        at: u64,
    },
    /// A DOCTYPE or an entity of its own: the stuff of XML bombs, and never needed.
    #[error("a DOCTYPE or an unknown entity at byte {at}: neither is taken")]
    Entity {
        /// Where, in bytes from the start.
        at: u64,
    },
    /// Too deep, too many elements or attributes.
    #[error("too many or too deep elements at byte {at}")]
    Limit {
        /// Where, in bytes from the start.
        at: u64,
    },
    /// No element at all, or text after the last.
    #[error("no root element")]
    NoRoot,
}

/// An element. Names are without prefix: peers choose those as they like.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The children of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name, trimmed; `None` when there's none or it is empty.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(|child| child.text.trim())
            .filter(|text| !text.is_empty())
    }

    /// The attribute of that name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.trim())
    }
}

/// Reads a document to its root element.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{FEFF}').trim());
    // The last is the innermost open element; the first stands outside the root.
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        let malformed = XmlError::Malformed { at };
        match event.map_err(|_| malformed)? {
            Event::Start(start) => {
                elements += 1;
                if open.len() > DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(XmlError::Limit { at });
                }
                open.push(element(&start, at)?);
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > ELEMENTS_MAX {
                    return Err(XmlError::Limit { at });
                }
                let element = element(&start, at)?;
                open.last_mut().ok_or(malformed)?.children.push(element);
            }
            Event::End(_) => {
                let element = open.pop().ok_or(malformed)?;
                open.last_mut().ok_or(malformed)?.children.push(element);
            }
            Event::Text(text) => open
                .last_mut()
                .ok_or(malformed)?
                .text
                .push_str(&text.xml10_content()),
            Event::CData(text) => open
                .last_mut()
                .ok_or(malformed)?
                .text
                .push_str(&text.xml10_content()),
            Event::GeneralRef(entity) => {
                let letter = resolve(&entity).ok_or(XmlError::Entity { at })?;
                open.last_mut().ok_or(malformed)?.text.push(letter);
            }
            Event::DocType(_) => return Err(XmlError::Entity { at }),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    root(open)
}

fn root(mut open: Vec<Element>) -> Result<Element, XmlError> {
    let outside = open
        .pop()
        .filter(|_| open.is_empty())
        .ok_or(XmlError::NoRoot)?;
    let mut roots = outside.children.into_iter();
    match (roots.next(), roots.next(), outside.text.trim().is_empty()) {
        (Some(root), None, true) => Ok(root),
        _ => Err(XmlError::NoRoot),
    }
}

fn element(start: &BytesStart<'_>, at: u64) -> Result<Element, XmlError> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| XmlError::Malformed { at })?;
        if attributes.len() == ATTRIBUTES_MAX {
            return Err(XmlError::Limit { at });
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| XmlError::Entity { at })?;
        attributes.push((
            attribute.key.local_name().into_inner().to_owned(),
            value.into_owned(),
        ));
    }
    Ok(Element {
        name: start.local_name().into_inner().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn resolve(entity: &BytesRef<'_>) -> Option<char> {
    if let Some(letter) = entity.resolve_char_ref().ok()? {
        return Some(letter);
    }
    match &*entity.xml10_content() {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

/// Writes a document, two spaces a level.
pub(crate) struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    pub(crate) fn new() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            depth: 0,
        }
    }

    pub(crate) fn open(&mut self, name: &str, attributes: &[(&'static str, &str)]) {
        self.start(name, attributes);
        self.text.push('\n');
        self.depth += 1;
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.indent();
        self.end(name);
    }

    /// An element that holds only text.
    pub(crate) fn text(&mut self, name: &str, attributes: &[(&'static str, &str)], text: &str) {
        self.start(name, attributes);
        self.text.push_str(&escape(without_controls(text)));
        self.end(name);
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn start(&mut self, name: &str, attributes: &[(&'static str, &str)]) {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            let value = escape(without_controls(value))
                .replace('\n', "&#10;")
                .replace('\t', "&#9;");
            self.text.push_str(&format!(" {name}=\"{value}\""));
        }
        self.text.push('>');
    }

    fn end(&mut self, name: &str) {
        self.text.push_str(&format!("</{name}>\n"));
    }

    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }
}

/// XML 1.0 has no way to write most control characters; they are left out.
fn without_controls(text: &str) -> Cow<'_, str> {
    let forbidden = |letter: char| {
        (letter.is_ascii_control() && !matches!(letter, '\n' | '\t'))
            || matches!(letter, '\u{FFFE}' | '\u{FFFF}')
    };
    if text.contains(forbidden) {
        text.replace(forbidden, "").into()
    } else {
        text.into()
    }
}
