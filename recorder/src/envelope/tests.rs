//! What is sealed opens again, with its key only, and nothing changed goes unnoticed; `age` itself is tried in
//! `recorder/tests/age.rs`.

use std::io::{Read, Write};

use super::*;

fn sealed(bytes: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut sealer = seal(Vec::new(), recipients).expect("begins");
    sealer.write_all(bytes).expect("takes it");
    sealer.finish().expect("ends")
}

fn opened(envelope: &[u8], identity: &Identity) -> Result<Vec<u8>, EnvelopeError> {
    let mut out = Vec::new();
    let identities = std::slice::from_ref(identity);
    open(envelope, identities)?.read_to_end(&mut out)?;
    Ok(out)
}

#[test]
fn every_length_opens_again() {
    let identity = Identity::generate().expect("random");
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let bytes: Vec<u8> = (0..length).map(|at: u32| at as u8).collect();
        let envelope = sealed(&bytes, &[identity.recipient()]);
        assert_eq!(
            opened(&envelope, &identity).expect("opens"),
            bytes,
            "{length}"
        );
    }
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let [first, second, stranger] = [(); 3].map(|()| Identity::generate().expect("random"));
    let envelope = sealed(b"text", &[first.recipient(), second.recipient()]);
    for identity in [&first, &second] {
        assert_eq!(opened(&envelope, identity).expect("opens"), b"text");
    }
    assert!(matches!(
        opened(&envelope, &stranger),
        Err(EnvelopeError::NotForUs)
    ));
    assert!(matches!(
        seal(Vec::new(), &[]),
        Err(EnvelopeError::NoRecipient)
    ));
}

#[test]
fn every_changed_and_every_missing_byte_is_noticed() {
    let identity = Identity::generate().expect("random");
    let envelope = sealed(b"what was said", &[identity.recipient()]);
    for at in 0..envelope.len() {
        let mut changed = envelope.clone();
        changed[at] ^= 1;
        assert!(opened(&changed, &identity).is_err(), "byte {at}");
        assert!(opened(&envelope[..at], &identity).is_err(), "cut at {at}");
    }
    let mut longer = envelope;
    longer.push(0);
    assert!(opened(&longer, &identity).is_err());
}

#[test]
fn chunks_cannot_be_left_out_or_changed_about() {
    let identity = Identity::generate().expect("random");
    let envelope = sealed(&vec![7; 3 * 65_536], &[identity.recipient()]);
    let chunk = 65_536 + 16;
    let head = envelope.len() - 3 * chunk;
    let pieces: Vec<&[u8]> = envelope[head..].chunks(chunk).collect();
    for order in [vec![0, 1], vec![0, 2], vec![1, 0, 2], vec![0, 1, 2, 2]] {
        let mut built = envelope[..head].to_vec();
        built.extend(order.iter().flat_map(|at| pieces[*at]));
        assert!(opened(&built, &identity).is_err(), "{order:?}");
    }
}

#[test]
fn the_keys_of_the_specification_read_and_write_back() {
    let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    let public = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    let identity = Identity::parse(secret).expect("a key");
    assert_eq!(identity.to_text().as_str(), secret);
    assert_eq!(identity.recipient().to_string(), public);
    assert_eq!(
        Recipient::parse(public).expect("a key"),
        identity.recipient()
    );
    assert!(!format!("{identity:?}").contains("SECRET"));
    for wrong in ["", "age1", secret, &public[..61]] {
        assert!(Recipient::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_share_that_suits_everybody_is_refused() {
    let identity = Identity::generate().expect("random");
    let text = "age-encryption.org/v1\n-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    assert!(matches!(
        opened(text.as_bytes(), &identity),
        Err(EnvelopeError::NotOne(_))
    ));
}

#[test]
fn identities_in_an_open_file_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("key.txt");
    let identity = Identity::generate().expect("random");
    let text = format!("# created: today\n{}\n", identity.to_text().as_str());
    std::fs::write(&path, text).expect("ours");
    let mode = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    mode(0o644);
    assert!(read_identities(&path).is_err());
    mode(0o600);
    let read = read_identities(&path).expect("one");
    assert_eq!(read[0].recipient(), identity.recipient());
}

proptest::proptest! {
    #[test]
    fn noise_is_refused_in_order(noise: Vec<u8>, keep in 0_usize..220) {
        let identity = Identity::parse(
            "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
        ).expect("a key");
        let mut bytes = sealed(b"x", &[identity.recipient()]);
        let whole = bytes.clone();
        bytes.truncate(keep);
        bytes.extend(noise);
        proptest::prop_assert!(bytes == whole || opened(&bytes, &identity).is_err());
    }
}
