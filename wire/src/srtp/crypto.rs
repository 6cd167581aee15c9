//! The `a=crypto` line (RFC 4568 section 4): `1 AES_CM_128_HMAC_SHA1_80 inline:<key and salt>|2^20|1:4`.

use super::key::MasterKey;

/// Lines of a stream that are looked at. Phones offer four at most: two suites by one or two kinds of session.
pub const LINES_MAX: usize = 8;
/// The tag counts lines, in nine digits at most (RFC 4568 section 9.2).
const TAG_DIGITS_MAX: usize = 9;
/// Bytes of a key's name in each packet, at most (RFC 4568 section 6.1).
const MKI_LEN_MAX: usize = 128;
/// Packets that a key may serve: 2 to this at most (RFC 3711 section 9.2).
const LIFETIME_LOG_MAX: u32 = 48;

/// A cipher with its authentication, by AES in counter mode with keys of 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// A tag of 80 bits: the one that everybody has (RFC 4568 section 6.2.1).
    AesCm128HmacSha1_80,
    /// A tag of 32 bits: shorter packets, and one forgery in four thousand million is believed.
    AesCm128HmacSha1_32,
}

impl Suite {
    const ALL: [Self; 2] = [Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of the tag at a packet's end.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
        }
    }
}

/// One `a=crypto` line that can be spoken here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Names the line in its description; the answer repeats it.
    pub tag: u32,
    /// How it is encrypted.
    pub suite: Suite,
    /// By which key the line's writer does so.
    pub key: MasterKey,
    /// The key's name, in each of the writer's packets before the tag; empty: they have none.
    pub(super) mki: Box<[u8]>,
}

/// What both sides agreed for a stream: each encrypts what it sends by its own line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srtp {
    /// Ours.
    pub ours: Crypto,
    /// The peer's.
    pub theirs: Crypto,
}

/// Why a line can't be used: the next may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// It breaks the grammar.
    #[error(
        "a crypto line that can't be read: tag, suite and key are needed (RFC 4568 section 9.1)"
    )]
    Form,
    /// A suite that isn't spoken here.
    #[error("a crypto suite that isn't spoken here: AES_CM_128_HMAC_SHA1_80 or _32 is")]
    Suite,
    /// No 30 bytes in Base64 after `inline:`.
    #[error(
        "a crypto key that isn't {} bytes in Base64 after `inline:`",
        MasterKey::LEN
    )]
    Key,
    /// More keys than one: they would change in mid-call, by their names in the packets.
    #[error("a crypto line with more keys than one: give each a line of its own")]
    Keys,
    /// A lifetime of no or too many packets.
    #[error("a crypto key's lifetime that isn't 1 to 2^48 packets")]
    Lifetime,
    /// A key's name that doesn't fit its length, or a length over 128 bytes.
    #[error("a crypto key's name (MKI) that doesn't fit its length of 1 to 128 bytes")]
    Mki,
    /// A parameter that would take encryption or authentication away, or one that isn't known and must be.
    #[error(
        "a crypto session parameter that isn't taken here: nothing may go unencrypted, and keys aren't derived anew"
    )]
    Parameter,
}

impl Crypto {
    /// A line of ours.
    pub fn new(tag: u32, suite: Suite, key: MasterKey) -> Self {
        Self {
            tag,
            suite,
            key,
            mki: Box::default(),
        }
    }

    /// Whether it encrypts as that one does. The tag only names a line in its description, and the next may number its lines anew.
    pub fn encrypts_as(&self, other: &Self) -> bool {
        (self.suite, &self.key, &self.mki) == (other.suite, &other.key, &other.mki)
    }

    /// Reads the value of the attribute.
    pub fn parse(value: &str) -> Result<Self, CryptoError> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().and_then(tag).ok_or(CryptoError::Form)?;
        let suite = words.next().ok_or(CryptoError::Form)?;
        let suite = Suite::ALL
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(suite))
            .ok_or(CryptoError::Suite)?;
        let (key, mki) = key_params(words.next().ok_or(CryptoError::Form)?)?;
        if !words.all(is_harmless) {
            return Err(CryptoError::Parameter);
        }
        Ok(Self {
            tag,
            suite,
            key,
            mki,
        })
    }

    /// The value of the attribute. It holds the key: it belongs in a session description and nowhere else.
    pub fn write(&self) -> String {
        let Self {
            tag, suite, key, ..
        } = self;
        format!("{tag} {} inline:{}", suite.name(), key.write())
    }

    /// The line of an answer to this one.
    #[must_use]
    pub fn answered_with(&self, key: MasterKey) -> Self {
        Self::new(self.tag, self.suite, key)
    }

    /// Which of the lines we offered the peer's answer takes (RFC 4568 section 5.1.3).
    pub fn agreed(ours: &[Self], theirs: &[Self]) -> Option<Srtp> {
        let theirs = theirs.first()?;
        let taken = |ours: &&Self| ours.tag == theirs.tag && ours.suite == theirs.suite;
        Some(Srtp {
            ours: ours.iter().find(taken)?.clone(),
            theirs: theirs.clone(),
        })
    }
}

fn tag(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && text.len() <= TAG_DIGITS_MAX)
        .then(|| text.parse().ok())
        .flatten()
}

/// `inline:<key and salt>["|" lifetime]["|" MKI ":" length]`
fn key_params(text: &str) -> Result<(MasterKey, Box<[u8]>), CryptoError> {
    if text.contains(';') {
        return Err(CryptoError::Keys);
    }
    let (method, info) = text.split_once(':').ok_or(CryptoError::Key)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(CryptoError::Key);
    }
    let mut parts = info.split('|');
    let key = parts
        .next()
        .and_then(MasterKey::parse)
        .ok_or(CryptoError::Key)?;
    let mut mki = Box::default();
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => {}
        (Some(only), None, _) => match only.split_once(':') {
            Some((name, len)) => mki = key_name(name, len)?,
            None => lifetime(only)?,
        },
        (Some(first), Some(second), None) => {
            lifetime(first)?;
            let (name, len) = second.split_once(':').ok_or(CryptoError::Mki)?;
            mki = key_name(name, len)?;
        }
        _ => return Err(CryptoError::Form),
    }
    Ok((key, mki))
}

/// `2^20` or a number: how long the peer may use its key. A call ends before the shortest that phones say (2^20 packets are
/// nearly six hours), so it is read and not counted.
fn lifetime(text: &str) -> Result<(), CryptoError> {
    let packets: u64 = match text.split_once('^') {
        Some(("2", power)) => power
            .parse::<u32>()
            .ok()
            .filter(|power| *power <= LIFETIME_LOG_MAX)
            .map(|power| 1 << power),
        Some(_) => None,
        None => text.parse().ok(),
    }
    .ok_or(CryptoError::Lifetime)?;
    (1..=1 << LIFETIME_LOG_MAX)
        .contains(&packets)
        .then_some(())
        .ok_or(CryptoError::Lifetime)
}

/// The name as it stands in each packet: a number in that many bytes.
fn key_name(name: &str, len: &str) -> Result<Box<[u8]>, CryptoError> {
    let len: usize = len.parse().map_err(|_| CryptoError::Mki)?;
    let name: u128 = name.parse().map_err(|_| CryptoError::Mki)?;
    if !(1..=MKI_LEN_MAX).contains(&len) {
        return Err(CryptoError::Mki);
    }
    let mut bytes = vec![0; len];
    let mut rest = name;
    for byte in bytes.iter_mut().rev() {
        *byte = (rest & 0xFF) as u8;
        rest >>= 8;
    }
    (rest == 0).then(|| bytes.into()).ok_or(CryptoError::Mki)
}

/// `WSH` is a hint about the window for late packets, and what begins with `-` may be passed over by who doesn't know it
/// (RFC 4568 sections 6.3.6 and 6.3.7).
fn is_harmless(parameter: &str) -> bool {
    parameter.starts_with('-') || parameter.starts_with("WSH=")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 4568 section 4.1.
    const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    fn parse(value: &str) -> Result<Crypto, CryptoError> {
        Crypto::parse(value)
    }

    #[test]
    fn a_line_is_read_and_written() {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
        let line = parse(&value).expect("a line");
        assert_eq!((line.tag, line.suite), (1, Suite::AesCm128HmacSha1_80));
        assert_eq!(line.write(), value);
        assert_eq!(line.key.key(), b"wDfvg&T+)xG7@fb5");
    }

    #[test]
    fn lifetime_key_name_and_hints_are_understood() {
        let read = |rest: &str| parse(&format!("7 aes_cm_128_hmac_sha1_32 inline:{KEY}{rest}"));
        for rest in [
            "|2^20",
            "|1048576",
            "|2^48",
            " WSH=128",
            " -new=1",
            "|2^31 WSH=64",
        ] {
            let line = read(rest).expect(rest);
            assert_eq!((line.tag, line.mki.len()), (7, 0), "{rest}");
        }
        assert_eq!(*read("|2^20|1:4").expect("a name").mki, [0, 0, 0, 1]);
        assert_eq!(*read("|66051:3").expect("a name").mki, [1, 2, 3]);
    }

    #[test]
    fn what_cannot_be_spoken_is_refused_by_reason() {
        use CryptoError as E;
        let with = |rest: &str| format!("1 AES_CM_128_HMAC_SHA1_80 inline:{rest}");
        let short = &KEY[..36];
        let cases = [
            (String::new(), E::Form),
            (
                "x AES_CM_128_HMAC_SHA1_80 inline:".to_owned() + KEY,
                E::Form,
            ),
            ("1234567890 AES_CM_128_HMAC_SHA1_80 x".to_owned(), E::Form),
            ("1 AES_CM_128_HMAC_SHA1_80".to_owned(), E::Form),
            (format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"), E::Suite),
            (format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"), E::Suite),
            (format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"), E::Key),
            (with(""), E::Key),
            (with(short), E::Key),
            (with(&format!("{KEY}{KEY}")), E::Key),
            (with(&KEY.replace('d', "-")), E::Key),
            (with(&format!("{KEY}|1:4;inline:{KEY}|2:4")), E::Keys),
            (with(&format!("{KEY}|0")), E::Lifetime),
            (with(&format!("{KEY}|2^49")), E::Lifetime),
            (with(&format!("{KEY}|3^20")), E::Lifetime),
            (with(&format!("{KEY}|2^20|1")), E::Mki),
            (with(&format!("{KEY}|256:1")), E::Mki),
            (with(&format!("{KEY}|1:0")), E::Mki),
            (with(&format!("{KEY}|1:129")), E::Mki),
            (with(&format!("{KEY}|2^20|1:4|1")), E::Form),
            (with(&format!("{KEY} UNENCRYPTED_SRTP")), E::Parameter),
            (with(&format!("{KEY} UNAUTHENTICATED_SRTP")), E::Parameter),
            (with(&format!("{KEY} KDR=1")), E::Parameter),
        ];
        for (value, why) in cases {
            assert_eq!(parse(&value), Err(why), "{value}");
        }
    }

    #[test]
    fn an_answer_must_take_a_line_that_was_offered() {
        let line = |tag, suite| Crypto::new(tag, suite, MasterKey::new([tag as u8; 30]));
        let ours = [
            line(1, Suite::AesCm128HmacSha1_80),
            line(2, Suite::AesCm128HmacSha1_32),
        ];
        let taken = Crypto::agreed(&ours, &[line(2, Suite::AesCm128HmacSha1_32)]);
        assert_eq!(taken.map(|both| both.ours), Some(ours[1].clone()));
        for foreign in [
            line(3, Suite::AesCm128HmacSha1_80),
            line(2, Suite::AesCm128HmacSha1_80),
        ] {
            assert_eq!(Crypto::agreed(&ours, &[foreign]), None);
        }
        assert_eq!(Crypto::agreed(&ours, &[]), None);
    }

    #[test]
    fn a_key_is_never_printed() {
        let line = parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).expect("a line");
        let printed = format!("{line:?}");
        assert!(
            printed.contains("secret") && !printed.contains(KEY),
            "{printed}"
        );
        assert!(!printed.contains("119, 68"), "{printed}");
    }
}
