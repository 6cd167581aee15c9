//! SIP (RFC 3261): messages, transactions, dialogs, and an endpoint that holds them together.

pub mod endpoint;
pub mod message;
pub mod uri;
