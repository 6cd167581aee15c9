//! A bucket of S3 in memory, with a hand in the door: what happens elsewhere between two requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use callcore::tag::RecordingTag;

use crate::{
    index::{Closing, Index, State},
    names::RecordingId,
    place::{Bucket, Place},
    tally::Tally,
    vault::{Vault, folder},
};

/// Objects in one answer, as in S3.
const PAGE: usize = 1000;

type Hand = Box<dyn FnMut(&str) + Send>;

/// The bucket, `audio`.
pub(crate) struct Stub {
    held: Arc<Held>,
    address: SocketAddr,
}

#[derive(Default)]
struct Held {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// What was there before, while versions are kept.
    older: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
    versions_stay: AtomicBool,
    away: AtomicBool,
    before_put: Mutex<Option<Hand>>,
    /// What every answer carries that is of an object, as a bucket that keeps versions has it.
    version: Mutex<Option<&'static str>>,
}

/// A recording that has ended, without a stream, and lies in the bucket. The index isn't told.
pub(crate) fn recorded(vault: &Vault, tag: &RecordingTag) -> RecordingId {
    let id = RecordingId::random().expect("random");
    vault.begin(id, tag).expect("begins");
    let waiting = vault.ended(id, tag).expect("listed").expect("there");
    vault.move_out(&waiting).expect("moved");
    id
}

/// The same, of one that the index knows.
pub(crate) fn entered(vault: &Vault, index: &Index, tag: &RecordingTag) -> RecordingId {
    let id = recorded(vault, tag);
    let closing = Closing {
        state: State::Closed,
        ended: tag.started.timestamp(),
        bytes: 0,
        tally: Tally::default(),
        files: Vec::new(),
    };
    let entered = index.enter_ended(id, tag, &closing, false);
    entered.expect("written");
    id
}

impl Stub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let held = Arc::new(Held::default());
        let of = Arc::clone(&held);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let held = Arc::clone(&of);
                thread::spawn(move || answer(stream, &held));
            }
        });
        Self { held, address }
    }

    /// A new vault with its audio here, and the rest in this folder.
    pub(crate) fn vault(&self, folder: &Path) -> Vault {
        let near = Place::folders(&folder.join("store"), &folder.join("keys"));
        Vault::open_place(self.place(near)).expect("fresh")
    }

    /// The place with its audio here.
    pub(crate) fn place(&self, near: Place) -> Place {
        let parent = near.store.parent().expect("below a folder");
        let secrets = parent.join("secrets");
        let text = format!(
            "AWS_ACCESS_KEY_ID = a\nAWS_SECRET_ACCESS_KEY = b\nAWS_ENDPOINT_URL = http://{}\n",
            self.address
        );
        folder::write_private(&secrets, text.as_bytes()).expect("ours");
        Place {
            bucket: Some(Bucket {
                name: "audio".to_owned(),
                prefix: String::new(),
            }),
            credentials: Some(secrets),
            ..near
        }
    }

    /// What is done when an object has come and isn't there yet.
    pub(crate) fn before_put(&self, hand: impl FnMut(&str) + Send + 'static) {
        *self.held.before_put.lock().expect("ours") = Some(Box::new(hand));
    }

    /// Versions that aren't the latest.
    pub(crate) fn older(&self) -> usize {
        let older = self.held.older.lock().expect("ours");
        older.values().map(Vec::len).sum()
    }

    /// The account may not remove versions.
    pub(crate) fn refuse_versions(&self, refuse: bool) {
        self.held.versions_stay.store(refuse, Ordering::Relaxed);
    }

    /// Nobody is answered, or everybody again.
    pub(crate) fn be_away(&self, away: bool) {
        self.held.away.store(away, Ordering::Relaxed);
    }

    pub(crate) fn keep_versions(&self, version: Option<&'static str>) {
        *self.held.version.lock().expect("ours") = version;
    }

    /// An object of one byte.
    pub(crate) fn put(&self, name: &str) {
        let mut objects = self.held.objects.lock().expect("ours");
        objects.insert(name.to_owned(), vec![0]);
    }

    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut objects = self.held.objects.lock().expect("ours");
        change(objects.get_mut(name).expect("there"));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let objects = self.held.objects.lock().expect("ours");
        objects.keys().cloned().collect()
    }
}

struct Request {
    method: String,
    /// Below the bucket.
    name: String,
    query: String,
    range: Option<(usize, usize)>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut from = BufReader::new(stream.try_clone().ok()?);
    let mut lines = from.by_ref().lines().map_while(Result::ok);
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let header = |wanted: &str| {
        head.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(wanted).then_some(value)
        })
    };
    let length = header("content-length").and_then(|text| text.parse().ok());
    let mut body = Vec::new();
    let length: u64 = length.unwrap_or(0);
    from.by_ref().take(length).read_to_end(&mut body).ok()?;
    let range = header("range").and_then(|text| {
        let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse().ok()?, to.parse().ok()?))
    });
    let mut words = head.first()?.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let name = path.strip_prefix("/audio").unwrap_or(path);
    Some(Request {
        method: method.to_owned(),
        name: name.trim_start_matches('/').to_owned(),
        query: query.to_owned(),
        range,
        body,
    })
}

fn answer(mut stream: TcpStream, held: &Held) {
    let Some(asked) = read(&stream) else { return };
    if held.away.load(Ordering::Relaxed) {
        return;
    }
    let is_head = asked.method == "HEAD";
    let (status, headers, body) = held.answer(asked);
    let version = *held.version.lock().expect("ours");
    let version = version.map_or(String::new(), |id| format!("x-amz-version-id: {id}\r\n"));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"e\"\r\n\
         Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n{version}{headers}Connection: close\r\n\r\n",
        body.len()
    );
    let body = if is_head { &[][..] } else { &body };
    let _sent = stream.write_all(&[head.as_bytes(), body].concat());
}

impl Held {
    fn answer(&self, asked: Request) -> (&'static str, String, Vec<u8>) {
        let name = asked.name;
        match &*asked.method {
            "PUT" => {
                if let Some(hand) = &mut *self.before_put.lock().expect("ours") {
                    hand(&name);
                }
                let mut objects = self.objects.lock().expect("ours");
                let before = objects.insert(name.clone(), asked.body);
                self.put_aside(name, before);
                ("200 OK", String::new(), Vec::new())
            }
            "POST" => {
                let body = String::from_utf8(asked.body).expect("XML");
                let keys = body.split("<Key>").skip(1);
                let mut objects = self.objects.lock().expect("ours");
                let mut deleted = String::new();
                for name in keys.filter_map(|rest| rest.split("</Key>").next()) {
                    let gone = objects.remove(name);
                    self.put_aside(name.to_owned(), gone);
                    deleted += &format!("<Deleted><Key>{name}</Key></Deleted>");
                }
                let said = format!("<DeleteResult>{deleted}</DeleteResult>");
                ("200 OK", String::new(), said.into_bytes())
            }
            "DELETE" if self.versions_stay.load(Ordering::Relaxed) => {
                ("403 Forbidden", String::new(), Vec::new())
            }
            "DELETE" if asked.query.starts_with("versionId=") => {
                let mut objects = self.objects.lock().expect("ours");
                let mut older = self.older.lock().expect("ours");
                objects.remove(&name);
                if let Some(before) = older.get_mut(&name).and_then(Vec::pop) {
                    objects.insert(name, before);
                }
                ("204 No Content", String::new(), Vec::new())
            }
            "GET" if asked.query.contains("list-type=2") => {
                ("200 OK", String::new(), self.list(&asked.query))
            }
            _ => match self.objects.lock().expect("ours").get(&name) {
                None => ("404 Not Found", self.marker(&name), Vec::new()),
                Some(bytes) => match asked.range {
                    None => ("200 OK", String::new(), bytes.clone()),
                    Some((from, to)) => {
                        let to = to.min(bytes.len() - 1);
                        let range = format!("Content-Range: bytes {from}-{to}/{}\r\n", bytes.len());
                        ("206 Partial Content", range, bytes[from..=to].to_vec())
                    }
                },
            },
        }
    }

    /// What stands in the place of what was removed and stays.
    fn marker(&self, name: &str) -> String {
        let older = self.older.lock().expect("ours");
        let stays = older.get(name).is_some_and(|older| !older.is_empty());
        if stays {
            "x-amz-delete-marker: true\r\n".to_owned()
        } else {
            String::new()
        }
    }

    fn put_aside(&self, name: String, before: Option<Vec<u8>>) {
        if self.version.lock().expect("ours").is_some() {
            let mut older = self.older.lock().expect("ours");
            older.entry(name).or_default().extend(before);
        }
    }

    fn list(&self, query: &str) -> Vec<u8> {
        let said = |wanted: &str| {
            let mut parts = query.split('&');
            let said = parts.find_map(|part| part.strip_prefix(wanted));
            said.unwrap_or_default().replace("%2F", "/")
        };
        let (prefix, after) = (said("prefix="), said("start-after="));
        let after = after.max(said("continuation-token="));
        let delimited = query.contains("delimiter=");
        let objects = self.objects.lock().expect("ours");
        let found = objects
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix) && **name > after);
        let deeper = |name: &str| {
            let (top, _) = name.strip_prefix(&prefix)?.split_once('/')?;
            delimited.then(|| format!("{prefix}{top}/"))
        };
        let tops: BTreeSet<String> = found.clone().filter_map(|(name, _)| deeper(name)).collect();
        let found = found.filter(|(name, _)| deeper(name).is_none());
        let truncated = found.clone().count() > PAGE;
        let last = found.clone().take(PAGE).last();
        let next = last.map_or(String::new(), |(name, _)| {
            format!("<NextContinuationToken>{name}</NextContinuationToken>")
        });
        let found = found.take(PAGE);
        let tops: String = tops
            .iter()
            .map(|top| format!("<CommonPrefixes><Prefix>{top}</Prefix></CommonPrefixes>"))
            .collect();
        let contents: String = found
            .map(|(name, bytes)| {
                format!(
                    "<Contents><Key>{name}</Key><Size>{}</Size><ETag>e</ETag>\
                     <LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>",
                    bytes.len()
                )
            })
            .collect();
        format!("<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{next}{contents}{tops}</ListBucketResult>")
            .into_bytes()
    }
}
