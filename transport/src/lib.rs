//! The shell round wire: tokio sockets and timers.
