//! The header fields of a message, in order, with values that can't break out of their line.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use super::{
    name::HeaderName,
    text::{Text, find, has_control, is_control, trim, write_number},
};

/// A header field's value: one line, without control characters, so nothing in it can begin another field.
///
/// What is made with `From` has its control characters replaced by spaces; [`HeaderValue::parse`] refuses them.
/// Only a value that came from a peer may hold control characters, and only those RFC 3261's quoted-pair allows (never CR or LF).
#[derive(Clone)]
pub struct HeaderValue(Text);

impl HeaderValue {
    /// `None` when the text has a control character (CR and LF among them).
    pub fn parse(text: &str) -> Option<Self> {
        (!has_control(text)).then(|| Self(Text::from(trim(text))))
    }

    /// What a peer sent: `part` lies in `whole`. `None` when a control character is there outside a quoted-pair.
    pub(super) fn received(whole: &Arc<str>, part: &str) -> Option<Self> {
        (!has_control(part) || controls_are_quoted(part)).then(|| Self(Text::of(whole, part)))
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// quoted-pair (RFC 3261 section 25.1): a backslash may stand before any ASCII character but CR and LF.
fn controls_are_quoted(text: &str) -> bool {
    let mut escaped = false;
    for byte in text.bytes() {
        if is_control(byte) && (!escaped || matches!(byte, b'\r' | b'\n')) {
            return false;
        }
        escaped = byte == b'\\' && !escaped;
    }
    !escaped
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        if !has_control(text) {
            return Self(Text::from(trim(text)));
        }
        let clean: String = text
            .chars()
            .map(|c| if c.is_ascii_control() { ' ' } else { c })
            .collect();
        Self(Text::from(trim(&clean)))
    }
}

impl From<&HeaderValue> for HeaderValue {
    fn from(value: &HeaderValue) -> Self {
        value.clone()
    }
}

/// Room for most printed values, an address with its tag among them.
const PRINTED_USUAL: usize = 96;

/// Texts as they are, whoever owns them.
macro_rules! value_from_text {
    ($($type:ty),*) => {$(
        impl From<$type> for HeaderValue {
            fn from(value: $type) -> Self {
                Self::from(&**value)
            }
        }
    )*};
}

value_from_text!(&String, &Box<str>);

impl From<String> for HeaderValue {
    fn from(value: String) -> Self {
        Self::from(value.as_str())
    }
}

impl From<Box<str>> for HeaderValue {
    fn from(value: Box<str>) -> Self {
        Self::from(&*value)
    }
}

/// Types that are written as a header value by `write`.
macro_rules! value_from_written {
    ($($type:ty, |$out:ident, $value:ident| $write:expr;)*) => {$(
        impl From<$type> for HeaderValue {
            fn from($value: $type) -> Self {
                let mut text = String::with_capacity(PRINTED_USUAL);
                let $out = &mut text;
                // Writing into a String can't fail.
                let _ = $write;
                Self::from(text.as_str())
            }
        }
    )*};
}

value_from_written! {
    u8, |out, value| write_number(out, value.into());
    u16, |out, value| write_number(out, value.into());
    u32, |out, value| write_number(out, value);
    u64, |out, value| write!(out, "{value}");
    usize, |out, value| write!(out, "{value}");
    &super::header::NameAddr, |out, value| value.write(out);
    &super::header::CSeq, |out, value| value.write(out);
    &super::uri::Uri, |out, value| value.write(out);
    fmt::Arguments<'_>, |out, value| out.write_fmt(value);
    &super::header::Via, |out, value| write!(out, "{value}");
    &super::header::MediaType, |out, value| write!(out, "{value}");
}

impl fmt::Debug for HeaderValue {
    /// Only the length: a value may hold a telephone number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.as_str().len())
    }
}

impl PartialEq for HeaderValue {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for HeaderValue {}

/// Room for this many fields is made with the first: most messages then don't grow.
const FIELDS_AT_FIRST: usize = 12;

/// Header fields in the order they came.
///
/// `Content-Length` is not among them: [`super::message::Message::to_bytes`] counts the body itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Headers {
    /// None yet.
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    pub(crate) fn with_capacity(fields: usize) -> Self {
        Self {
            fields: Vec::with_capacity(fields),
        }
    }

    /// The first value of that name.
    pub fn get(&self, name: &HeaderName) -> Option<&str> {
        self.value(name).map(HeaderValue::as_str)
    }

    /// The first value of that name, cheap to clone into another message.
    pub fn value(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.fields
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value)
    }

    /// Every value of that name, line by line.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.values(name).map(HeaderValue::as_str)
    }

    /// Every value of that name, cheap to clone into another message.
    pub fn values(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.fields
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value)
    }

    /// The items of comma-separated lists under that name (`Via`, `Contact`, `Route`, `Supported`, ...), over all its lines.
    pub fn list(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.get_all(name).flat_map(split_list)
    }

    /// Whether a comma-separated list under that name has this token, in any case (`Supported: 100rel`).
    pub fn lists(&self, name: &HeaderName, token: &str) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// Adds a field after the others.
    pub fn push(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        if self.fields.capacity() == 0 {
            self.fields.reserve(FIELDS_AT_FIRST);
        }
        self.fields.push((name, value.into()));
    }

    /// Adds copies of all of another's fields after the others; values are shared, not copied.
    pub fn append(&mut self, other: &Self) {
        self.fields.extend_from_slice(&other.fields);
    }

    /// Adds a field before the others.
    pub fn push_first(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        self.fields.insert(0, (name, value.into()));
    }

    /// Puts another item in the place of the first under that name: of the field, or of its comma-separated list.
    pub(super) fn replace_first(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        let first = self.fields.iter_mut().find(|(own, _)| *own == name);
        match first {
            Some((_, own)) if split_list(own.as_str()).nth(1).is_none() => *own = value.into(),
            _ => {
                self.remove_first(&name);
                self.push_first(name, value);
            }
        }
    }

    /// Gives the first field of that name a new value and removes the others; adds one when there is none.
    pub fn set(&mut self, name: HeaderName, value: impl Into<HeaderValue>) {
        let Some(at) = self.fields.iter().position(|(own, _)| *own == name) else {
            return self.push(name, value);
        };
        let mut index = 0;
        self.fields.retain(|(own, _)| {
            index += 1;
            *own != name || index - 1 == at
        });
        if let Some(field) = self.fields.get_mut(at) {
            field.1 = value.into();
        }
    }

    /// Removes every field of that name; says how many.
    pub fn remove(&mut self, name: &HeaderName) -> usize {
        let before = self.fields.len();
        self.fields.retain(|(own, _)| own != name);
        before - self.fields.len()
    }

    /// Removes the first item under that name: the field, or the first of its comma-separated list.
    pub fn remove_first(&mut self, name: &HeaderName) -> Option<HeaderValue> {
        let at = self.fields.iter().position(|(own, _)| own == name)?;
        let value = self.fields.get(at)?.1.clone();
        let mut items = split_list(value.as_str());
        let first = items.next().map(HeaderValue::from)?;
        let rest: Vec<&str> = items.collect();
        if rest.is_empty() {
            self.fields.remove(at);
        } else if let Some(field) = self.fields.get_mut(at) {
            field.1 = HeaderValue::from(rest.join(", "));
        }
        Some(first)
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name, value.as_str()))
    }

    /// How many fields.
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.fields.iter().map(|(name, value)| (name, value)))
            .finish()
    }
}

/// Splits at commas outside quotes and angle brackets; items are trimmed, empty ones left out
/// (RFC 3261 section 7.3.1).
pub fn split_list(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let text = rest?;
            let comma = find(text, b',').and_then(|_| list_comma(text));
            let item = trim(comma.map_or(text, |at| text.get(..at).unwrap_or_default()));
            rest = comma.and_then(|at| text.get(at + 1..));
            if !item.is_empty() {
                return Some(item);
            }
        }
    })
}

fn list_comma(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    text.bytes().position(|byte| {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            return false;
        }
        match byte {
            b'"' if !bracketed => quoted = true,
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            _ => {}
        }
        byte == b',' && !bracketed
    })
}
