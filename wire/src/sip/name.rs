//! Names of header fields (RFC 3261 section 7.3.1): compared without case, compact forms read as the long ones.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::text::Token;

/// Writes the enum, its spelling and its reading from one table: variant, spelling, lower-case forms, source.
macro_rules! header_names {
    ($($variant:ident $spelling:literal ($($lower:literal)|+) $source:literal;)*) => {
        /// A header field's name; compact forms are read as the long one.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum HeaderName {
            $(#[doc = $source] $variant,)*
            /// Any other, as it came.
            Other(OtherName),
        }

        impl HeaderName {
            fn known(lower: &[u8]) -> Option<Self> {
                match lower {
                    $($($lower)|+ => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The long form in its usual spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $spelling,)*
                    Self::Other(name) => name.as_str(),
                }
            }
        }
    };
}

header_names! {
    Via "Via" (b"via" | b"v") "RFC 3261 section 20.42.";
    From "From" (b"from" | b"f") "RFC 3261 section 20.20.";
    To "To" (b"to" | b"t") "RFC 3261 section 20.39.";
    CallId "Call-ID" (b"call-id" | b"i") "RFC 3261 section 20.8.";
    CSeq "CSeq" (b"cseq") "RFC 3261 section 20.16.";
    Contact "Contact" (b"contact" | b"m") "RFC 3261 section 20.10.";
    MaxForwards "Max-Forwards" (b"max-forwards") "RFC 3261 section 20.22.";
    RecordRoute "Record-Route" (b"record-route") "RFC 3261 section 20.30.";
    Route "Route" (b"route") "RFC 3261 section 20.34.";
    ContentType "Content-Type" (b"content-type" | b"c") "RFC 3261 section 20.15.";
    ContentLength "Content-Length" (b"content-length" | b"l") "RFC 3261 section 20.14.";
    ContentEncoding "Content-Encoding" (b"content-encoding" | b"e") "RFC 3261 section 20.12.";
    ContentDisposition "Content-Disposition" (b"content-disposition") "RFC 3261 section 20.11.";
    Require "Require" (b"require") "RFC 3261 section 20.32.";
    ProxyRequire "Proxy-Require" (b"proxy-require") "RFC 3261 section 20.29.";
    Supported "Supported" (b"supported" | b"k") "RFC 3261 section 20.37.";
    Unsupported "Unsupported" (b"unsupported") "RFC 3261 section 20.40.";
    Allow "Allow" (b"allow") "RFC 3261 section 20.5.";
    AllowEvents "Allow-Events" (b"allow-events" | b"u") "RFC 6665 section 8.2.2.";
    Accept "Accept" (b"accept") "RFC 3261 section 20.1.";
    AcceptEncoding "Accept-Encoding" (b"accept-encoding") "RFC 3261 section 20.2.";
    AcceptLanguage "Accept-Language" (b"accept-language") "RFC 3261 section 20.3.";
    Authorization "Authorization" (b"authorization") "RFC 3261 section 20.7.";
    WwwAuthenticate "WWW-Authenticate" (b"www-authenticate") "RFC 3261 section 20.44.";
    ProxyAuthenticate "Proxy-Authenticate" (b"proxy-authenticate") "RFC 3261 section 20.27.";
    ProxyAuthorization "Proxy-Authorization" (b"proxy-authorization") "RFC 3261 section 20.28.";
    Date "Date" (b"date") "RFC 3261 section 20.17.";
    Event "Event" (b"event" | b"o") "RFC 6665 section 8.2.1.";
    Expires "Expires" (b"expires") "RFC 3261 section 20.19.";
    MinExpires "Min-Expires" (b"min-expires") "RFC 3261 section 20.23.";
    RetryAfter "Retry-After" (b"retry-after") "RFC 3261 section 20.33.";
    Timestamp "Timestamp" (b"timestamp") "RFC 3261 section 20.38.";
    Subject "Subject" (b"subject" | b"s") "RFC 3261 section 20.36.";
    UserAgent "User-Agent" (b"user-agent") "RFC 3261 section 20.41.";
    Server "Server" (b"server") "RFC 3261 section 20.35.";
    Warning "Warning" (b"warning") "RFC 3261 section 20.43.";
    Reason "Reason" (b"reason") "RFC 3326.";
    PAssertedIdentity "P-Asserted-Identity" (b"p-asserted-identity") "RFC 3325 section 9.1.";
    PPreferredIdentity "P-Preferred-Identity" (b"p-preferred-identity") "RFC 3325 section 9.2.";
    PAccessNetworkInfo "P-Access-Network-Info" (b"p-access-network-info") "RFC 7315 section 5.4.";
    Geolocation "Geolocation" (b"geolocation") "RFC 6442 section 4.1.";
    Privacy "Privacy" (b"privacy") "RFC 3323.";
    ReferTo "Refer-To" (b"refer-to" | b"r") "RFC 3515 section 2.1.";
    ReferredBy "Referred-By" (b"referred-by" | b"b") "RFC 3892.";
    Replaces "Replaces" (b"replaces") "RFC 3891.";
    RSeq "RSeq" (b"rseq") "RFC 3262 section 7.1.";
    RAck "RAck" (b"rack") "RFC 3262 section 7.2.";
    SessionExpires "Session-Expires" (b"session-expires" | b"x") "RFC 4028 section 4.";
    MinSe "Min-SE" (b"min-se") "RFC 4028 section 5.";
    HistoryInfo "History-Info" (b"history-info") "RFC 7044 section 4.1.";
    SubscriptionState "Subscription-State" (b"subscription-state") "RFC 6665 section 8.2.3.";
}

/// The longest of the names above; what is longer is none of them.
const KNOWN_MAX: usize = 24;

impl HeaderName {
    /// Reads a name, long or compact, in any case. `None` when it isn't a token.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read_known(text)
            .or_else(|| Token::parse(text).map(|token| Self::Other(OtherName(token))))
    }

    /// As [`HeaderName::parse`], where `part` lies in `whole`.
    pub(super) fn of(whole: &Arc<str>, part: &str) -> Option<Self> {
        Self::read_known(part)
            .or_else(|| Token::of(whole, part).map(|token| Self::Other(OtherName(token))))
    }

    /// A name of the table; `None`: another, or none at all.
    pub(super) fn read_known(text: &str) -> Option<Self> {
        let mut lower = [0_u8; KNOWN_MAX];
        let lower = lower.get_mut(..text.len())?;
        lower.copy_from_slice(text.as_bytes());
        lower.make_ascii_lowercase();
        Self::known(lower)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that isn't in the table. Equal in any case; made only by [`HeaderName::parse`], so always a token.
#[derive(Debug, Clone)]
pub struct OtherName(Token);

impl OtherName {
    /// As it came.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for OtherName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl Eq for OtherName {}

impl Hash for OtherName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.as_str().bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HeaderName;

    #[test]
    fn names_are_read_in_any_case_and_compact() {
        for (text, name) in [
            ("v", HeaderName::Via),
            ("cSEQ", HeaderName::CSeq),
            ("L", HeaderName::ContentLength),
            ("p-asserted-identity", HeaderName::PAssertedIdentity),
        ] {
            assert_eq!(HeaderName::parse(text), Some(name), "{text}");
        }
        assert_eq!(
            HeaderName::parse("X-Kommun-ID"),
            HeaderName::parse("x-kommun-id")
        );
        for text in ["", "X Y", "X:", "X\r\nY", "Å"] {
            assert_eq!(HeaderName::parse(text), None, "{text:?}");
        }
    }
}
