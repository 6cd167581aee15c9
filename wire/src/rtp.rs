//! RTP packets and streams (RFC 3550).
