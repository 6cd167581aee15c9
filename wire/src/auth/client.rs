//! The side that is challenged (RFC 7616 section 3.4).

use super::{Algorithm, Credentials, Proof, params};

/// An answer to a challenge: the value of Authorization or Proxy-Authorization.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The field's value.
    pub value: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

impl Credentials {
    /// Answers the first challenge that can be answered, a stronger algorithm before a weaker one. `cnonce` is drawn by
    /// chance; `count` says how often the nonce was answered, this time included. `None` when none can be.
    pub fn answer<'a>(
        &self,
        challenges: impl Iterator<Item = &'a str>,
        method: &str,
        uri: &str,
        cnonce: &str,
        count: u32,
    ) -> Option<Answer> {
        let read: Vec<_> = challenges.filter_map(params::read).collect();
        let mut best = Algorithm::ALL.into_iter().flat_map(|algorithm| {
            read.iter()
                .filter(move |challenge| {
                    algorithm_of(challenge.get("algorithm")) == Some(algorithm)
                })
                .map(move |challenge| (algorithm, challenge))
        });
        best.find_map(|(algorithm, challenge)| {
            let realm = challenge.get("realm")?;
            let nonce = challenge.get("nonce")?;
            let offers_auth = challenge.get("qop").is_some_and(|qop| {
                qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"))
            });
            if !offers_auth {
                return None;
            }
            let (user, ha1) = self.own(realm, algorithm)?;
            let count = format!("{count:08x}");
            let proof = Proof {
                method,
                uri,
                nonce,
                count: &count,
                cnonce,
            };
            let mut value = format!(
                "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}, cnonce={}, qop=auth, nc={count}",
                params::quoted(user),
                params::quoted(realm),
                params::quoted(nonce),
                params::quoted(uri),
                proof.response(algorithm, ha1),
                algorithm.as_str(),
                params::quoted(cnonce),
            );
            if let Some(opaque) = challenge.get("opaque") {
                value.push_str(", opaque=");
                value.push_str(&params::quoted(opaque));
            }
            Some(Answer { value })
        })
    }
}

/// MD5 when it isn't said.
fn algorithm_of(name: Option<&String>) -> Option<Algorithm> {
    name.map_or(Some(Algorithm::Md5), |name| Algorithm::parse(name))
}
