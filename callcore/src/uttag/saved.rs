//! An extract between two steps: as facts that survive a restart, and back into the type of its step.

use super::{Checked, Closed, Delivered, Order, Ordered, Refusal, Reported, Sent, Uttag};
use crate::time::Time;

/// The steps in their order.
const NAMES: [&str; 6] = [
    "ordered",
    "checked",
    "sent",
    "delivered",
    "reported",
    "closed",
];

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// When.
    pub at: Time,
    /// By whom.
    pub by: String,
}

impl Step {
    pub(super) fn new(name: &'static str, at: Time, by: &str) -> Self {
        Self {
            name,
            at,
            by: by.to_owned(),
        }
    }

    /// A step by its name; `None` when there is no such step.
    pub fn parse(name: &str, at: Time, by: &str) -> Option<Self> {
        let name = NAMES.into_iter().find(|known| *known == name)?;
        Some(Self::new(name, at, by))
    }
}

/// The facts of an extract, whatever its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The form, as [`Order::fields`] gives it.
    pub form: Vec<(String, String)>,
    /// The steps that were taken, in order.
    pub steps: Vec<Step>,
    /// The supplier; empty before it was sent.
    pub supplier: String,
    /// SHA-256 of the delivery; empty before it was delivered.
    pub delivery: String,
}

/// An extract at whichever step it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Any {
    /// Ordered.
    Ordered(Uttag<Ordered>),
    /// Checked.
    Checked(Uttag<Checked>),
    /// Sent to the supplier.
    Sent(Uttag<Sent>),
    /// Delivered.
    Delivered(Uttag<Delivered>),
    /// Reported.
    Reported(Uttag<Reported>),
    /// Closed.
    Closed(Uttag<Closed>),
}

impl Saved {
    /// The facts of an extract.
    pub fn of<S>(uttag: &Uttag<S>) -> Self {
        let form = uttag.order.fields().into_iter();
        Self {
            form: form.map(|(name, text)| (name.to_owned(), text)).collect(),
            steps: uttag.steps.clone(),
            supplier: uttag.supplier.clone(),
            delivery: uttag.delivery.clone(),
        }
    }

    /// The extract at its step; `None` when the steps aren't ones that follow each other from the first.
    ///
    /// # Errors
    /// When the form wouldn't be taken on any more.
    pub fn restore(self) -> Result<Option<Any>, Refusal> {
        let form = self.form.iter();
        let order = Order::read(form.map(|(name, text)| (name.as_str(), text.as_str())))?;
        let taken = self.steps.len();
        let in_order = taken <= NAMES.len()
            && self
                .steps
                .iter()
                .zip(NAMES)
                .all(|(step, name)| step.name == name);
        if !in_order {
            return Ok(None);
        }
        let at = |state| Uttag {
            order,
            steps: self.steps,
            supplier: self.supplier,
            delivery: self.delivery,
            state,
        };
        Ok(match taken {
            1 => Some(Any::Ordered(at(()).with(Ordered))),
            2 => Some(Any::Checked(at(()).with(Checked))),
            3 => Some(Any::Sent(at(()).with(Sent))),
            4 => Some(Any::Delivered(at(()).with(Delivered))),
            5 => Some(Any::Reported(at(()).with(Reported))),
            6 => Some(Any::Closed(at(()).with(Closed))),
            _ => None,
        })
    }
}

impl Uttag<()> {
    fn with<S>(self, state: S) -> Uttag<S> {
        Uttag {
            order: self.order,
            steps: self.steps,
            supplier: self.supplier,
            delivery: self.delivery,
            state,
        }
    }
}

impl Any {
    /// The facts of it.
    pub fn saved(&self) -> Saved {
        match self {
            Self::Ordered(uttag) => Saved::of(uttag),
            Self::Checked(uttag) => Saved::of(uttag),
            Self::Sent(uttag) => Saved::of(uttag),
            Self::Delivered(uttag) => Saved::of(uttag),
            Self::Reported(uttag) => Saved::of(uttag),
            Self::Closed(uttag) => Saved::of(uttag),
        }
    }

    /// What was ordered.
    pub const fn order(&self) -> &Order {
        match self {
            Self::Ordered(uttag) => uttag.order(),
            Self::Checked(uttag) => uttag.order(),
            Self::Sent(uttag) => uttag.order(),
            Self::Delivered(uttag) => uttag.order(),
            Self::Reported(uttag) => uttag.order(),
            Self::Closed(uttag) => uttag.order(),
        }
    }

    /// The name of its step.
    pub const fn step(&self) -> &'static str {
        match self {
            Self::Ordered(_) => NAMES[0],
            Self::Checked(_) => NAMES[1],
            Self::Sent(_) => NAMES[2],
            Self::Delivered(_) => NAMES[3],
            Self::Reported(_) => NAMES[4],
            Self::Closed(_) => NAMES[5],
        }
    }
}
