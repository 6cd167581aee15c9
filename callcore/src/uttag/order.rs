//! The order form. No personal data may be in it, only a link that holds the patientID (UTTAG).

use jiff::civil::Date;

use crate::personal::{CallerNumber, E164, Personal};

/// The fields of the form, in its order.
pub const FIELDS: [&str; 7] = [
    "kind",
    "asked-by",
    "controller",
    "orderer",
    "patient",
    "from",
    "until",
];
/// No field holds more: a link is the longest.
const FIELD_LEN_MAX: usize = 512;
/// A patientID is opaque, and neither a word nor a document.
const PATIENT_ID_LEN: std::ops::RangeInclusive<usize> = 8..=64;
/// What a link's one parameter is called.
const PATIENT_PARAMETER: &str = "patientID=";
/// Digits of the shortest Swedish number with its area code, and of the longest number there is.
const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// Digits of a Swedish number with its country code: `46`, an area code without its zero, and a subscriber's number.
const SWEDISH_DIGITS: std::ops::RangeInclusive<usize> = 9..=11;

/// What is extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who has looked at what.
    AccessLog,
    /// What is held: recordings and who spoke.
    Content,
    /// The register extract of GDPR Art. 15 (registerutdrag).
    Register,
}

impl Kind {
    const NAMES: [(&'static str, Self); 3] = [
        ("access-log", Self::AccessLog),
        ("content", Self::Content),
        ("register", Self::Register),
    ];

    /// Its name in the form.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

/// On whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedBy {
    /// A care provider for itself.
    CareProvider,
    /// A resident, through the care provider.
    Resident,
}

impl AskedBy {
    const NAMES: [(&'static str, Self); 2] = [
        ("care-provider", Self::CareProvider),
        ("resident", Self::Resident),
    ];

    /// Its name in the form.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

fn name_of<T: PartialEq + Copy>(names: &[(&'static str, T)], value: T) -> &'static str {
    names
        .iter()
        .find(|(_, known)| *known == value)
        .map_or("", |(name, _)| name)
}

/// Why an order isn't taken on, or goes no further. Never says the value: it may be what doesn't belong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The form has no such field.
    #[error(
        "the form has no field `{0}`, only {fields}: an order holds no names and no free text, only a link with the patientID",
        fields = FIELDS.join(", ")
    )]
    UnknownField(String),
    /// A field that must be filled in.
    #[error("the form's `{0}` is missing")]
    Missing(&'static str),
    /// A field with personal data in it.
    #[error(
        "the form's `{field}` holds {what}: no personal data may be in an order, only a link with the patientID"
    )]
    PersonalData {
        /// Which.
        field: &'static str,
        /// What it looks like.
        what: &'static str,
    },
    /// A field that isn't written as it must be.
    #[error("the form's `{field}` is not {expected}")]
    Malformed {
        /// Which.
        field: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// Nobody of that id in the catalogue.
    #[error("the orderer isn't in the HSA catalogue: the order goes back")]
    NotInCatalogue,
    /// In the catalogue, and not entitled.
    #[error("the orderer is no verksamhetschef in the HSA catalogue: the order goes back")]
    NotManager,
    /// Entitled, and for somebody else.
    #[error(
        "the orderer is verksamhetschef elsewhere: one at a unit of this controller has to order"
    )]
    OtherOrganisation,
    /// In the catalogue more than once, and reached in different ways.
    #[error(
        "the HSA catalogue has the orderer more than once, with another mail address or telephone: nobody can tell where a delivery goes"
    )]
    TwoAddresses,
    /// In the catalogue, and not reached by two channels.
    #[error(
        "the HSA catalogue has no mail address and telephone of the orderer: a delivery goes to the one, its secret to the other"
    )]
    NoAddress,
    /// A telephone number that isn't written with its country code.
    #[error("a number is looked up with its country code: write it as +46...")]
    CountryCode,
}

/// An order without personal data in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    kind: Kind,
    asked_by: AskedBy,
    controller: String,
    orderer: String,
    patient: Option<String>,
    from: Option<Date>,
    until: Option<Date>,
}

impl Order {
    /// Reads a form: names and texts, each name once at most.
    ///
    /// # Errors
    /// At the first field that doesn't belong there, is missing, or holds personal data.
    pub fn read<'a>(form: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Refusal> {
        let mut fields = [""; FIELDS.len()];
        for (name, text) in form {
            let place = FIELDS.iter().position(|known| *known == name);
            let place = place.ok_or_else(|| Refusal::UnknownField(shown(name)))?;
            fields[place] = text.trim();
        }
        for (field, text) in FIELDS.into_iter().zip(fields) {
            if text.len() > FIELD_LEN_MAX {
                return Err(malformed(field, "short enough"));
            }
        }
        let [kind, asked_by, controller, orderer, patient, from, until] = fields;
        let order = Self {
            kind: word(
                "kind",
                kind,
                &Kind::NAMES,
                "access-log, content or register",
            )?,
            asked_by: word(
                "asked-by",
                asked_by,
                &AskedBy::NAMES,
                "care-provider or resident",
            )?,
            controller: organisation(controller)?,
            orderer: hsa_id(orderer)?,
            patient: match patient {
                "" => None,
                link => Some(patient_link(link)?),
            },
            from: day("from", from)?,
            until: day("until", until)?,
        };
        // Only a care provider's own access log is of nobody in particular.
        let of_all = order.kind == Kind::AccessLog && order.asked_by == AskedBy::CareProvider;
        if order.patient.is_none() && !of_all {
            return Err(Refusal::Missing("patient"));
        }
        if let (Some(from), Some(until)) = (order.from, order.until)
            && until <= from
        {
            return Err(malformed("until", "after `from`"));
        }
        Ok(order)
    }

    /// The form again, filled in: what [`read`](Self::read) makes this of.
    pub fn fields(&self) -> [(&'static str, String); FIELDS.len()] {
        let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        let texts = [
            self.kind.name().to_owned(),
            self.asked_by.name().to_owned(),
            self.controller.clone(),
            self.orderer.clone(),
            self.patient.clone().unwrap_or_default(),
            day(self.from),
            day(self.until),
        ];
        let mut texts = texts.into_iter();
        FIELDS.map(|name| (name, texts.next().unwrap_or_default()))
    }

    /// What is extracted.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// On whose behalf.
    pub const fn asked_by(&self) -> AskedBy {
        self.asked_by
    }

    /// Whose data, by its id in the scenario.
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// The orderer's HSA id.
    pub fn orderer(&self) -> &str {
        &self.orderer
    }

    /// The patientID in the link; `None` for a whole access log.
    pub fn patient_id(&self) -> Option<&str> {
        let link = self.patient.as_deref()?;
        link.split_once(PATIENT_PARAMETER).map(|(_, id)| id)
    }

    /// Whether a day lies in the time that was asked for.
    pub fn covers(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }
}

/// A number to look up, with its country code.
///
/// # Errors
/// When it has none, or isn't a number.
pub fn lookup_number(text: &str) -> Result<CallerNumber, Refusal> {
    let text = text.trim();
    if !text.starts_with("+46") {
        return Err(Refusal::CountryCode);
    }
    E164::parse(text)
        .map(Personal::new)
        .ok_or(Refusal::CountryCode)
}

fn malformed(field: &'static str, expected: &'static str) -> Refusal {
    Refusal::Malformed { field, expected }
}

/// A field's name as it may be said: letters only, since anything may stand where a name should.
fn shown(name: &str) -> String {
    let sound = |c: &char| c.is_ascii_alphabetic() || matches!(c, '-' | '_');
    name.chars().filter(sound).take(32).collect()
}

fn word<T: Copy>(
    field: &'static str,
    text: &str,
    names: &[(&'static str, T)],
    expected: &'static str,
) -> Result<T, Refusal> {
    if text.is_empty() {
        return Err(Refusal::Missing(field));
    }
    let found = names.iter().find(|(name, _)| *name == text);
    match found {
        Some((_, value)) => Ok(*value),
        None => Err(personal(field, text).unwrap_or(malformed(field, expected))),
    }
}

fn day(field: &'static str, text: &str) -> Result<Option<Date>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        // Ten characters, or a personnummer of eight digits and four would pass for a day.
        Ok(day) if text.len() == 10 => Ok(Some(day)),
        _ => Err(personal(field, text).unwrap_or(malformed(field, "a day such as 2026-01-31"))),
    }
}

fn organisation(text: &str) -> Result<String, Refusal> {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if text.is_empty() {
        return Err(Refusal::Missing("controller"));
    }
    if let Some(refusal) = personal("controller", text) {
        return Err(refusal);
    }
    if text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(malformed(
            "controller",
            "an organisation's id in the scenario",
        ))
    }
}

/// `SE`, an organisation's number of ten digits, and what that organisation adds.
fn hsa_id(text: &str) -> Result<String, Refusal> {
    if text.is_empty() {
        return Err(Refusal::Missing("orderer"));
    }
    let parts = text
        .strip_prefix("SE")
        .and_then(|rest| rest.split_once('-'));
    let sound = parts.is_some_and(|(number, unit)| {
        number.len() == 10
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=32).contains(&unit.len())
            && unit.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let person = parts.is_some_and(|(number, unit)| {
        is_personnummer(number) || is_personnummer(unit) || is_number(unit)
    });
    match (sound, person) {
        (true, false) => Ok(text.to_owned()),
        (true, true) => Err(Refusal::PersonalData {
            field: "orderer",
            what: "a personnummer or a number",
        }),
        _ => Err(personal("orderer", text)
            .unwrap_or(malformed("orderer", "an HSA id such as SE2321000016-1A2B"))),
    }
}

/// A link with one parameter, the patientID, which is not the personnummer.
fn patient_link(text: &str) -> Result<String, Refusal> {
    let expected = malformed("patient", "a link such as https://.../?patientID=...");
    let Some((address, id)) = text
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once(PATIENT_PARAMETER))
    else {
        return Err(personal("patient", text).unwrap_or(expected));
    };
    let opaque = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let plain = |byte: u8| opaque(byte) || matches!(byte, b'.' | b'/' | b':');
    if let Some(refusal) = personal("patient", address).or_else(|| personal("patient", id)) {
        return Err(refusal);
    }
    let sound = PATIENT_ID_LEN.contains(&id.len())
        && id.bytes().all(opaque)
        && address
            .strip_suffix('?')
            .is_some_and(|address| address.bytes().all(plain));
    if sound {
        Ok(text.to_owned())
    } else {
        Err(expected)
    }
}

/// What in a text is about a person.
fn personal(field: &'static str, text: &str) -> Option<Refusal> {
    let refuse = |what| Some(Refusal::PersonalData { field, what });
    let runs_of =
        |between: fn(char) -> bool| text.split(move |c: char| !c.is_ascii_digit() && !between(c));
    // A check digit tells a personnummer from a path or a port; nothing tells a telephone number from those.
    if runs_of(|c| is_between_digits(c) || matches!(c, '.' | '/' | ':')).any(has_personnummer) {
        return refuse("a personnummer");
    }
    let is_in = |run: &str| is_number(run) || run.split(is_between_digits).any(is_number);
    if runs_of(is_between_digits).any(is_in) {
        return refuse("a telephone number");
    }
    if text.contains('@') {
        return refuse("a mail or SIP address");
    }
    None
}

/// What people write between the digits of a number, and what a link takes in its place.
fn is_between_digits(c: char) -> bool {
    matches!(c, '-' | '+' | ' ' | '(' | ')' | '_')
}

/// Whether some parts of a run of digits that follow each other are a personnummer, whatever stands before or after them.
fn has_personnummer(run: &str) -> bool {
    let parts: Vec<&str> = run
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect();
    (0..parts.len()).any(|from| {
        let mut digits = String::new();
        parts[from..].iter().any(|part| {
            // A field has a limit, so this has one.
            digits += part;
            is_personnummer(&digits)
        })
    })
}

fn is_number(text: &str) -> bool {
    let text = text.trim_matches(|c| c != '+' && is_between_digits(c));
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    if text.starts_with('+') || text.starts_with('0') {
        return NUMBER_DIGITS.contains(&count);
    }
    // With its country code, whose `+` was left out.
    text.starts_with("46") && SWEDISH_DIGITS.contains(&count)
}

/// Ten or twelve digits with a day of birth (or a samordningsnummer's, sixty more) and a check digit that holds.
fn is_personnummer(digits: &str) -> bool {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let ten = match digits.len() {
        10 => digits,
        12 => &digits[2..],
        _ => return false,
    };
    let two = |at: usize| ten[at..at + 2].parse::<u8>().unwrap_or(0);
    let (month, day) = (two(2), two(4));
    let born = (1..=12).contains(&month) && ((1..=31).contains(&day) || (61..=91).contains(&day));
    let sum: u32 = ten
        .bytes()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    born && sum.is_multiple_of(10)
}
