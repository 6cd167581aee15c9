//! Digest authentication (RFC 7616 for SIP by RFC 8760): SHA-256 preferred, MD5 for phones that know no other.
//!
//! Both sides, without a clock and without chance of their own: [`Authenticator`] challenges and checks,
//! [`Credentials::choose`] and [`Credentials::answer`] answer a peer's challenge. Passwords are never held: only HA1, the hash of user, realm
//! and password.

mod client;
mod credentials;
mod params;
mod server;

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};

pub use client::{Answer, Challenge};
pub use credentials::{Credentials, CredentialsError};
pub use server::{Authenticator, Doubt};

/// A digest algorithm (RFC 8760 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Preferred.
    Sha256,
    /// For old phones.
    Md5,
}

impl Algorithm {
    /// Both, the preferred first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    /// As header fields name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// Reads a name, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| text.eq_ignore_ascii_case(algorithm.as_str()))
    }

    /// How many hexadecimal digits a hash has.
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Md5 => 32,
        }
    }

    /// The hash of the parts with colons between, as lower-case hexadecimal digits.
    pub fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
        }
    }

    /// HA1: what a user's name, realm and password come to, and all that has to be kept of them.
    pub fn ha1(self, user: &str, realm: &str, password: &str) -> Ha1 {
        Ha1(self.hash(&[user, realm, password]).into())
    }
}

/// The hash of a user, a realm and a password. As good as the password for that realm: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1(Box<str>);

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// What a response is computed over (RFC 7616 section 3.4.1).
struct Proof<'a> {
    method: &'a str,
    uri: &'a str,
    nonce: &'a str,
    count: &'a str,
    cnonce: &'a str,
}

impl Proof<'_> {
    fn response(&self, algorithm: Algorithm, ha1: &Ha1) -> String {
        let ha2 = algorithm.hash(&[self.method, self.uri]);
        algorithm.hash(&[&ha1.0, self.nonce, self.count, self.cnonce, "auth", &ha2])
    }

    /// For those who ask for no `qop` (RFC 7616 section 3.4.1, of RFC 2069's time).
    fn response_without_qop(&self, algorithm: Algorithm, ha1: &Ha1) -> String {
        let ha2 = algorithm.hash(&[self.method, self.uri]);
        algorithm.hash(&[&ha1.0, self.nonce, &ha2])
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one
            .bytes()
            .zip(other.bytes())
            .fold(0, |differing, (one, other)| differing | (one ^ other))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1.
    #[test]
    fn the_rfcs_own_example() {
        let proof = Proof {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: "00000001",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        };
        let response = |algorithm: Algorithm| {
            let ha1 = algorithm.ha1("Mufasa", "http-auth@example.org", "Circle of Life");
            proof.response(algorithm, &ha1)
        };
        assert_eq!(response(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn a_secret_is_not_printed() {
        let ha1 = Algorithm::Md5.ha1("nurse", "vaxel", "secret");
        assert_eq!(format!("{ha1:?}"), "Ha1(…)");
        assert!(same("ab", "ab") && !same("ab", "ac") && !same("ab", "abc"));
    }
}
