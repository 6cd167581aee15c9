//! SDP offer and answer (RFC 8866, RFC 3264).
