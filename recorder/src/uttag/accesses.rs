//! Accesses in an extract. All of a controller's are years of them: they go into the delivery one by one, and are never held together.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{UttagError, extract::io_failed};
use crate::{
    access::{self, Access},
    archive::Writer,
    vault::Vault,
};

/// Those of a controller's accesses that an extract is about.
pub(super) struct Accesses<'a> {
    pub(super) vault: &'a Vault,
    pub(super) controller: &'a str,
    /// Of an access and its moment.
    pub(super) fits: &'a dyn Fn(&str, &Access) -> bool,
}

impl Accesses<'_> {
    /// Writes them as a file of an archive, read twice: what is added meanwhile isn't in it.
    pub(super) fn write<W: Write>(
        &self,
        archive: &mut Writer<W>,
        name: &str,
    ) -> Result<(), UttagError> {
        let mut length = Counted(0);
        let count = self.write_json(&mut length, u64::MAX)?;
        let mut failed = None;
        let added = archive.add_written(name, length.0, |out| {
            self.write_json(out, count).map(drop).map_err(|error| {
                failed = Some(error);
                io::ErrorKind::Other.into()
            })
        });
        match failed {
            Some(error) => Err(error),
            None => added.map_err(io_failed),
        }
    }

    /// The same as a value: of a person's recordings only.
    pub(super) fn value(&self) -> Result<Value, UttagError> {
        let mut found = Vec::new();
        self.each(|value| found.push(value))?;
        Ok(found.into())
    }

    /// So many of them at most, as a JSON array; gives how many.
    fn write_json(&self, out: &mut dyn Write, count_max: u64) -> Result<u64, UttagError> {
        let (mut count, mut written) = (0, out.write_all(b"["));
        self.each(|value| {
            if written.is_ok() && count < count_max {
                let between = if count == 0 { "\n" } else { ",\n" };
                written = out.write_all(format!("{between}{value}").as_bytes());
                count += 1;
            }
        })?;
        written
            .and_then(|()| out.write_all(b"\n]\n"))
            .map_err(io_failed)?;
        Ok(count)
    }

    fn each(&self, mut each: impl FnMut(Value)) -> Result<(), UttagError> {
        access::read(self.vault, self.controller, |at, access| {
            if (self.fits)(at, &access) {
                each(json!({
                    "at": at, "who": access.who, "action": access.action,
                    "object": access.object, "purpose": access.purpose,
                }));
            }
        })?;
        Ok(())
    }
}

/// How many bytes were written.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use jiff::Timestamp;

    use super::*;
    use crate::archive;

    const CONTROLLER: &str = "region-01";
    /// Years of them are many more; what is held of these at once shows.
    const LINES: usize = 20_000;

    /// What an archive is written to: how much of it came at once, and what it is.
    #[derive(Default)]
    struct Sink {
        all: Vec<u8>,
        at_once_max: usize,
    }

    impl Write for &mut Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.at_once_max = self.at_once_max.max(bytes.len());
            self.all.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn accesses(count: usize) -> Vec<Access> {
        let access = |number: usize| Access {
            who: "ana".into(),
            controller: CONTROLLER.into(),
            action: "show".into(),
            object: number.to_string(),
            purpose: "a complaint".into(),
        };
        (0..count).map(access).collect()
    }

    #[test]
    fn a_large_access_log_goes_into_its_delivery_line_by_line() {
        let place = tempfile::tempdir().expect("a folder");
        let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
        let vault = Vault::open(&store, &keys).expect("fresh");
        let write = |count| access::write(&vault, Timestamp::now(), &accesses(count));
        write(LINES).expect("written");
        let read = Cell::new(0);
        let fits = |_: &str, _: &Access| {
            read.set(read.get() + 1);
            // After the first reading somebody listens.
            if read.get() == LINES + 1 {
                write(3).expect("written");
            }
            true
        };
        let accesses = Accesses {
            vault: &vault,
            controller: CONTROLLER,
            fits: &fits,
        };
        let mut sink = Sink::default();
        let mut writer = Writer::new(&mut sink);
        accesses.write(&mut writer, "access-log.json").expect("put");
        writer.finish().expect("ended");
        assert!(sink.at_once_max <= 512, "{} at once", sink.at_once_max);
        let mut found = Vec::new();
        archive::read(sink.all.as_slice(), |_, _, bytes| {
            found = serde_json::from_reader::<_, Vec<Value>>(bytes)?;
            Ok(())
        })
        .expect("whole");
        assert_eq!(found.len(), LINES);
        assert_eq!(found[LINES - 1]["object"], (LINES - 1).to_string());
    }
}
