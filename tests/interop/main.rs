//! Real SIP peers against the real switch: SIPp and baresip call `vaxel`, straight or through Kamailio and rtpengine, and what they
//! and we heard is compared; tshark looks for malformed packets.
//!
//! Every test starts its own switch and recorder on ports of their own, so that tests run side by side and beside a
//! demo. Nothing sleeps to give another time: every wait is for an event, with a deadline that only a fault reaches.

mod answering;
mod baresip;
mod control;
mod kamailio;
mod ladder;
mod ports;
mod recordings;
mod scenario;
mod sipp;
mod sound;
mod switch;
mod ways;

mod alive;
mod bad_network;
mod capture;
mod encrypted;
mod endings;
mod four_baresip;
mod four_sipp;
mod handled;
mod networks;
mod origins;
mod through_kamailio;
mod two_hosts;
mod ways_of_calls;
