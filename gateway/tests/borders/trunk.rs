//! Providers' trunks: who the switch is to those who ask.

use gateway::Gateway;
use wire::{
    auth::{Algorithm, Authenticator, Credentials, Doubt},
    sip::message::{HeaderName, Headers, Message, Method, Request, StatusCode},
    time::Time,
};

use crate::rig::{Raw, invite, providers, reply, secret, switch};

const REALM: &str = "medhelp";

fn users() -> Credentials {
    let mut users = Credentials::default();
    let ha1 = Algorithm::Sha256.ha1("vaxel", REALM, "secret");
    users.add("vaxel", REALM, Algorithm::Sha256, ha1);
    users
}

fn lines(challenge: &Headers) -> String {
    let line = |(name, value): (_, &str)| format!("{name}: {value}\r\n");
    challenge.iter().map(line).collect()
}

/// The next INVITE; what acknowledges an earlier one is passed over.
async fn called(provider: &Raw) -> Request {
    loop {
        let request = provider.request().await;
        if request.method == Method::Invite {
            return request;
        }
    }
}

/// What the provider, which asks, says to the switch's first INVITE and to the one after it.
async fn ask(provider: &Raw, asks: &mut Authenticator) -> (Request, Result<Box<str>, Doubt>) {
    let now = Time::default();
    let first = called(provider).await;
    let challenge = lines(&asks.challenge(now, Doubt::Missing, &Credentials::default()));
    provider
        .send(reply(&first, 401, &challenge).as_bytes())
        .await;
    let again = called(provider).await;
    let believed = asks.check(now, &again, &users());
    (again, believed)
}

#[tokio::test]
async fn a_provider_that_asks_who_calls_is_told_by_its_own_credentials() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = Algorithm::Sha256.hash(&["vaxel", REALM, "secret"]);
    let line = format!("vaxel:{REALM}:SHA-256:{hash}\n");
    secret(folder.path(), "medhelp.ha1", &line);
    let mut trunk = Raw::at("127.0.0.1:0", ([127, 0, 0, 1], 9).into()).await;
    let entry = format!(
        r#"{{ name = "first", organisation = "medhelp", targets = ["sip:1177@{}"], credentials = "medhelp.ha1", ping = {{ every_s = 0 }} }}"#,
        trunk.local()
    );
    let gateway = providers(&[&entry], "", folder.path()).await;
    trunk.face(gateway.sip_addr());
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let call = invite(caller.local(), "asked", "X-Kommun-ID: 0488\r\n");
    caller.send(call.as_bytes()).await;
    let mut asks = Authenticator::new(REALM, [3; 32]);
    let (again, believed) = ask(&trunk, &mut asks).await;
    assert_eq!(believed.as_deref(), Ok("vaxel"));
    trunk.send(reply(&again, 486, "").as_bytes()).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_provider_that_does_not_believe_us_has_refused_and_the_next_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = Algorithm::Sha256.hash(&["vaxel", REALM, "wrong"]);
    let line = format!("vaxel:{REALM}:SHA-256:{hash}\n");
    secret(folder.path(), "medhelp.ha1", &line);
    let nobody = ([127, 0, 0, 1], 9).into();
    let mut first = Raw::at("127.0.0.1:0", nobody).await;
    let mut second = Raw::at("127.0.0.1:0", nobody).await;
    let entry = |name: &str, at: &Raw, more: &str| {
        format!(
            r#"{{ name = "{name}", organisation = "medhelp", targets = ["sip:1177@{}"], ping = {{ every_s = 0 }}{more} }}"#,
            at.local()
        )
    };
    let entries = [
        entry("first", &first, r#", credentials = "medhelp.ha1""#),
        entry("second", &second, ""),
    ];
    let gateway = providers(&[&entries[0], &entries[1]], "", folder.path()).await;
    first.face(gateway.sip_addr());
    second.face(gateway.sip_addr());
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let call = invite(caller.local(), "refused", "X-Kommun-ID: 0488\r\n");
    caller.send(call.as_bytes()).await;
    let mut asks = Authenticator::new(REALM, [3; 32]);
    let (again, believed) = ask(&first, &mut asks).await;
    assert_eq!(believed, Err(Doubt::Wrong));
    let challenge = lines(&asks.challenge(Time::default(), Doubt::Wrong, &Credentials::default()));
    first.send(reply(&again, 401, &challenge).as_bytes()).await;
    called(&second).await;
    gateway.stop().await;
}

/// A hash is as good as the password: a file that others may read is refused, whole.
#[tokio::test]
async fn credentials_that_others_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let hash = "0".repeat(64);
    secret(
        folder.path(),
        "own.ha1",
        &format!("vaxel:r:SHA-256:{hash}\n"),
    );
    let file = folder.path().join("own.ha1");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&file, open).expect("ours");
    let text = crate::rig::scenario("[{ simulated = 1 }]", "own_credentials = \"own.ha1\"", "");
    let refused = crate::rig::start(&text, folder.path()).await;
    let said = refused.expect_err("refused").to_string();
    assert!(
        said.contains("chmod 600") && !said.contains(&hash),
        "{said}"
    );
}

/// A switch that is known to trunks, and whose nurse has a fixed contact; that one is called.
async fn with_a_fixed_contact(more: &str) -> (Gateway, Raw, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, password) in [("own.ha1", "trunks"), ("pbx.ha1", "secret")] {
        let hash = Algorithm::Sha256.hash(&["vaxel", REALM, password]);
        secret(
            folder.path(),
            file,
            &format!("vaxel:{REALM}:SHA-256:{hash}\n"),
        );
    }
    let mut contact = Raw::at("127.0.0.1:0", ([127, 0, 0, 1], 9).into()).await;
    let agents = format!(r#"[{{ sip = "sip:queue@{}"{more} }}]"#, contact.local());
    let gateway = switch(&agents, "own_credentials = \"own.ha1\"", folder.path()).await;
    contact.face(gateway.sip_addr());
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let call = invite(caller.local(), "fixed", "X-Kommun-ID: 0488\r\n");
    caller.send(call.as_bytes()).await;
    (gateway, contact, folder)
}

/// What proves to a trunk who we are would prove it for whoever sits at the contact and asks the trunk meanwhile.
#[tokio::test]
async fn a_fixed_contact_that_asks_in_a_trunks_realm_is_told_nothing() {
    let (gateway, contact, _folder) = with_a_fixed_contact("").await;
    let rung = called(&contact).await;
    let challenge = format!(
        "WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n"
    );
    contact.send(reply(&rung, 401, &challenge).as_bytes()).await;
    // What follows from the refusal comes before the answer to this.
    let asked = invite(contact.local(), "other", "").replace("INVITE", "OPTIONS");
    contact.send(asked.as_bytes()).await;
    loop {
        match contact.receive().await {
            Message::Request(request) => {
                assert_eq!(request.headers.get(&HeaderName::Authorization), None);
            }
            Message::Response(response) => {
                assert_eq!(response.status, StatusCode::OK);
                break;
            }
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_fixed_contact_that_asks_who_calls_is_told_by_its_own_credentials() {
    let (gateway, contact, _folder) = with_a_fixed_contact(", credentials = \"pbx.ha1\"").await;
    let mut asks = Authenticator::new(REALM, [3; 32]);
    let (again, believed) = ask(&contact, &mut asks).await;
    assert_eq!(believed.as_deref(), Ok("vaxel"));
    contact.send(reply(&again, 486, "").as_bytes()).await;
    gateway.stop().await;
}
