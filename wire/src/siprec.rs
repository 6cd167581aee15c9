//! SIPREC: multipart bodies and recording metadata (RFC 7866, RFC 7865).
