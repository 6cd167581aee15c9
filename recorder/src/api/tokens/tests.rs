//! Which tokens hold, and which are refused.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn keys() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    folder::make_private(&place.path().join("keys")).expect("ours");
    place
}

#[test]
fn a_token_holds_until_it_expires_or_is_revoked() {
    let place = keys();
    let keys = place.path().join("keys");
    let (now, then) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let known = Tokens::open(&keys).expect("none yet");
    let made = create(&keys, "Anna", "region-01", Role::Reader, now, then).expect("made");
    let secret = made.secret.reveal();
    let found = known.find(secret, now).expect("read");
    assert_eq!(found.as_ref(), Some(&made.token));
    assert_eq!(known.find(secret, then).expect("read"), None);
    let file = fs::read_to_string(keys.join("api/tokens.json")).expect("there");
    let hidden = secret.rsplit('_').next().expect("parts");
    assert!(!file.contains(hidden) && !format!("{made:?}").contains(hidden));
    revoke(&keys, &made.token.id, now).expect("revoked");
    assert_eq!(known.find(secret, now).expect("read"), None);
    assert_eq!(list(&keys).expect("read")[0].state(now), "revoked");
    assert_eq!(prune(&keys, now).expect("pruned"), 1);
    assert!(matches!(
        revoke(&keys, &made.token.id, now),
        Err(TokenError::NotFound(_))
    ));
}

/// A file of before ids were compared may have one twice.
#[test]
fn two_tokens_of_one_id_both_hold_and_both_end() {
    let place = keys();
    let keys = place.path().join("keys");
    let (now, then) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let make = |name| create(&keys, name, "region-01", Role::Reader, now, then).expect("made");
    let (anna, bo) = (make("Anna"), make("Bo"));
    let file = keys.join("api/tokens.json");
    let text = fs::read_to_string(&file).expect("there");
    let text = text.replace(&bo.token.id, &anna.token.id);
    folder::write_private(&file, text.as_bytes()).expect("ours");
    let known = Tokens::open(&keys).expect("read");
    let whose = |made: &Made| {
        let shown = made.secret.reveal();
        let shown = shown.replace(&bo.token.id, &anna.token.id);
        let found = known.find(&shown, now).expect("read");
        found.map(|token| token.name)
    };
    assert_eq!(whose(&anna).as_deref(), Some("Anna"));
    assert_eq!(whose(&bo).as_deref(), Some("Bo"));
    revoke(&keys, &anna.token.id, now).expect("revoked");
    assert_eq!((whose(&anna), whose(&bo)), (None, None));
}

#[test]
fn no_id_is_given_twice() {
    let place = keys();
    let keys = place.path().join("keys");
    let (now, then) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let made = create(&keys, "Anna", "region-01", Role::Reader, now, then).expect("made");
    let mut drawn = [made.token.id.clone(), made.token.id.clone(), "b".to_owned()].into_iter();
    let id = fresh_id(&[made.token], || drawn.next().ok_or(NameError::NoRandom));
    assert_eq!(id.expect("one"), "b");
}

#[test]
fn nothing_but_the_whole_secret_counts() {
    let place = keys();
    let keys = place.path().join("keys");
    let (now, then) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let made = create(&keys, "Anna", "region-01", Role::Reader, now, then).expect("made");
    let known = Tokens::open(&keys).expect("read");
    let secret = made.secret.reveal();
    let hash = made.token.hash.clone();
    let id = &made.token.id;
    for wrong in [
        "",
        "_",
        "__",
        &secret[..secret.len() - 1],
        &secret[PREFIX.len() + 1..],
        &format!("{secret}0"),
        &format!("{PREFIX}_{id}_{hash}"),
        &format!("{PREFIX}_{id}_"),
        &format!("{PREFIX}_00000000_{}", "0".repeat(64)),
    ] {
        assert_eq!(known.find(wrong, now).expect("read"), None, "{wrong}");
    }
}

#[test]
fn what_is_asked_for_wrongly_is_refused() {
    let place = keys();
    let keys = place.path().join("keys");
    let (now, then) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let make = |name: &str, organisation: &str, expires| {
        create(&keys, name, organisation, Role::Dpo, now, expires)
    };
    assert!(matches!(
        make("Anna", "../x", then),
        Err(TokenError::Name(_))
    ));
    assert!(matches!(
        make(" ", "region-01", then),
        Err(TokenError::Holder)
    ));
    assert!(matches!(
        make("Anna", "region-01", now),
        Err(TokenError::Lifetime)
    ));
    let late = at("2027-02-01T00:00:00Z");
    assert!(matches!(
        make("Anna", "region-01", late),
        Err(TokenError::Lifetime)
    ));
    make("Anna", "region-01", then).expect("made");
    let file = keys.join("api/tokens.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
    assert!(matches!(
        Tokens::open(&keys),
        Err(TokenError::OpenToOthers { mode: 0o644, .. })
    ));
}

#[test]
fn a_role_is_known_by_its_own_name() {
    for role in Role::ALL {
        assert_eq!(Role::parse(role.name()), Some(role));
    }
    assert_eq!(Role::parse("root"), None);
}
