//! Real SIP peers against the real switch.
