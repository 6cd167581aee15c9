//! The secret that opens a delivery goes another way than the delivery.

use super::*;

#[test]
fn the_secret_never_lies_beside_the_delivery() {
    let desk = Desk::new(1);
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    desk.check(&id).expect("entitled");
    let deliver = |secret: &str| desk.deliver_with(&id, Some(secret));
    fs::create_dir(desk.path("out/inner")).expect("ours");
    for beside in ["out/secret", "out/inner/secret"] {
        assert!(
            matches!(deliver(beside), Err(UttagError::SameChannel)),
            "{beside}"
        );
    }
    let inside = deliver("store/secret");
    assert!(matches!(inside, Err(UttagError::InsideStore { .. })));
    let delivered = deliver("secret").expect("delivered");
    let written = fs::read_to_string(desk.path("secret")).expect("there");
    assert!(text_of(&delivered, written.trim()).contains("RIFF"));
    // What goes into a file doesn't stand on the screen as well, nor in the JSON that goes with the mail address.
    let said = serde_json::to_string(&delivered).expect("JSON");
    assert!(
        delivered.secret.is_empty() && !said.contains("SECRET"),
        "{said}"
    );
}

/// Somebody's secret may still wait to be sent.
#[test]
fn a_secret_is_written_over_nothing_and_a_delivery_without_one_is_not_left() {
    let desk = Desk::new(1);
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    desk.check(&id).expect("entitled");
    fs::write(desk.path("earlier"), "of another").expect("ours");
    fs::create_dir(desk.path("folder")).expect("ours");
    std::os::unix::fs::symlink(desk.path("nowhere"), desk.path("link")).expect("ours");
    for there in ["earlier", "folder", "link"] {
        assert!(desk.deliver_with(&id, Some(there)).is_err(), "{there}");
        assert_eq!((desk.left_in_out(), desk.step(&id)), (0, "sent"), "{there}");
    }
    let earlier = fs::read_to_string(desk.path("earlier")).expect("there");
    assert_eq!(earlier, "of another");
    // The record can't be written: whoever delivers again doesn't meet half of the first.
    let record = desk
        .bench
        .vault
        .store()
        .join(format!(".uttag/{id}.json.new"));
    fs::create_dir(&record).expect("ours");
    assert!(desk.deliver_with(&id, Some("secret")).is_err());
    assert!(!desk.path("secret").exists());
    assert_eq!((desk.left_in_out(), desk.step(&id)), (0, "sent"));
    fs::remove_dir(&record).expect("ours");
    desk.deliver_with(&id, Some("secret")).expect("delivered");
}
