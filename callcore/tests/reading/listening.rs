//! Where a switch listens, and which ports its audio has.

use callcore::scenario::Scenario;

use crate::{LEAST, read, refused};

#[test]
fn a_switch_listens_at_one_address_or_at_several() {
    let listen = |rest: &str| format!("listen = {{ {rest} }}{LEAST}");
    let tls = |address: &str| {
        format!("tls = {{ address = {address}, certificate = \"c\", key = \"k\" }}")
    };
    let sip = |rest: &str| {
        let told = read(&listen(rest)).expect("valid").listen;
        let text = |at: &std::net::SocketAddr| at.to_string();
        told.sip.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(sip("realm = \"a\""), ["127.0.0.1:5060"]);
    assert_eq!(sip("sip = \"[::1]:5080\""), ["[::1]:5080"]);
    assert_eq!(
        sip("sip = [\"192.0.2.1:5060\", \"[2001:db8::1]:5060\"]"),
        ["192.0.2.1:5060", "[2001:db8::1]:5060"]
    );
    // The system picks another port each time.
    assert_eq!(sip("sip = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").len(), 2);
    let several = format!(
        "sip = \"192.0.2.1:5060\", {}",
        tls("[\"192.0.2.1:5061\", \"[::1]:5061\"]")
    );
    let told = read(&listen(&several)).expect("valid").listen;
    assert_eq!(told.tls.map(|tls| tls.addresses.len()), Some(2));
    assert!(read(&listen(&tls("\"0.0.0.0:5061\""))).is_ok());

    let nine: Vec<String> = (1..=9)
        .map(|port| format!("\"127.0.0.1:{port}\""))
        .collect();
    let one = "\"127.0.0.1:5060\"";
    let six = format!("sip = [{one}, \"[::1]:5060\"]");
    for (rest, message) in [
        ("sip = []".to_owned(), "no address"),
        (format!("sip = [{}]", nine.join(", ")), "over 8 addresses"),
        (format!("sip = [{one}, {one}]"), "listened on twice"),
        (format!("sip = {one}, {}", tls(one)), "listened on twice"),
        ("sip = \"0.0.0.0:5060\"".to_owned(), "leads nobody here"),
        (format!("sip = [{one}, \"[::]:1\"]"), "leads nobody here"),
        (format!("{six}, {}", tls("\"[::]:1\"")), "none of several"),
        ("sip = \"localhost\"".to_owned(), "no address to listen"),
    ] {
        refused(&listen(&rest), 1, message, "");
    }
}

#[test]
fn the_ports_for_audio_are_said_of_the_switch_and_of_its_recorder() {
    let listen = |rest: &str| format!("listen = {{ {rest} }}{LEAST}");
    let recorder = |rest: &str| format!("{LEAST}\n[recorder]\nsiprec = \"sip:r@host\"\n{rest}\n");
    let said = read(&listen("rtp_ports = \"30000-30001\"")).expect("valid");
    assert_eq!(said.listen.rtp_ports.range(), 30_000..=30_001);
    let unsaid = read(&recorder("")).expect("valid");
    assert_eq!(unsaid.listen.rtp_ports.range(), 10_000..=19_999);
    let of = |scenario: Scenario| scenario.recorder.expect("there").rtp_ports;
    assert_eq!(of(unsaid), None);
    let said = of(read(&recorder("rtp_ports = \"2000-3001\"")).expect("valid"));
    assert_eq!(said.map(|ports| ports.range()), Some(2000..=3001));
    for (wrong, message, remedy) in [
        ("ten", "no range of ports", "`10000-19999`"),
        ("10000-70000", "no port above 65535", "65535"),
        ("3-2", "the first port, 3, comes after", "`2-3`"),
        ("1000-2000", "ports below 1024", "1024 or later"),
        ("2001-2002", "room for no stream", "even"),
    ] {
        let ports = format!("rtp_ports = \"{wrong}\"");
        refused(&listen(&ports), 1, message, remedy);
        refused(&recorder(&ports), 11, message, remedy);
    }
    let sip = "sip = [\"127.0.0.1:5060\", \"[::1]:6000\"], rtp_ports";
    let among = "SIP is listened on among them, at [::1]:6000";
    let wide = listen(&format!("{sip} = \"5998-6001\""));
    refused(&wide, 1, among, "leave SIP's port out");
    assert!(read(&listen(&format!("{sip} = \"6002-6003\""))).is_ok());
    // Not said, it is as it was: SIP has its port before any call.
    assert!(read(&listen("sip = \"127.0.0.1:10000\"")).is_ok());
}
