//! The SIPREC server (RFC 7866).

mod timeline;
