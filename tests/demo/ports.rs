//! Ports of this test's own.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// The ports that the two scenarios of the demo name.
const DEMO: [u16; 10] = [5060, 5061, 5070, 5080, 5081, 5090, 1177, 1178, 1179, 1180];

/// The distance of two tests' ports: the demo's span from 5060 to 5090 fits in.
const STEP: usize = 40;

/// How far all ports are moved; whoever holds this has them for itself.
pub(crate) struct Shift {
    pub(crate) by: u16,
    _held: TcpListener,
}

impl Shift {
    /// Ports that nobody has now. They stay below those of audio (10000) and of outgoing connections.
    pub(crate) fn free() -> Self {
        (1000..4600)
            .step_by(STEP)
            .find_map(Self::take)
            .expect("free ports for a demo")
    }

    fn take(by: u16) -> Option<Self> {
        // Between two ports of the demo: other tests that look here see that it is taken.
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 5065 + by)).ok()?;
        let free = DEMO.iter().all(|port| {
            let address = (Ipv4Addr::LOCALHOST, port + by);
            TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
        });
        free.then_some(Self { by, _held: held })
    }
}
