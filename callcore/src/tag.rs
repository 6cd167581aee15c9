//! The recording tag: whose a recording is, why it exists and how long it stays.
//!
//! The tag travels as text fields (SIPREC extension data, WAV chunks, index) and is bound to the audio as
//! associated data by its [canonical form](RecordingTag::canonical): change one character and the audio won't open.
//! No telephone number is in it.

use std::fmt;

use jiff::{Timestamp, civil::Date};

use crate::{retention::ObjectClass, switch::CallId, time::Time};

/// Everything that must be known of a recording for it to be kept, read or erased. All names are the scenario's ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingTag {
    /// Who is controller.
    pub controller: Box<str>,
    /// Who records and stores for the controller; the controller itself when it does so.
    pub processor: Box<str>,
    /// Who runs the switch.
    pub operator: Box<str>,
    /// The region's two-digit code; empty when the queue serves several.
    pub region: Box<str>,
    /// The kommun-ID of the call; empty when it isn't known.
    pub kommun: Box<str>,
    /// Why it is recorded, such as `patient-safety-and-quality`.
    pub purpose: Box<str>,
    /// The legal basis, cited.
    pub basis: Box<str>,
    /// The Art. 28 agreement; empty when the controller records itself.
    pub agreement: Box<str>,
    /// What kind of data it is.
    pub class: ObjectClass,
    /// First day on which it may be erased, if a decision says so.
    pub earliest: Date,
    /// Last day on which it may still be there.
    pub latest: Option<Date>,
    /// The route that won.
    pub route: Box<str>,
    /// The digest of the table that decided: the first 16 hexadecimal digits.
    pub table: Box<str>,
    /// The call.
    pub call: CallId,
    /// When the recording began.
    pub started: Time,
}

/// How long one field of a tag may be, in bytes. The longest there is, a citation of a law with its chapters,
/// takes about 200; a peer's tag must not fill the index.
pub const TAG_FIELD_LEN_MAX: usize = 512;

/// How many fields a tag has.
pub const TAG_FIELDS: usize = 15;

/// Why text fields are no tag. The values stay out of it: a stranger may have put anything there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// A field that every recording has is missing or empty.
    #[error(
        "the recording tag has no `{0}`: the sender must name it, or the recording can't be kept"
    )]
    Missing(&'static str),
    /// A field is too long.
    #[error(
        "the recording tag's `{0}` is longer than {TAG_FIELD_LEN_MAX} bytes: shorten it in the sender's scenario"
    )]
    TooLong(&'static str),
    /// A field isn't written as it must be.
    #[error(
        "the recording tag's `{field}` is not {expected}: check the sender's scenario and version"
    )]
    Malformed {
        /// Its name.
        field: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// The floor lies above the ceiling.
    #[error(
        "the recording tag's `earliest` lies after its `latest`: correct the retention rule of the sender"
    )]
    FloorAboveCeiling,
}

impl RecordingTag {
    /// The tag as named text fields, always in this order; what isn't known is empty.
    ///
    /// `earliest` and `latest` are ISO 8601 dates, `started` is RFC 3339 in UTC, `call` is a decimal number.
    pub fn fields(&self) -> [(&'static str, String); TAG_FIELDS] {
        [
            ("controller", self.controller.to_string()),
            ("processor", self.processor.to_string()),
            ("operator", self.operator.to_string()),
            ("region", self.region.to_string()),
            ("kommun", self.kommun.to_string()),
            ("purpose", self.purpose.to_string()),
            ("basis", self.basis.to_string()),
            ("agreement", self.agreement.to_string()),
            ("class", self.class.name().to_owned()),
            ("earliest", self.earliest.to_string()),
            (
                "latest",
                self.latest.map(|day| day.to_string()).unwrap_or_default(),
            ),
            ("route", self.route.to_string()),
            ("table", self.table.to_string()),
            ("call", self.call.0.to_string()),
            ("started", self.started.timestamp().to_string()),
        ]
    }

    /// Reads a tag back from its named fields; a name that `lookup` doesn't know counts as empty.
    ///
    /// # Errors
    /// Names the first field that is missing, too long or malformed.
    pub fn from_fields<'a>(
        lookup: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Result<Self, TagError> {
        let optional = |field| {
            Field {
                name: field,
                text: lookup(field).unwrap_or_default(),
            }
            .text_max()
        };
        let required = |field| optional(field).and_then(Field::not_empty);
        let tag = Self {
            controller: required("controller")?.text.into(),
            processor: required("processor")?.text.into(),
            operator: required("operator")?.text.into(),
            region: optional("region")?
                .digits(2, "a two-digit region code")?
                .into(),
            kommun: optional("kommun")?
                .digits(4, "a four-digit kommun-ID")?
                .into(),
            purpose: required("purpose")?.text.into(),
            basis: required("basis")?.text.into(),
            agreement: optional("agreement")?.text.into(),
            class: required("class")?.read("a class of data", ObjectClass::parse)?,
            earliest: required("earliest")?.date()?,
            latest: match optional("latest")? {
                Field { text: "", .. } => None,
                field => Some(field.date()?),
            },
            route: required("route")?.text.into(),
            table: required("table")?.text.into(),
            call: required("call")?.read("a number", |text| text.parse().ok().map(CallId))?,
            started: required("started")?.read("an RFC 3339 moment", |text| {
                text.parse::<Timestamp>().ok().map(Time::from)
            })?,
        };
        if tag.latest.is_some_and(|latest| latest < tag.earliest) {
            return Err(TagError::FloorAboveCeiling);
        }
        Ok(tag)
    }

    /// The bytes that bind the tag to its audio: every field with its name and length before it, so that no two
    /// tags share them, whatever their texts hold.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = b"vaxel recording tag 1\n".to_vec();
        for (name, value) in self.fields() {
            bytes.extend(format!("{name}:{}:{value}\n", value.len()).into_bytes());
        }
        // The text of a moment ends where the calendar does; the number doesn't.
        bytes.extend(format!("micros:{}\n", self.started.as_micros()).into_bytes());
        bytes
    }
}

/// For a person: who is responsible for which call, why, and how long.
impl fmt::Display for RecordingTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "call {} of {}, route {}: controller {}",
            self.call.0,
            self.started.timestamp(),
            self.route,
            self.controller
        )?;
        if self.processor != self.controller {
            write!(f, ", processor {}", self.processor)?;
        }
        if !self.agreement.is_empty() {
            write!(f, " under {}", self.agreement)?;
        }
        write!(
            f,
            "; {} for {} ({}), kept at least until {}",
            self.class.name(),
            self.purpose,
            self.basis,
            self.earliest
        )?;
        match self.latest {
            Some(latest) => write!(f, ", at most until {latest}"),
            None => f.write_str(", without a ceiling"),
        }
    }
}

/// One field as it came.
#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'static str,
    text: &'a str,
}

impl<'a> Field<'a> {
    fn text_max(self) -> Result<Self, TagError> {
        if self.text.len() > TAG_FIELD_LEN_MAX {
            Err(TagError::TooLong(self.name))
        } else {
            Ok(self)
        }
    }

    fn not_empty(self) -> Result<Self, TagError> {
        if self.text.is_empty() {
            Err(TagError::Missing(self.name))
        } else {
            Ok(self)
        }
    }

    fn digits(self, count: usize, expected: &'static str) -> Result<&'a str, TagError> {
        let fits = self.text.len() == count && self.text.bytes().all(|b| b.is_ascii_digit());
        if fits || self.text.is_empty() {
            Ok(self.text)
        } else {
            Err(TagError::Malformed {
                field: self.name,
                expected,
            })
        }
    }

    fn date(self) -> Result<Date, TagError> {
        self.read("a date such as 2027-01-31", |text| text.parse().ok())
    }

    fn read<T>(
        self,
        expected: &'static str,
        parse: impl Fn(&'a str) -> Option<T>,
    ) -> Result<T, TagError> {
        parse(self.text).ok_or(TagError::Malformed {
            field: self.name,
            expected,
        })
    }
}
