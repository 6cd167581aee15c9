//! What one SIP message may hold. A peer that goes beyond is refused before it costs anything.

/// Bytes of a whole message: the largest UDP datagram, and ample for SIPREC's metadata over TCP.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes of one header field with its folded lines, or of the start line: the longest in RFC 4475 is under 2 KiB, and
/// an `Identity` (RFC 8224) may take 4.
pub const LINE_MAX: usize = 8 * 1024;

/// Header fields of one message: over five times what the longest route through a national network shows.
pub const HEADER_FIELDS_MAX: usize = 256;

/// Via values: a request with Max-Forwards 70 (RFC 3261 section 8.1.1.6) can't have met more proxies.
pub const VIAS_MAX: usize = 70;

/// Bytes of one URI: RFC 4475 shows some 1 KiB long; nothing in use is near.
pub const URI_MAX: usize = 4 * 1024;

/// Bytes of a body: what a message leaves at most.
pub const BODY_MAX: usize = MESSAGE_MAX;
