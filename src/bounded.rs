//! Files that are read, with an end to how much: a file without one (a device, a pipe, a mistake) fills no memory.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    iter,
    path::Path,
};

use callcore::scenario::SCENARIO_LEN_MAX;

/// The longest line of a list: a ledger's have a few hundred bytes.
const LINE_LEN_MAX: usize = 64 * 1024;

/// A whole file, unless it is larger than that.
pub(crate) fn text(file: &Path, len_max: usize) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(len_max as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > len_max {
        return Err(wrong(format!("it is larger than {len_max} bytes")));
    }
    utf8(bytes)
}

/// A scenario, unless it is larger than any that is taken.
pub(crate) fn scenario(file: &Path) -> io::Result<String> {
    text(file, SCENARIO_LEN_MAX)
}

/// Line by line, without their ends.
pub(crate) fn lines(list: impl Read) -> impl Iterator<Item = io::Result<String>> {
    let mut list = BufReader::new(list);
    iter::from_fn(move || {
        let mut line = Vec::new();
        let mut rest = list.by_ref().take(LINE_LEN_MAX as u64 + 1);
        match rest.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(without_end(line)),
            Err(error) => Some(Err(error)),
        }
    })
}

fn without_end(mut line: Vec<u8>) -> io::Result<String> {
    if line.len() > LINE_LEN_MAX {
        let why = format!("the line is longer than {LINE_LEN_MAX} bytes");
        return Err(wrong(why));
    }
    for end in [b'\n', b'\r'] {
        line.pop_if(|last| *last == end);
    }
    utf8(line)
}

fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| wrong("it isn't text in UTF-8".to_owned()))
}

fn wrong(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_files_of_all_systems_end_them_and_a_long_one_is_an_error() {
        let read = |text: &[u8]| lines(text).collect::<io::Result<Vec<_>>>();
        let found = read(b"one\r\ntwo\n\nfour").expect("four lines");
        assert_eq!(found, ["one", "two", "", "four"]);
        let longest = "x".repeat(LINE_LEN_MAX - 1) + "\n";
        assert_eq!(read(longest.as_bytes()).expect("a line").len(), 1);
        assert!(read(format!("x{longest}").as_bytes()).is_err());
        assert!(
            lines(io::repeat(0))
                .next()
                .is_some_and(|line| line.is_err())
        );
        assert!(read(b"\xff\n").is_err());
    }
}
