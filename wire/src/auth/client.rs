//! The side that is challenged (RFC 7616 section 3.4).

use super::{Algorithm, Credentials, Proof, params};

/// A challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    realm: Box<str>,
    nonce: Box<str>,
    opaque: Option<Box<str>>,
    algorithm: Algorithm,
    /// It asks for `qop=auth`. Elements of before RFC 2617 ask for nothing, and count no nonces.
    qop: bool,
    stale: bool,
}

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
    /// The challenge to answer: the first by the strongest algorithm for which somebody is known in its realm
    /// (RFC 8760 section 2.4). Whoever keeps no MD5 hash of a user never answers by MD5.
    pub fn choose<'a>(&self, challenges: impl Iterator<Item = &'a str>) -> Option<Challenge> {
        let read: Vec<_> = challenges.filter_map(Challenge::read).collect();
        let mut best = Algorithm::ALL.into_iter().flat_map(|algorithm| {
            let of_it = move |challenge: &&Challenge| challenge.algorithm == algorithm;
            read.iter().filter(of_it)
        });
        best.find(|challenge| self.own(&challenge.realm, challenge.algorithm).is_some())
            .cloned()
    }

    /// Answers a challenge that was chosen. `cnonce` is drawn by chance; `count` says how often the nonce was answered,
    /// this time included.
    pub fn answer(
        &self,
        challenge: &Challenge,
        method: &str,
        uri: &str,
        cnonce: &str,
        count: u32,
    ) -> Option<Answer> {
        let Challenge {
            realm,
            nonce,
            algorithm,
            ..
        } = challenge;
        let (user, ha1) = self.own(realm, *algorithm)?;
        let count = format!("{count:08x}");
        let proof = Proof {
            method,
            uri,
            nonce,
            count: &count,
            cnonce,
        };
        let response = if challenge.qop {
            proof.response(*algorithm, ha1)
        } else {
            proof.response_without_qop(*algorithm, ha1)
        };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            params::quoted(user),
            params::quoted(realm),
            params::quoted(nonce),
            params::quoted(uri),
            algorithm.as_str(),
        );
        if challenge.qop {
            value.push_str(&format!(
                ", cnonce={}, qop=auth, nc={count}",
                params::quoted(cnonce)
            ));
        }
        if let Some(opaque) = &challenge.opaque {
            value.push_str(", opaque=");
            value.push_str(&params::quoted(opaque));
        }
        Some(Answer { value })
    }
}

impl Challenge {
    /// `None` for what can't be answered: another scheme or algorithm, or a body to be proved too.
    fn read(value: &str) -> Option<Self> {
        let mut params = params::read(value)?;
        let algorithm = match params.get("algorithm") {
            Some(name) => Algorithm::parse(name)?,
            // RFC 7616 section 3.3: MD5 when it isn't said.
            None => Algorithm::Md5,
        };
        let qop = params.get("qop").map(|qop| {
            qop.split(',')
                .any(|one| one.trim().eq_ignore_ascii_case("auth"))
        });
        if qop == Some(false) {
            return None;
        }
        let stale = params
            .get("stale")
            .is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        let mut text = |name: &str| params.remove(name).map(String::into_boxed_str);
        Some(Self {
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            qop: qop.is_some(),
            stale,
        })
    }

    /// Whose users are asked for.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The proof was right, only too old.
    pub const fn is_stale(&self) -> bool {
        self.stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    const REALM: &str = "http-auth@example.org";

    fn mufasa(algorithms: &[Algorithm]) -> Credentials {
        let mut known = Credentials::default();
        for algorithm in algorithms {
            let ha1 = algorithm.ha1("Mufasa", REALM, "Circle of Life");
            known.add("Mufasa", REALM, *algorithm, ha1);
        }
        known
    }

    fn asked(more: &str) -> String {
        format!("Digest realm=\"{REALM}\", nonce=\"{NONCE}\"{more}")
    }

    /// RFC 7616 section 3.9.1, and RFC 8760 section 2.4: both offered, the stronger is answered.
    #[test]
    fn the_rfcs_example_is_answered_by_the_stronger_algorithm() {
        let opaque =
            ", qop=\"auth, auth-int\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let both = ["MD5", "SHA-256"].map(|name| asked(&format!("{opaque}, algorithm={name}")));
        for (known, algorithm, response) in [
            (
                &Algorithm::ALL[..],
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
            (
                &[Algorithm::Md5][..],
                "MD5",
                "8ca523f5e9506fed4657c9700eebdbec",
            ),
        ] {
            let known = mufasa(known);
            let chosen = known
                .choose(both.iter().map(String::as_str))
                .expect("one that can be answered");
            let answer = known
                .answer(&chosen, "GET", "/dir/index.html", CNONCE, 1)
                .expect("an answer");
            assert_eq!(
                answer.value,
                format!(
                    "Digest username=\"Mufasa\", realm=\"{REALM}\", nonce=\"{NONCE}\", uri=\"/dir/index.html\", \
                     response=\"{response}\", algorithm={algorithm}, cnonce=\"{CNONCE}\", qop=auth, nc=00000001, \
                     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                )
            );
        }
    }

    #[test]
    fn what_cannot_be_proved_is_not_answered() {
        let known = mufasa(&[Algorithm::Sha256]);
        for refused in [
            asked(", qop=\"auth\""),
            asked(", qop=\"auth\", algorithm=MD5"),
            asked(", qop=\"auth-int\", algorithm=SHA-256"),
            asked(", qop=\"auth\", algorithm=SHA-512-256"),
            asked(", algorithm=SHA-256").replace(REALM, "elsewhere"),
            "Basic realm=\"x\"".to_owned(),
            "Digest nonsense".to_owned(),
        ] {
            assert_eq!(known.choose([&*refused].into_iter()), None, "{refused}");
        }
        let stale = asked(", qop=\"auth\", algorithm=SHA-256, stale=TRUE");
        let chosen = known.choose([&*stale].into_iter()).expect("can be");
        assert!(chosen.is_stale() && chosen.realm() == REALM);
    }

    /// RFC 2069's way: what was computed by hand of H(HA1:nonce:HA2).
    #[test]
    fn an_old_element_that_asks_for_no_qop_is_answered_its_way() {
        let known = mufasa(&[Algorithm::Md5]);
        let chosen = known.choose([&*asked("")].into_iter()).expect("can be");
        let answer = known
            .answer(&chosen, "GET", "/dir/index.html", CNONCE, 1)
            .expect("an answer");
        let md5 = |parts: &[&str]| Algorithm::Md5.hash(parts);
        let ha1 = md5(&["Mufasa", REALM, "Circle of Life"]);
        let expected = md5(&[&ha1, NONCE, &md5(&["GET", "/dir/index.html"])]);
        assert!(answer.value.contains(&format!("response=\"{expected}\"")));
        assert!(!answer.value.contains("nc=") && !answer.value.contains("qop="));
    }
}
