//! Secrets for S3 and PostgreSQL: from a file that only this user can read, or from the environment; never from the scenario.
//!
//! The file has a line for each, `AWS_SECRET_ACCESS_KEY = ...`, with the names that every other program of S3 and
//! PostgreSQL takes from the environment.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::vault::folder;

/// What is asked for. Anything else in the file is a mistake.
const KNOWN: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_CA_BUNDLE",
    "PGPASSWORD",
];
/// Seven short lines need far less.
const FILE_LEN_MAX: u64 = 16 * 1024;

/// Why the secrets can't be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Others can read them.
    #[error("{} can be read by other users (mode {mode:04o}): run `chmod 600 {}`, and change the secrets in it", path.display(), path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can't be read.
    #[error("{} can't be read: {source}; check `credentials` under [recorder]", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line that isn't one.
    #[error("{}, line {line}: write `NAME = value` with one of {}", path.display(), KNOWN.join(", "))]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// The secrets by name, wiped from memory with this.
#[derive(Default)]
pub(crate) struct Credentials(BTreeMap<&'static str, Zeroizing<String>>);

impl Credentials {
    /// From this file alone, or from the environment when there is none.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, CredentialsError> {
        match file {
            Some(path) => Self::from_file(path),
            None => Ok(Self(
                KNOWN
                    .into_iter()
                    .filter_map(|name| Some((name, Zeroizing::new(std::env::var(name).ok()?))))
                    .collect(),
            )),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|secret| secret.as_str())
    }

    fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let unusable = |source| CredentialsError::Unusable {
            path: path.to_owned(),
            source,
        };
        let found = fs::metadata(path).map_err(unusable)?;
        if let Some(mode) = folder::open_to_others(&found) {
            return Err(CredentialsError::OpenToOthers {
                path: path.to_owned(),
                mode,
            });
        }
        if found.len() > FILE_LEN_MAX {
            return Err(unusable(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(unusable)?);
        let mut secrets = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = known(line).ok_or_else(|| CredentialsError::Line {
                path: path.to_owned(),
                line: number + 1,
            })?;
            secrets.insert(name, value);
        }
        Ok(Self(secrets))
    }
}

fn known(line: &str) -> Option<(&'static str, Zeroizing<String>)> {
    let (name, value) = line.split_once('=')?;
    let name = KNOWN.into_iter().find(|known| *known == name.trim())?;
    Some((
        name,
        Zeroizing::new(value.trim().trim_matches('"').to_owned()),
    ))
}

/// Names only.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("secrets");
        fs::write(&path, text).expect("ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        (place, path)
    }

    #[test]
    fn a_file_gives_its_secrets_and_shows_none() {
        let (_place, path) = file(
            "# of the store\nAWS_REGION = eu-north-1\nPGPASSWORD=\"a=b\"\n",
            0o600,
        );
        let secrets = Credentials::read(Some(&path)).expect("read");
        assert_eq!(
            (secrets.get("PGPASSWORD"), secrets.get("AWS_REGION")),
            (Some("a=b"), Some("eu-north-1"))
        );
        assert!(!format!("{secrets:?}").contains("a=b"));
    }

    #[test]
    fn a_file_that_others_read_or_nobody_understands_is_refused() {
        let (_place, path) = file("PGPASSWORD=x", 0o640);
        assert!(matches!(
            Credentials::read(Some(&path)),
            Err(CredentialsError::OpenToOthers { mode: 0o640, .. })
        ));
        let (_place, path) = file("PGPASSWORD=x\nPASSWORD=y", 0o600);
        let refused = Credentials::read(Some(&path)).expect_err("refused");
        assert!(
            matches!(refused, CredentialsError::Line { line: 2, .. })
                && !refused
                    .to_string()
                    .contains('y'.to_string().repeat(9).as_str())
        );
        assert!(matches!(
            Credentials::read(Some(Path::new("/nowhere/x"))),
            Err(CredentialsError::Unusable { .. })
        ));
    }
}
