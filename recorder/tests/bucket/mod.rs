//! A server of S3 (moto) and a door before it that can be shut, and that can change what goes through it.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

/// How the door stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// Every connection ends before a word.
    Shut,
    /// What is read comes back changed.
    Lying,
    /// An answer comes a second late.
    Slow,
}

/// A server with one bucket, `audio`. It ends with this.
pub(crate) struct Server {
    moto: Child,
    door: Arc<AtomicU8>,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        let behind = free();
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/moto/bin/moto_server");
        let moto = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &behind.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run tests/install-peers first");
        let door = Arc::new(AtomicU8::new(Door::Open as u8));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let of = Arc::clone(&door);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let door = Arc::clone(&of);
                thread::spawn(move || pass(&near, behind, &door));
            }
        });
        let server = Self {
            moto,
            door,
            address,
        };
        while !server.has_made_bucket(behind) {
            thread::sleep(Duration::from_millis(50));
        }
        server
    }

    pub(crate) fn turn(&self, door: Door) {
        self.door.store(door as u8, Ordering::Relaxed);
    }

    /// The file that `credentials` names.
    pub(crate) fn credentials(&self, folder: &Path) -> String {
        use std::os::unix::fs::OpenOptionsExt;
        let path = folder.join("secrets");
        let text = format!(
            "AWS_ACCESS_KEY_ID = test\nAWS_SECRET_ACCESS_KEY = test\nAWS_ENDPOINT_URL = http://{}\n",
            self.address
        );
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .expect("ours");
        file.write_all(text.as_bytes()).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    fn has_made_bucket(&self, behind: SocketAddr) -> bool {
        let Ok(mut stream) = TcpStream::connect(behind) else {
            return false;
        };
        let ask = format!(
            "PUT /audio HTTP/1.1\r\nHost: {behind}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let mut answer = String::new();
        stream.write_all(ask.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.moto.kill().and_then(|()| self.moto.wait());
    }
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound")
}

fn pass(near: &TcpStream, behind: SocketAddr, door: &Arc<AtomicU8>) {
    let stands = |door: &AtomicU8, how: Door| door.load(Ordering::Relaxed) == how as u8;
    if stands(door, Door::Shut) {
        return;
    }
    let Ok(far) = TcpStream::connect(behind) else {
        return;
    };
    let (Ok(mut to), Ok(mut from)) = (far.try_clone(), near.try_clone()) else {
        return;
    };
    let watch = Arc::clone(door);
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if stands(&watch, Door::Shut) || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ended = to.shutdown(Shutdown::Both);
    });
    let (mut far, mut near) = (far, near);
    let mut buffer = [0; 64 * 1024];
    while let Ok(count @ 1..) = far.read(&mut buffer) {
        if stands(door, Door::Slow) {
            thread::sleep(Duration::from_secs(1));
        }
        // A body of ours is longer than any header.
        if stands(door, Door::Lying) && count > 300 {
            buffer[count - 1] ^= 1;
        }
        if near.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ended = near.shutdown(Shutdown::Both);
}
