//! `;name=value` parameters of URIs and header values (RFC 3261 section 25.1, generic-param).

use std::fmt;

use super::text::{TOKEN, after, is_control, run, trim, trim_start};

/// Parameters in order. Names are compared without case, values kept as they came (quotes and escapes with them).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(Box<str>, Option<Box<str>>)>);

impl Params {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of the first parameter of that name: `Some(None)` when it stands without one.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.0
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_deref())
    }

    /// The value of the first parameter of that name, when it has one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).flatten()
    }

    /// Whether it is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives the parameter that value, in its place or after the others.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(Box::from);
        match self
            .0
            .iter_mut()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
        {
            Some((_, own)) => *own = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Takes it away; says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        before != self.0.len()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (&**name, value.as_deref()))
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, name: &str, value: Option<&str>) {
        self.0.push((name.into(), value.map(Box::from)));
    }

    /// Owns what [`scan`] yields, which must have been checked; what can't be read is left out.
    pub(super) fn own(text: &str) -> Self {
        Self(
            scan(text)
                .flatten()
                .map(|(name, value)| (name.into(), value.map(Box::from)))
                .collect(),
        )
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl Params {
    /// As [`fmt::Display`] writes them.
    pub(super) fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        for (name, value) in self.iter() {
            out.write_char(';')?;
            out.write_str(name)?;
            if let Some(value) = value {
                out.write_char('=')?;
                out.write_str(value)?;
            }
        }
        Ok(())
    }
}

/// Adds a parameter to a text.
pub(super) fn write(out: &mut String, name: &str, value: Option<&str>) {
    out.push(';');
    out.push_str(name);
    if let Some(value) = value {
        out.push('=');
        out.push_str(value);
    }
}

/// The first parameter of that name in a text, as [`Params::get`].
pub(super) fn find<'a>(text: &'a str, name: &str) -> Option<Option<&'a str>> {
    scan(text)
        .flatten()
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

impl fmt::Debug for Params {
    /// Names only: a value may hold a telephone number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

/// A parameter that can't be read: empty, a name that is no token, a stray character or an open quote in the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadParam;

/// Reads `;name=value;name` with spaces allowed around each sign; ends after the first that can't be read.
pub(super) fn scan(text: &str) -> impl Iterator<Item = Result<(&str, Option<&str>), BadParam>> {
    let mut rest = trim(text);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let step = after(rest, b';')
            .ok_or(BadParam)
            .and_then(|text| one(trim_start(text)));
        rest = step.as_ref().map_or("", |(_, rest)| rest);
        Some(step.map(|(param, _)| param))
    })
}

type Step<'a> = ((&'a str, Option<&'a str>), &'a str);

fn one(text: &str) -> Result<Step<'_>, BadParam> {
    let (name, rest) = run(text, &TOKEN);
    let rest = trim_start(rest);
    if name.is_empty() {
        return Err(BadParam);
    }
    let Some(rest) = after(rest, b'=') else {
        return ends(rest).map(|rest| ((name, None), rest));
    };
    let rest = trim_start(rest);
    if after(rest, b'"').is_some() {
        let end = quoted_end(rest).ok_or(BadParam)?;
        let (value, rest) = rest.split_at(end);
        return Ok(((name, Some(value)), trim(rest)));
    }
    let (value, rest) = run(rest, &PLAIN);
    ends(trim_start(rest)).map(|rest| ((name, Some(value)), rest))
}

/// What follows a parameter: nothing, or the next.
fn ends(rest: &str) -> Result<&str, BadParam> {
    let ends = rest.is_empty() || after(rest, b';').is_some();
    ends.then_some(rest).ok_or(BadParam)
}

/// Which bytes may stand in a value that isn't quoted.
static PLAIN: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] =
            !is_control(byte) && !matches!(byte, b' ' | b'\t' | b',' | b';' | b'"' | b'<' | b'>');
        byte += 1;
    }
    table
};

/// Where the quoted string at the start of `text` ends, after its closing quote.
pub(super) fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    let close = text.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some(close + 2)
}
