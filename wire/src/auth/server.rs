//! The side that challenges (RFC 7616 section 3.3) and checks (section 3.4.6).

use std::{collections::BTreeMap, time::Duration};

use super::{Algorithm, Credentials, Proof, hex, params, same};
use crate::{
    sip::{
        message::{HeaderName, Headers, Request},
        uri::Uri,
    },
    time::Time,
};
use sha2::{Digest, Sha256};

/// How long a nonce may be used: a phone that registers every few minutes needs one each time.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Used nonces remembered, to tell a replay: some 5 MiB. When it is full the oldest are forgotten, and called stale.
const NONCES_MAX: usize = 65_536;
/// Letters of a nonce: moment, serial number and seal, each of 16 hexadecimal digits.
const NONCE_LEN: usize = 3 * PART_LEN;
const PART_LEN: usize = 16;
/// The count of a proof that counts nothing: it is good for its nonce once, and no other is after it. So it can't be replayed either.
const WHOLE_NONCE: u32 = u32::MAX;

/// Challenges, and checks the answers.
#[derive(Debug)]
pub struct Authenticator {
    realm: Box<str>,
    seal: [u8; 32],
    serial: u64,
    /// The highest count that each nonce was used with, oldest nonce first.
    used: BTreeMap<(Time, u64), u32>,
}

/// Why a request isn't believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// It says nothing about who it is from: challenge it.
    Missing,
    /// It proved too late, or the same proof a second time: challenge it with `stale`.
    Stale,
    /// The proof is wrong, or there is no such user. Which of them, isn't told.
    Wrong,
}

impl Doubt {
    /// A short word for logs and metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "unauthenticated",
            Self::Stale => "stale_nonce",
            Self::Wrong => "wrong_credentials",
        }
    }
}

impl Authenticator {
    /// For one realm. `seal` is secret and drawn by chance: whoever knows it can make nonces.
    pub fn new(realm: &str, seal: [u8; 32]) -> Self {
        Self {
            realm: realm.into(),
            seal,
            serial: 0,
            used: BTreeMap::new(),
        }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Challenges to put in a 401, the preferred first (RFC 8760 section 2.3).
    pub fn challenge(&mut self, now: Time, doubt: Doubt, credentials: &Credentials) -> Headers {
        let mut headers = Headers::default();
        // Telephones that read only the first challenge must be able to answer it: what nobody has a hash for isn't asked.
        let used = |algorithm: &Algorithm| credentials.uses(&self.realm, *algorithm);
        let some = Algorithm::ALL.iter().any(used);
        for algorithm in Algorithm::ALL {
            if some && !credentials.uses(&self.realm, algorithm) {
                continue;
            }
            let stale = if doubt == Doubt::Stale {
                ", stale=true"
            } else {
                ""
            };
            let value = format!(
                "Digest realm={}, nonce=\"{}\", algorithm={}, qop=\"auth\"{stale}",
                params::quoted(&self.realm),
                self.nonce(now),
                algorithm.as_str(),
            );
            headers.push(HeaderName::WwwAuthenticate, value.as_str());
        }
        headers
    }

    /// The user that the request proves to be from.
    ///
    /// # Errors
    /// With why it isn't believed.
    pub fn check(
        &mut self,
        now: Time,
        request: &Request,
        credentials: &Credentials,
    ) -> Result<Box<str>, Doubt> {
        // A message may bear answers for other realms beside ours.
        let answers = request.headers.get_all(&HeaderName::Authorization);
        let ours = answers.filter_map(params::read).find(|answer| {
            answer
                .get("realm")
                .is_some_and(|realm| **realm == *self.realm)
        });
        let answer = ours.ok_or(Doubt::Missing)?;
        let get = |name: &str| answer.get(name).map_or("", String::as_str);
        let algorithm = match answer.get("algorithm") {
            Some(name) => Algorithm::parse(name).ok_or(Doubt::Wrong)?,
            // RFC 7616 section 3.4: MD5 when it isn't said.
            None => Algorithm::Md5,
        };
        // Phones of before RFC 2617 know no qop and count nothing (RFC 7616 section 3.4.1).
        let counts = answer.contains_key("qop") || answer.contains_key("nc");
        let count = if counts {
            count_of(&answer)?
        } else {
            WHOLE_NONCE
        };
        if !leads_here(get("uri"), &request.uri) {
            return Err(Doubt::Wrong);
        }
        let proof = Proof {
            method: request.method.as_str(),
            uri: get("uri"),
            nonce: get("nonce"),
            count: get("nc"),
            cnonce: get("cnonce"),
        };
        let user = get("username");
        // An unknown user costs the same as a known one.
        let nobody = algorithm.ha1("", "", "");
        let known = credentials.ha1(user, &self.realm, algorithm);
        let known_or_nobody = known.unwrap_or(&nobody);
        let expected = if counts {
            proof.response(algorithm, known_or_nobody)
        } else {
            proof.response_without_qop(algorithm, known_or_nobody)
        };
        let proved = same(&expected, &get("response").to_ascii_lowercase());
        if !proved || known.is_none() {
            return Err(Doubt::Wrong);
        }
        self.spend(now, get("nonce"), count)?;
        Ok(user.into())
    }

    fn nonce(&mut self, now: Time) -> String {
        self.serial += 1;
        let head = format!("{:016x}{:016x}", millis(now), self.serial);
        let seal = self.sealed(&head);
        head + &seal
    }

    fn sealed(&self, head: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.seal);
        hash.update(head.as_bytes());
        // Twice, so that nothing can be appended.
        let inner = hash.finalize();
        let mut hash = Sha256::new();
        hash.update(self.seal);
        hash.update(inner);
        hex(&hash.finalize()[..PART_LEN / 2])
    }

    /// Takes one use of a nonce: ours, young, and with a higher count than ever before.
    fn spend(&mut self, now: Time, nonce: &str, count: u32) -> Result<(), Doubt> {
        let head = nonce.get(..2 * PART_LEN).ok_or(Doubt::Stale)?;
        if nonce.len() != NONCE_LEN || !same(&self.sealed(head), &nonce[2 * PART_LEN..]) {
            return Err(Doubt::Stale);
        }
        let number = |text| u64::from_str_radix(text, 16).map_err(|_| Doubt::Stale);
        let made = Time(Duration::from_millis(number(&head[..PART_LEN])?));
        let serial = number(&head[PART_LEN..])?;
        let dead = |made: Time| now.0.saturating_sub(made.0) > NONCE_LIFE;
        if dead(made) {
            return Err(Doubt::Stale);
        }
        while let Some(oldest) = self.used.first_entry()
            && dead(oldest.key().0)
        {
            oldest.remove();
        }
        let key = (made, serial);
        let full = self.used.len() >= NONCES_MAX && !self.used.contains_key(&key);
        if full
            && self
                .used
                .first_key_value()
                .is_some_and(|(oldest, _)| *oldest > key)
        {
            return Err(Doubt::Stale);
        }
        if full {
            self.used.pop_first();
        }
        let last = self.used.entry(key).or_default();
        if count <= *last {
            return Err(Doubt::Stale);
        }
        *last = count;
        Ok(())
    }
}

fn millis(now: Time) -> u64 {
    u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX)
}

/// How often the nonce was used, as the proof says; what else it needs to be one of `qop=auth` is there.
fn count_of(answer: &BTreeMap<String, String>) -> Result<u32, Doubt> {
    let get = |name: &str| answer.get(name).map_or("", String::as_str);
    let count = u32::from_str_radix(get("nc"), 16).map_err(|_| Doubt::Wrong)?;
    let sound = get("nc").len() == 8
        && count > 0
        && get("qop").eq_ignore_ascii_case("auth")
        && !get("cnonce").is_empty();
    sound.then_some(count).ok_or(Doubt::Wrong)
}

/// Whether what was proved is about this request: the same host. Phones write the user or the port of what they meant
/// in different ways, and a proxy may have changed them.
fn leads_here(claimed: &str, uri: &Uri) -> bool {
    Uri::parse(claimed).is_ok_and(|claimed| claimed.host.eq_ignore_ascii_case(&uri.host))
}

#[cfg(test)]
mod tests;
