//! Single values of a scenario: moments, days, minutes, addresses. Each says what it accepts.

use std::net::IpAddr;

use jiff::civil::{Date, DateTime};
use toml::value::Datetime;

use crate::time::{Time, sweden};

/// A day: `2019-11-01`, with or without quotes.
pub(super) fn day(value: &toml::Value) -> Option<Date> {
    match value {
        toml::Value::String(text) => text.parse().ok(),
        toml::Value::Datetime(Datetime {
            date: Some(_),
            time: None,
            ..
        }) => value_text(value)?.parse().ok(),
        _ => None,
    }
}

/// The first moment of a day in Sweden.
pub(super) fn day_begins(day: Date) -> Option<Time> {
    Some(day.to_zoned(sweden()).ok()?.timestamp().into())
}

/// A moment: `2018-11-05T22:15` on a Swedish clock, or with an offset (`Z`, `+01:00`).
pub(super) fn moment(value: &toml::Value) -> Option<Time> {
    let text = value_text(value)?;
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(stamp.into());
    }
    let wall: DateTime = text.parse().ok()?;
    Some(wall.to_zoned(sweden()).ok()?.timestamp().into())
}

/// Minutes since midnight: `08:00`, `24:00`, with or without quotes.
pub(super) fn minute_of_day(value: &toml::Value) -> Option<u16> {
    let text = value_text(value)?;
    let (hour, minute) = text.split_once(':')?;
    let minute = minute.strip_suffix(":00").unwrap_or(minute);
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= 24 * 60).then_some(total)
}

fn value_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Datetime(datetime) => Some(datetime.to_string()),
        _ => None,
    }
}

/// A network: `10.0.0.0/8`, or one address.
pub(super) fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text
        .split_once('/')
        .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
    (prefix <= bits).then_some((address, prefix))
}

/// The longest SIP address: what fits a request line with room to spare.
const SIP_URI_LEN_MAX: usize = 512;

/// What is wrong with the shape of a SIP address (RFC 3261 section 19.1), if anything.
/// The address itself is never repeated: it may hold a telephone number.
pub(super) fn sip_uri_fault(uri: &str) -> Option<&'static str> {
    let Some(rest) = uri
        .strip_prefix("sip:")
        .or_else(|| uri.strip_prefix("sips:"))
    else {
        return Some("a SIP address begins with `sip:` or `sips:`");
    };
    if uri.len() > SIP_URI_LEN_MAX {
        return Some("a SIP address has at most 512 characters");
    }
    if rest.bytes().any(|byte| {
        byte.is_ascii_whitespace() || byte.is_ascii_control() || b"<>\"".contains(&byte)
    }) {
        return Some("a SIP address has no spaces, quotes or angle brackets");
    }
    let address = rest.split(['?', ';']).next().unwrap_or_default();
    // Parameters of the user part come before the `@`.
    let address = if address.contains('@') || !rest.contains('@') {
        address
    } else {
        rest
    };
    let host_port = match address.rsplit_once('@') {
        Some(("", _)) => return Some("there is nothing before the `@`"),
        Some((_, host)) => host.split(['?', ';']).next().unwrap_or_default(),
        None => address,
    };
    host_port_fault(host_port)
}

fn host_port_fault(host_port: &str) -> Option<&'static str> {
    let (host, port) = if let Some(bracketed) = host_port.strip_prefix('[') {
        let Some((host, after)) = bracketed.split_once(']') else {
            return Some("the `[` is not closed");
        };
        match host.parse::<std::net::Ipv6Addr>() {
            Err(_) => return Some("between the brackets stands no IPv6 address"),
            Ok(address) if address.is_unicast_link_local() => {
                return Some(
                    "a link-local address (fe80::/10) leads nowhere without its interface, which no SIP address names: write a \
                     unique local (fd00::/8) or global one",
                );
            }
            Ok(_) => {}
        }
        (
            host,
            after
                .strip_prefix(':')
                .or(if after.is_empty() { None } else { Some("") }),
        )
    } else {
        host_port
            .split_once(':')
            .map_or((host_port, None), |(host, port)| (host, Some(port)))
    };
    let host_char = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(host_char) {
        return Some("a SIP address needs a host: `sip:user@host:port`");
    }
    let port_ok = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!port_ok).then_some("the port is a number from 1 to 65535")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> toml::Value {
        toml::Value::String(text.to_owned())
    }

    #[test]
    fn moments_are_swedish_unless_they_say_otherwise() {
        let winter = moment(&text("2018-11-05T22:15")).expect("a moment");
        assert_eq!(winter.timestamp().to_string(), "2018-11-05T21:15:00Z");
        assert_eq!(moment(&text("2018-11-05T21:15:00Z")), Some(winter));
        assert_eq!(moment(&text("2018-11-05T22:15:00+01:00")), Some(winter));
        assert_eq!(moment(&text("yesterday")), None);
    }

    #[test]
    fn days_exist() {
        assert!(day(&text("2020-02-29")).is_some());
        assert!(day(&text("2019-02-29")).is_none());
        assert!(day(&toml::Value::Integer(20190101)).is_none());
    }

    #[test]
    fn minutes_of_a_day() {
        assert_eq!(minute_of_day(&text("08:00")), Some(480));
        assert_eq!(minute_of_day(&text("24:00")), Some(1440));
        for wrong in ["24:01", "8:00", "08:60", "0800", "-1:00", "99:99"] {
            assert_eq!(minute_of_day(&text(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn networks() {
        assert_eq!(
            network("10.0.0.0/8"),
            Some(("10.0.0.0".parse().expect("an address"), 8))
        );
        assert_eq!(network("::1").map(|(_, prefix)| prefix), Some(128));
        for wrong in ["10.0.0.0/33", "10.0.0", "/8", "::1/129", "10.0.0.0/"] {
            assert_eq!(network(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sip_addresses() {
        for right in [
            "sip:host",
            "sip:queue@127.0.0.1:5180",
            "sips:a@example.org;transport=tls",
            "sip:1177;kommun-id=0180@host",
            "sip:a@[::1]:5060",
        ] {
            assert_eq!(sip_uri_fault(right), None, "{right}");
        }
        for wrong in [
            "",
            "queue@host",
            "sip:",
            "sip:@host",
            "sip:a@",
            "sip:a@host:0",
            "sip:a@host:99999",
            "sip:a b@host",
            "sip:a@[::1",
            "sip:a@[x]",
            "sip:a@[fe80::1]:5060",
            "tel:112",
            "sip:a@[::1]x",
        ] {
            assert!(sip_uri_fault(wrong).is_some(), "{wrong}");
        }
    }
}
