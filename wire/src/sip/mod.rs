//! SIP (RFC 3261): messages, transactions, dialogs, and an endpoint that holds them together.

mod checks;
pub mod endpoint;
mod glance;
pub mod header;
mod headers;
pub mod limits;
mod lines;
pub mod message;
mod method;
mod name;
mod params;
mod parse;
mod parse_error;
mod print;
pub mod stream;
mod text;
pub mod uri;
mod uri_scan;
mod via;
