//! Who may prove to be whom: users with their HA1, read from a secret file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Algorithm, Ha1};

/// Users in one file; a country's nurses ten times over.
const USERS_MAX: usize = 100_000;

/// Users by realm, and by algorithm the hash that proves them.
///
/// A line of the file is `user:realm:algorithm:ha1`, with `SHA-256` or `MD5` and the hash in hexadecimal digits;
/// empty lines and lines that begin with `#` are passed over.
#[derive(Clone, Default)]
pub struct Credentials {
    known: BTreeMap<(Box<str>, Box<str>), BTreeMap<Algorithm, Ha1>>,
    /// By which algorithms somebody in a realm is known.
    used: BTreeSet<(Box<str>, Algorithm)>,
}

/// A line that can't be read. The text never shows the line: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {what}. Write user:realm:SHA-256:hash, with the hash of user:realm:password in hexadecimal digits"
)]
pub struct CredentialsError {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Credentials {
    /// Reads the text of a secret file.
    ///
    /// # Errors
    /// With the number of the first line that can't be read.
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let mut credentials = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            let fault = |what| CredentialsError { line: number, what };
            let (user, realm, algorithm, ha1) = entry(line_text).map_err(fault)?;
            if credentials.known.len() >= USERS_MAX {
                return Err(fault("more users than any switch has"));
            }
            credentials.add(user, realm, algorithm, ha1);
        }
        Ok(credentials)
    }

    /// Adds one, in place of an earlier one for the same user, realm and algorithm.
    pub fn add(&mut self, user: &str, realm: &str, algorithm: Algorithm, ha1: Ha1) {
        self.used.insert((realm.into(), algorithm));
        self.known
            .entry((realm.into(), user.into()))
            .or_default()
            .insert(algorithm, ha1);
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether this user is known in this realm, by whatever algorithm.
    pub fn knows(&self, user: &str, realm: &str) -> bool {
        self.known.contains_key(&(realm.into(), user.into()))
    }

    /// Whether anybody in this realm can prove it by that algorithm.
    pub(super) fn uses(&self, realm: &str, algorithm: Algorithm) -> bool {
        self.used.contains(&(realm.into(), algorithm))
    }

    pub(super) fn ha1(&self, user: &str, realm: &str, algorithm: Algorithm) -> Option<&Ha1> {
        self.known
            .get(&(realm.into(), user.into()))?
            .get(&algorithm)
    }

    /// Who we are in a peer's realm: the first user that the file has there.
    pub(super) fn own(&self, realm: &str, algorithm: Algorithm) -> Option<(&str, &Ha1)> {
        let from = (Box::from(realm), Box::from(""));
        self.known
            .range(from..)
            .take_while(|((own, _), _)| &**own == realm)
            .find_map(|((_, user), known)| Some((&**user, known.get(&algorithm)?)))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} users)", self.known.len())
    }
}

fn entry(line: &str) -> Result<(&str, &str, Algorithm, Ha1), &'static str> {
    let mut parts = line.split(':');
    let (Some(user), Some(realm), Some(algorithm), Some(ha1), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err("it doesn't have four parts");
    };
    let algorithm =
        Algorithm::parse(algorithm.trim()).ok_or("the algorithm isn't SHA-256 or MD5")?;
    let ha1 = ha1.trim().to_ascii_lowercase();
    let whole = ha1.len() == algorithm.hex_len() && ha1.bytes().all(|b| b.is_ascii_hexdigit());
    if !whole {
        return Err("the hash isn't as long as the algorithm makes it");
    }
    Ok((user.trim(), realm.trim(), algorithm, Ha1(ha1.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_its_secrets_are_not_told() {
        let md5 = "0".repeat(32);
        let text = format!(
            "# phones\n\nnurse-01:vaxel:MD5:{md5}\n trunk : other.example : sha-256 : {}\n",
            "a".repeat(64)
        );
        let read = Credentials::parse(&text).expect("two users");
        assert!(read.knows("nurse-01", "vaxel") && !read.knows("nurse-02", "vaxel"));
        assert_eq!(
            read.own("other.example", Algorithm::Sha256)
                .map(|(user, _)| user),
            Some("trunk")
        );
        assert_eq!(read.own("other.example", Algorithm::Md5), None);
        assert_eq!(format!("{read:?}"), "Credentials(2 users)");
    }

    #[test]
    fn a_line_that_is_wrong_is_named_and_not_shown() {
        for (text, line) in [
            ("a:b:MD5", 1),
            ("\na:b:MD5:12", 2),
            ("a:b:SHA-512:00", 1),
            ("a:b:c:d:e", 1),
        ] {
            let error = Credentials::parse(text).expect_err("wrong");
            assert_eq!(error.line, line, "{text}");
            assert!(!error.to_string().contains("a:b"));
        }
    }
}
