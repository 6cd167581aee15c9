//! The web page, its events and the metrics endpoint.
//!
//! It shows, and what it is given holds no telephone number; one route changes something, `POST /api/routes`, and only
//! for whoever shows the token. It answers on loopback
//! addresses alone (invariant 7), to requests that name a loopback host, and to no other origin.

mod api;
mod assets;
mod connections;
mod error;
mod events;
mod guard;
mod health;
mod metrics;
mod rules;
mod server;
mod web_socket;

pub use error::ServeError;
pub use rules::{Admin, AdminToken, WeakToken};
pub use server::{Server, listen, serve, serve_on};

/// What the page shows.
#[derive(Debug, Clone)]
pub struct App {
    /// The name in the page's top bar, such as `Vaxel demo`.
    pub title: String,
    /// The running switch.
    pub gateway: gateway::view::Monitor,
    /// The recorder, when it runs in the same program.
    pub recorder: Option<recorder::monitor::Monitor>,
    /// Who may replace the rules; `None`: nobody, over HTTP.
    pub admin: Option<Admin>,
}
