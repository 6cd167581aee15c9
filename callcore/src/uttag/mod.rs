//! An extract of personal data (uttag) from its order to its end, as the national routine has it (UTTAG; domain.md section 5).
//!
//! ```text
//! ordered -> checked -> sent -> delivered -> reported -> closed
//! ```
//!
//! Each step is a type, and the next is made by using the former up: an extract that nobody checked can't be delivered,
//! because what would deliver it has no such method. An [`Order`] exists only without personal data in it, and an
//! [`Uttag<Checked>`] only when the orderer stands in the HSA catalogue as verksamhetschef.
//!
//! ```compile_fail
//! use callcore::{time::Time, uttag::{Ordered, Uttag}};
//! fn straight_to_delivery(order: Uttag<Ordered>, at: Time) {
//!     order.deliver("sha256", at, "anna"); // no such method: nobody checked it
//! }
//! ```

mod hsa;
mod order;
mod saved;

pub use self::{
    hsa::{Catalogue, CatalogueError, Manager},
    order::{AskedBy, FIELDS, Kind, Order, Refusal, lookup_number},
    saved::{Any, Saved, Step},
};
use crate::time::Time;

/// Accepted, and nobody has looked at who orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordered;

/// The orderer may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked;

/// With the supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent;

/// With the orderer, encrypted; the secret goes by another channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered;

/// The supplier has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported;

/// The orderer has been told, and that is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// An extract at one of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an extract that is let go of is never delivered"]
pub struct Uttag<S> {
    order: Order,
    steps: Vec<Step>,
    /// The supplier; empty before it was sent.
    supplier: String,
    /// SHA-256 of what was delivered; empty before.
    delivery: String,
    state: S,
}

impl<S> Uttag<S> {
    /// What was ordered.
    pub const fn order(&self) -> &Order {
        &self.order
    }

    fn then<T>(mut self, state: T, name: &'static str, at: Time, by: &str) -> Uttag<T> {
        self.steps.push(Step::new(name, at, by));
        Uttag {
            order: self.order,
            steps: self.steps,
            supplier: self.supplier,
            delivery: self.delivery,
            state,
        }
    }
}

impl Uttag<Ordered> {
    /// Takes an order on.
    pub fn new(order: Order, at: Time, by: &str) -> Self {
        Self {
            order,
            steps: vec![Step::new("ordered", at, by)],
            supplier: String::new(),
            delivery: String::new(),
            state: Ordered,
        }
    }

    /// Whether the orderer may order: a verksamhetschef of this controller, in the HSA catalogue.
    ///
    /// # Errors
    /// The order itself, and why it goes no further.
    pub fn check(
        self,
        catalogue: &Catalogue,
        at: Time,
        by: &str,
    ) -> Result<Uttag<Checked>, (Box<Self>, Refusal)> {
        let (orderer, controller) = (self.order.orderer(), self.order.controller());
        match catalogue.manager(orderer, controller) {
            Ok(_) => Ok(self.then(Checked, "checked", at, by)),
            Err(refusal) => Err((Box::new(self), refusal)),
        }
    }
}

impl Uttag<Checked> {
    /// Sends it to the supplier.
    pub fn send(mut self, supplier: &str, at: Time, by: &str) -> Uttag<Sent> {
        supplier.clone_into(&mut self.supplier);
        self.then(Sent, "sent", at, by)
    }
}

impl Uttag<Sent> {
    /// The supplier has delivered straight to the orderer. `sha256` is of the sealed delivery.
    pub fn deliver(mut self, sha256: &str, at: Time, by: &str) -> Uttag<Delivered> {
        sha256.clone_into(&mut self.delivery);
        self.then(Delivered, "delivered", at, by)
    }
}

impl Uttag<Delivered> {
    /// The supplier reports back.
    pub fn report(self, at: Time, by: &str) -> Uttag<Reported> {
        self.then(Reported, "reported", at, by)
    }
}

impl Uttag<Reported> {
    /// Support tells the orderer and closes.
    pub fn close(self, at: Time, by: &str) -> Uttag<Closed> {
        self.then(Closed, "closed", at, by)
    }
}

#[cfg(test)]
mod tests;
