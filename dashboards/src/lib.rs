//! The web page, its events and the metrics endpoint.
