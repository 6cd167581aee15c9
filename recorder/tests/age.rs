//! The real `age` opens what is sealed here, and what it seals opens here. Needs the Debian package `age`
//! (`tests/install-peers`); says so and passes where it isn't installed, unless `VAXEL_PEERS` is set.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use recorder::envelope::{self, Identity};

/// Longer than two chunks, and no multiple of one.
const LENGTH: usize = 150_001;

fn text() -> Vec<u8> {
    (0..LENGTH).map(|at| (at * 7) as u8).collect()
}

fn is_installed() -> bool {
    let found = Command::new("age").arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("VAXEL_PEERS").is_none(),
        "age is missing: run tests/install-peers"
    );
    found
}

fn write_identity(path: &Path) -> Identity {
    let identity = Identity::generate().expect("random");
    fs::write(path, format!("{}\n", identity.to_text().as_str())).expect("ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
    identity
}

#[test]
fn age_opens_ours() {
    if !is_installed() {
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let (key, file) = (place.path().join("key"), place.path().join("file.age"));
    let [other, identity] = [Identity::generate().expect("random"), write_identity(&key)];
    let recipients = [other.recipient(), identity.recipient()];
    let mut sealer = envelope::seal(Vec::new(), &recipients).expect("begins");
    sealer.write_all(&text()).expect("taken");
    fs::write(&file, sealer.finish().expect("ended")).expect("ours");
    let output = Command::new("age")
        .arg("-d")
        .arg("-i")
        .args([&key, &file])
        .output()
        .expect("runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stdout, text());
}

#[test]
fn ours_opens_what_age_sealed() {
    if !is_installed() {
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let key = place.path().join("key");
    let identity = write_identity(&key);
    let mut age = Command::new("age")
        .args(["-r", &identity.recipient().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut stdin = age.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&text()));
    let output = age.wait_with_output().expect("ends");
    writer.join().expect("no panic").expect("taken");
    let identities = envelope::read_identities(&key).expect("one");
    let mut opened = Vec::new();
    envelope::open(output.stdout.as_slice(), &identities)
        .expect("opens")
        .read_to_end(&mut opened)
        .expect("whole");
    assert_eq!(opened, text());
}

#[test]
fn a_key_of_age_keygen_is_read() {
    if !is_installed() {
        return;
    }
    let output = Command::new("age-keygen").output().expect("runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let secret = text
        .lines()
        .find(|line| !line.starts_with('#'))
        .expect("a key");
    let public = text
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .expect("its public half");
    let identity = Identity::parse(secret).expect("a key");
    assert_eq!(identity.recipient().to_string(), public);
}
