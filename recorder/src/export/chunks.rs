//! The chunks that tell whose a sound file is: LIST/INFO, `bext` (EBU Tech 3285 version 1) and iXML.

use std::io::{self, Seek, SeekFrom, Write};

use wire::g711::Law;

use crate::index::Entry;

const PROGRAM: &str = concat!("vaxel ", env!("CARGO_PKG_VERSION"));
const BEXT_VERSION: u16 = 1;
/// UMID (64) and reserved (190) bytes, unused.
const BEXT_UNUSED: usize = 254;

/// Appends the chunks to a finished WAV file and corrects its size.
pub(super) fn append<W: Write + Seek>(
    out: &mut W,
    entry: &Entry,
    law: Option<Law>,
) -> io::Result<()> {
    out.seek(SeekFrom::End(0))?;
    out.write_all(&all(entry, law)?)?;
    let length = out.stream_position()?;
    let riff = u32::try_from(length.saturating_sub(8))
        .map_err(|_| io::Error::other("a WAV file holds 4 GB at most"))?;
    out.seek(SeekFrom::Start(4))?;
    out.write_all(&riff.to_le_bytes())?;
    out.seek(SeekFrom::End(0))?;
    out.flush()
}

/// The chunks, one after the other.
pub(super) fn all(entry: &Entry, law: Option<Law>) -> io::Result<Vec<u8>> {
    let bodies = [
        (b"LIST", info(entry)),
        (b"bext", bext(entry, law)),
        (b"iXML", ixml(entry).into_bytes()),
    ];
    let chunks = bodies.iter().map(|(id, body)| chunk(**id, body));
    Ok(chunks.collect::<io::Result<Vec<_>>>()?.concat())
}

/// A RIFF chunk: id, length, body, and a byte more when the body is odd.
fn chunk(id: [u8; 4], body: &[u8]) -> io::Result<Vec<u8>> {
    let length =
        u32::try_from(body.len()).map_err(|_| io::Error::other("a chunk holds 4 GB at most"))?;
    let mut bytes = [id.as_slice(), &length.to_le_bytes(), body].concat();
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    Ok(bytes)
}

fn info(entry: &Entry) -> Vec<u8> {
    let tag = &entry.tag;
    let mut list = b"INFO".to_vec();
    let texts = [
        (b"INAM", format!("Recording {}", entry.id)),
        (b"ICMT", tag.to_string()),
        (b"ICOP", tag.controller.to_string()),
        (b"ICRD", tag.started.in_sweden().date().to_string()),
        (b"ISFT", PROGRAM.to_owned()),
    ];
    for (id, text) in texts {
        // The texts end with a zero byte; a tag's fields are short, so the length always fits.
        let body = [text.as_bytes(), b"\0"].concat();
        list.extend(chunk(*id, &body).unwrap_or_default());
    }
    list
}

fn bext(entry: &Entry, law: Option<Law>) -> Vec<u8> {
    let tag = &entry.tag;
    let started = tag.started.in_sweden();
    let midnight = started.start_of_day().unwrap_or_else(|_| started.clone());
    let since = started.timestamp().as_millisecond() - midnight.timestamp().as_millisecond();
    let samples = u64::try_from(since).unwrap_or(0) * u64::from(crate::tally::RATE) / 1000;
    let mut body = Vec::with_capacity(700);
    put_ascii(&mut body, &tag.to_string(), 256);
    put_ascii(&mut body, &tag.processor, 32);
    put_ascii(&mut body, &entry.id.to_string(), 32);
    put_ascii(&mut body, &started.date().to_string(), 10);
    put_ascii(&mut body, &started.strftime("%H:%M:%S").to_string(), 8);
    // Low word, then high word: a little-endian number of 64 bits.
    body.extend_from_slice(&samples.to_le_bytes());
    body.extend_from_slice(&BEXT_VERSION.to_le_bytes());
    body.extend_from_slice(&[0; BEXT_UNUSED]);
    let from = match law {
        Some(Law::U) => "G.711 mu-law",
        Some(Law::A) => "G.711 A-law",
        None => "nothing received",
    };
    let history = format!("A=PCM,F=8000,W=16,M=stereo,T={from} by RTP; {PROGRAM}\r\n");
    body.extend_from_slice(history.as_bytes());
    body
}

/// A field of fixed width, filled with zero bytes; what isn't ASCII becomes `?`, as the format has no other letters.
fn put_ascii(body: &mut Vec<u8>, text: &str, width: usize) {
    let letters = text.chars().map(|c| {
        if matches!(c, ' '..='~') {
            c as u8
        } else {
            b'?'
        }
    });
    let end = body.len() + width;
    body.extend(letters.take(width));
    body.resize(end, 0);
}

fn ixml(entry: &Entry) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BWFXML>\n  <IXML_VERSION>2.10</IXML_VERSION>\n",
    );
    for (name, text) in [
        ("PROJECT", "1177"),
        ("NOTE", PROGRAM),
        ("FILE_UID", &entry.id.to_string()),
    ] {
        xml.push_str(&format!("  <{name}>{}</{name}>\n", escaped(text)));
    }
    xml.push_str("  <TRACK_LIST>\n    <TRACK_COUNT>2</TRACK_COUNT>\n");
    for (index, name) in [(1, "caller"), (2, "nurse")] {
        let track = format!(
            "<CHANNEL_INDEX>{index}</CHANNEL_INDEX><INTERLEAVE_INDEX>{index}</INTERLEAVE_INDEX>"
        );
        xml.push_str(&format!("    <TRACK>{track}<NAME>{name}</NAME></TRACK>\n"));
    }
    xml.push_str("  </TRACK_LIST>\n  <USER>\n    <VAXEL_TAG>\n");
    for (name, text) in entry.tag.fields() {
        xml.push_str(&format!("      <{name}>{}</{name}>\n", escaped(&text)));
    }
    xml.push_str(&format!(
        "    </VAXEL_TAG>\n    <VAXEL_STATE>{}</VAXEL_STATE>\n  </USER>\n</BWFXML>\n",
        entry.state
    ));
    xml
}

/// Text as XML 1.0 takes it: control characters have no place in it, not even escaped.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' | '\r' => xml.push(' '),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => xml.push('?'),
            c => xml.push(c),
        }
    }
    xml
}
