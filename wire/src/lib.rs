//! SIP, SDP, RTP, SIPREC: bytes to values and back, transactions and dialogs as state machines.
