//! A connection that a network cuts. On PostgreSQL only, run by `tests/with-postgres`.

use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
};

use super::*;
use crate::index::tests::postgres::index_of;

/// A way to the database that can be cut without a word to it.
struct Way {
    url: String,
    near: Arc<Mutex<Vec<UnixStream>>>,
    /// What the database takes for connections still.
    _far: Arc<Mutex<Vec<UnixStream>>>,
}

impl Way {
    fn to(url: &str, folder: &Path) -> Self {
        let config: Config = url.parse().expect("a URL");
        let Host::Unix(there) = &config.get_hosts()[0] else {
            panic!("by a socket");
        };
        let socket = format!(".s.PGSQL.{}", config.get_ports()[0]);
        let [near, far] = [(); 2].map(|()| Arc::<Mutex<Vec<UnixStream>>>::default());
        let (behind, held) = (there.join(&socket), (Arc::clone(&near), Arc::clone(&far)));
        let listener = UnixListener::bind(folder.join(&socket)).expect("a socket");
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = UnixStream::connect(&behind).expect("it is there");
                pass(&near, &far);
                pass(&far, &near);
                held.0.lock().expect("ours").push(near);
                held.1.lock().expect("ours").push(far);
            }
        });
        let encoded = |path: &Path| path.to_string_lossy().replace('/', "%2F");
        Self {
            url: url.replace(&encoded(there), &encoded(folder)),
            near,
            _far: far,
        }
    }

    fn cut(&self) {
        for near in self.near.lock().expect("ours").drain(..) {
            near.shutdown(std::net::Shutdown::Both).expect("open");
        }
    }
}

fn pass(from: &UnixStream, to: &UnixStream) {
    let (mut from, mut to) = (
        from.try_clone().expect("ours"),
        to.try_clone().expect("ours"),
    );
    thread::spawn(move || io::copy(&mut from, &mut to));
}

/// A network that was cut tells the database nothing: it keeps the connection, and its lock, for hours.
#[test]
fn who_comes_back_is_not_kept_out_by_the_connection_that_was_cut() {
    let place = tempfile::tempdir().expect("a folder");
    let Some(url) = index_of(place.path()) else {
        return;
    };
    let (way, none) = (Way::to(&url, place.path()), Credentials::default());
    let session = Session::open(&way.url, &none, Some(7)).expect("connected");
    let ask = || session.ask(Ask::Query(Change::new("SELECT 1 AS one", [])));
    for _ in 0..3 {
        assert!(ask().is_ok());
        way.cut();
        // What was under way is not asked again.
        assert!((0..2).any(|_| ask().is_ok()));
    }
    // Somebody else's lock is somebody else's.
    let other = Session::open(&url, &none, Some(7)).map(drop);
    assert!(matches!(other, Err(IndexError::InUse { .. })));
    assert!(ask().is_ok());
}
