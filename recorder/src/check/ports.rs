//! What listens on this machine by TCP, as Linux tells it: in 2019 it was a server that stood in nobody's plan.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// A socket that waits for connections (`TCP_LISTEN` of the kernel's `tcp_states.h`).
const LISTENS: &str = "0A";

/// Every address that something listens at.
///
/// # Errors
/// When the system doesn't tell.
pub fn listening() -> io::Result<Vec<SocketAddr>> {
    let mut all: BTreeSet<SocketAddr> = parsed(&fs::read_to_string("/proc/net/tcp")?).collect();
    // A system may have no IPv6.
    let six = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    all.extend(parsed(&six));
    Ok(all.into_iter().collect())
}

/// The sockets of such a table that listen.
fn parsed(table: &str) -> impl Iterator<Item = SocketAddr> {
    table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _remote, state) = (words.next()?, words.next()?, words.next()?);
        (state == LISTENS).then(|| address(local)).flatten()
    })
}

/// `0100007F:1F90`: words of 32 bits as they lie in memory, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = ip.get(8 * at..8 * at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_listens_is_told_and_what_is_connected_is_not() {
        let four = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = four.local_addr().expect("bound");
        let connected = std::net::TcpStream::connect(at).expect("there");
        let found = listening().expect("Linux");
        assert!(found.contains(&at), "{found:?}");
        assert!(!found.contains(&connected.local_addr().expect("connected")));
        if let Ok(six) = TcpListener::bind("[::1]:0") {
            let at = six.local_addr().expect("bound");
            assert!(listening().expect("Linux").contains(&at));
        }
    }

    #[test]
    fn whatever_stands_in_the_table_is_an_address_or_none() {
        for text in [
            "",
            ":",
            "0100007F",
            "0100007F:",
            "0100007:1F90",
            "g100007F:1F90",
            "åååå:1F90",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
        assert_eq!(parsed("head\n  0: x y 0A\n0:\n").count(), 0);
    }
}
