//! The HSA catalogue, as far as an order needs it: who is verksamhetschef where, and how they are reached.

use std::fmt;

use super::Refusal;

const HEADER: &str = "hsa_id,role,organisation,mail,phone";
const ROLE: &str = "verksamhetschef";
/// More people than all of Swedish health care has managers; a larger file isn't one.
const MANAGERS_MAX: usize = 100_000;
/// A shorter one receives no SMS.
const PHONE_DIGITS_MIN: usize = 8;

/// A file that is no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Another first line.
    #[error("the HSA catalogue begins with another line than `{HEADER}`")]
    Header,
    /// A line that isn't one.
    #[error("line {0} of the HSA catalogue hasn't five fields")]
    Line(usize),
    /// Too long.
    #[error("the HSA catalogue has more than {MANAGERS_MAX} lines")]
    TooLong,
}

/// The people of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue(Vec<Manager>);

/// One of them. How they are reached never shows in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct Manager {
    hsa_id: String,
    role: String,
    organisation: String,
    /// Where a delivery goes.
    pub mail: String,
    /// Where the secret that opens it goes.
    pub phone: String,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manager({} at {})", self.role, self.organisation)
    }
}

impl Manager {
    /// A mail address for the delivery, and a telephone for what opens it.
    fn is_reached_by_two_channels(&self) -> bool {
        let digits = self.phone.bytes().filter(u8::is_ascii_digit).count();
        self.mail.contains('@') && !self.phone.contains('@') && digits >= PHONE_DIGITS_MIN
    }
}

impl Catalogue {
    /// Reads the columns `hsa_id,role,organisation,mail,phone`; the organisation is its id in the scenario.
    ///
    /// # Errors
    /// When it has another header or a line of another length.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let mut lines = text.lines();
        if lines.next().map(str::trim) != Some(HEADER) {
            return Err(CatalogueError::Header);
        }
        let mut found = Vec::new();
        for (at, line) in lines.enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            if at >= MANAGERS_MAX {
                return Err(CatalogueError::TooLong);
            }
            let fields: Vec<String> = line
                .split(',')
                .map(|field| field.trim().to_owned())
                .collect();
            let [hsa_id, role, organisation, mail, phone] =
                <[String; 5]>::try_from(fields).map_err(|_| CatalogueError::Line(at + 2))?;
            found.push(Manager {
                hsa_id,
                role,
                organisation,
                mail,
                phone,
            });
        }
        Ok(Self(found))
    }

    /// The verksamhetschef with this HSA id at a controller.
    ///
    /// # Errors
    /// When there is none of that id, or only in another role or for another controller; or when it can't be told where a
    /// delivery and its secret would go.
    pub fn manager(&self, hsa_id: &str, controller: &str) -> Result<&Manager, Refusal> {
        let of_id = || self.0.iter().filter(|one| one.hsa_id == hsa_id);
        if of_id().next().is_none() {
            return Err(Refusal::NotInCatalogue);
        }
        let managers = || of_id().filter(|one| one.role == ROLE);
        if managers().next().is_none() {
            return Err(Refusal::NotManager);
        }
        let mut here = managers().filter(|one| one.organisation == controller);
        let manager = here.next().ok_or(Refusal::OtherOrganisation)?;
        if here.any(|other| other != manager) {
            return Err(Refusal::TwoAddresses);
        }
        if !manager.is_reached_by_two_channels() {
            return Err(Refusal::NoAddress);
        }
        Ok(manager)
    }
}
