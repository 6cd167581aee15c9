//! A recorder in a process of its own, to be killed: the test's own program, started once more for that one test.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use recorder::Options;

use super::{CONTROLLER, start_at};

/// Where the recorder that is to be killed keeps its things; unset in an ordinary run.
const PLACE: &str = "VAXEL_TEST_VICTIM_PLACE";

/// Where this process is to record until it is killed; `None`: it is the test itself.
pub(crate) fn place() -> Option<OsString> {
    std::env::var_os(PLACE)
}

/// Starts a recorder as process of its own, which runs the test of this name; and where it listens.
pub(crate) fn start(test: &str, place: &Path) -> (Child, SocketAddr) {
    let program = std::env::current_exe().expect("running");
    let mut victim = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let out = BufReader::new(victim.stdout.take().expect("piped"));
    let says = out
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("listens on ")?.1.to_owned()));
    let address = says.expect("an address");
    (victim, address.trim().parse().expect("an address"))
}

/// Records until it is killed.
#[expect(clippy::print_stdout, reason = "the parent reads the address")]
pub(crate) async fn be_killed(place: &Path) {
    let handle = start_at(place, Options::new([CONTROLLER.to_owned()]))
        .await
        .expect("starts");
    println!("listens on {}", handle.sip_addr());
    std::future::pending::<()>().await;
}
