//! A connection to PostgreSQL with a thread of its own, so that whoever asks may stand inside or outside a runtime.
//!
//! A connection that broke is made anew before the next question. A question that was under way when it broke is not
//! asked again here: whoever asked knows whether it may be.

#[cfg(test)]
mod cut;

use std::{cell::RefCell, collections::HashMap, sync::mpsc, thread, time::Duration};

use bytes::BytesMut;
use tokio::{runtime::Runtime, time::timeout};
use tokio_postgres::{
    Client, Config, Statement,
    config::{Host, SslMode},
    error::SqlState,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use super::{Change, Value, tls::Tls};
use crate::{credentials::Credentials, index::IndexError};

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long the lock of another may keep us waiting: PostgreSQL frees that of a program that ended only when it notices. Less
/// than [`CONNECT_MAX`].
const LOCK_MAX: Duration = Duration::from_secs(2);
/// How long an answer may take: a plan of ten million recordings on a slow machine.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// The same of what a recorder asks while it records, a few rows at a time: whoever begins a recording waits for it, and goes
/// elsewhere after ten seconds.
const RECORDER_ANSWER_MAX: Duration = Duration::from_secs(8);
/// Prepared statements kept; there are about thirty, and a few of each for lists of another length.
const PREPARED_MAX: usize = 200;

/// What is asked of the database.
#[derive(Debug)]
pub(super) enum Ask {
    Query(Change),
    Change(Vec<Change>),
    Script(String),
}

/// What it says.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) counts: Vec<u64>,
}

/// A way to the thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    work: mpsc::Sender<Work>,
    place: String,
}

type Work = (Ask, mpsc::Sender<Result<Answer, String>>);

impl Session {
    /// Connects. With `lock` it holds that lock of the database, or refuses.
    pub(super) fn open(
        url: &str,
        secrets: &Credentials,
        lock: Option<i32>,
    ) -> Result<Self, IndexError> {
        let (config, tls) = read_url(url, secrets)?;
        let place = place_of(&config);
        let failed = |what: String| IndexError::Database {
            place: place.clone(),
            what,
        };
        let (work, todo) = mpsc::channel();
        let (connected, told) = mpsc::channel();
        let connector = Connector {
            config,
            tls,
            lock,
            former: RefCell::default(),
        };
        thread::Builder::new()
            .name("recorder-postgres".into())
            .spawn(move || serve(&connector, &todo, &connected))
            .map_err(|error| failed(error.to_string()))?;
        match told.recv() {
            Ok(Ok(())) => Ok(Self { work, place }),
            Ok(Err(what)) if what == IN_USE => Err(IndexError::InUse { place }),
            Ok(Err(what)) => Err(failed(what)),
            Err(_) => Err(failed("the thread ended".to_owned())),
        }
    }

    /// Where it is, without secrets.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn ask(&self, ask: Ask) -> Result<Answer, IndexError> {
        let (answer, told) = mpsc::channel();
        let gone = || "the thread ended".to_owned();
        self.work
            .send((ask, answer))
            .map_err(|_| gone())
            .and_then(|()| told.recv().map_err(|_| gone())?)
            .map_err(|what| IndexError::Database {
                place: self.place.clone(),
                what,
            })
    }
}

/// What is said when another recorder holds the lock.
const IN_USE: &str = "another recorder works with it";

struct Connector {
    config: Config,
    tls: Tls,
    lock: Option<i32>,
    /// That had the lock before.
    former: RefCell<Option<Backend>>,
}

/// A connection as PostgreSQL knows it: the number of its process, and when that began, as numbers come again.
#[derive(Debug, Clone)]
struct Backend {
    pid: i32,
    begun: String,
}

struct Connected {
    client: Client,
    prepared: HashMap<String, Statement>,
}

fn serve(
    connector: &Connector,
    todo: &mpsc::Receiver<Work>,
    connected: &mpsc::Sender<Result<(), String>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _told = connected.send(Err(error.to_string()));
            return;
        }
    };
    let mut open = match connector.connect(&runtime) {
        Ok(open) => Some(open),
        Err(what) => {
            let _told = connected.send(Err(what));
            return;
        }
    };
    let _told = connected.send(Ok(()));
    while let Ok((ask, answer)) = todo.recv() {
        // Whoever asked may have gone.
        let _told = answer.send(connector.answer(&runtime, &mut open, ask));
    }
}

impl Connector {
    fn answer(
        &self,
        runtime: &Runtime,
        open: &mut Option<Connected>,
        ask: Ask,
    ) -> Result<Answer, String> {
        // Lets the connection notice that the other end went while nobody asked.
        runtime.block_on(tokio::task::yield_now());
        if open.as_ref().is_none_or(|open| open.client.is_closed()) {
            *open = None;
            *open = Some(self.connect(runtime)?);
        }
        let Some(there) = open.as_mut() else {
            return Err("not connected".to_owned());
        };
        let long = self.lock.is_none() || matches!(ask, Ask::Script(_));
        let answer_max = if long {
            ANSWER_MAX
        } else {
            RECORDER_ANSWER_MAX
        };
        let asked = runtime.block_on(async { timeout(answer_max, there.answer(ask)).await });
        match asked {
            Ok(answer) => answer.map_err(|error| told(&error)),
            Err(_) => {
                *open = None;
                Err(format!("no answer in {} s", answer_max.as_secs()))
            }
        }
    }

    fn connect(&self, runtime: &Runtime) -> Result<Connected, String> {
        let connect = async {
            let (client, connection) = self
                .config
                .connect(self.tls.clone())
                .await
                .map_err(|error| told(&error))?;
            // It ends with its client, or when the other end goes.
            tokio::spawn(connection);
            if let Some(lock) = self.lock {
                let former = self.former.borrow().clone();
                let own = take_lock(&client, lock, former).await?;
                self.former.replace(Some(own));
            }
            Ok(Connected {
                client,
                prepared: HashMap::new(),
            })
        };
        let late = |_| Err(format!("no connection in {} s", CONNECT_MAX.as_secs()));
        runtime.block_on(async { timeout(CONNECT_MAX, connect).await.unwrap_or_else(late) })
    }
}

/// Takes a lock for as long as the connection lasts. Of a connection that a network has cut PostgreSQL hears nothing, and would keep
/// it with its lock for hours: our own is ended first.
async fn take_lock(client: &Client, lock: i32, former: Option<Backend>) -> Result<Backend, String> {
    let said = |error: tokio_postgres::Error| match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => IN_USE.to_owned(),
        _ => told(&error),
    };
    if let Some(Backend { pid, begun }) = former {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE pid = $1 AND backend_start::text = $2 AND usename = current_user";
        // Whoever may not is kept waiting, as by anybody else's.
        if let Err(error) = client.query(end, &[&pid, &begun]).await {
            tracing::warn!(error = told(&error), "a connection that was cut stays");
        }
    }
    let patience = format!("SET lock_timeout = {}", LOCK_MAX.as_millis());
    client.batch_execute(&patience).await.map_err(said)?;
    let ask = "SELECT pg_advisory_lock($1, hashtext(current_schema()))";
    client.query_one(ask, &[&lock]).await.map_err(said)?;
    client
        .batch_execute("RESET lock_timeout")
        .await
        .map_err(said)?;
    let own = "SELECT pid, backend_start::text AS begun FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let own = client.query_one(own, &[]).await.map_err(said)?;
    Ok(Backend {
        pid: own.try_get("pid").map_err(said)?,
        begun: own.try_get("begun").map_err(said)?,
    })
}

impl Connected {
    async fn answer(&mut self, ask: Ask) -> Result<Answer, tokio_postgres::Error> {
        match ask {
            Ask::Query(change) => self.query(&change).await,
            Ask::Change(changes) => self.change(&changes).await,
            Ask::Script(script) => {
                let all = self.client.transaction().await?;
                all.batch_execute(&script).await?;
                all.commit().await?;
                Ok(Answer::default())
            }
        }
    }

    async fn query(&mut self, change: &Change) -> Result<Answer, tokio_postgres::Error> {
        let statement = self.prepare(&change.sql).await?;
        let names = statement.columns().iter().map(|one| one.name().to_owned());
        let names: Vec<String> = names.collect();
        let found = self
            .client
            .query(&statement, &asked(&change.values))
            .await?;
        let rows = found
            .iter()
            .map(|row| (0..names.len()).map(|at| value(row, at)).collect())
            .collect();
        Ok(Answer {
            names,
            rows,
            counts: Vec::new(),
        })
    }

    async fn change(&mut self, changes: &[Change]) -> Result<Answer, tokio_postgres::Error> {
        let mut statements = Vec::with_capacity(changes.len());
        for change in changes {
            statements.push(self.prepare(&change.sql).await?);
        }
        let all = self.client.transaction().await?;
        let mut counts = Vec::with_capacity(changes.len());
        for (statement, change) in statements.iter().zip(changes) {
            counts.push(all.execute(statement, &asked(&change.values)).await?);
        }
        all.commit().await?;
        Ok(Answer {
            counts,
            ..Answer::default()
        })
    }

    async fn prepare(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.prepared.get(sql) {
            return Ok(known.clone());
        }
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn asked(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

fn value(row: &tokio_postgres::Row, at: usize) -> Value {
    let kind = row.columns()[at].type_();
    let found = match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(at).map(|n| n.map(Value::Int)),
        Type::INT4 => row
            .try_get::<_, Option<i32>>(at)
            .map(|n| n.map(|n| Value::Int(n.into()))),
        Type::FLOAT8 => row
            .try_get::<_, Option<f64>>(at)
            .map(|n| n.map(Value::Real)),
        Type::BOOL => row
            .try_get::<_, Option<bool>>(at)
            .map(|yes| yes.map(Value::from)),
        _ => row
            .try_get::<_, Option<String>>(at)
            .map(|text| text.map(Value::Text)),
    };
    found.ok().flatten().unwrap_or(Value::Null)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Self::Int(number) => number.to_sql(ty, out),
            Self::Real(number) => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// What the database says, with its cause, which alone tells a person what to do.
fn told(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// Plaintext goes to this machine only: every row says who called a health service when.
fn read_url(url: &str, secrets: &Credentials) -> Result<(Config, Tls), IndexError> {
    let (url, roots) = take_roots(url);
    let unfit = |what: &str| IndexError::Database {
        place: "of `index` under [recorder]".to_owned(),
        what: what.to_owned(),
    };
    let mut config: Config = url.parse().map_err(|_| unfit("the URL can't be read"))?;
    if let Some(secret) = secrets.get("PGPASSWORD") {
        config.password(secret);
    }
    config
        .application_name("vaxel")
        .connect_timeout(CONNECT_MAX);
    let near = config.get_hosts().iter().all(is_near)
        && config
            .get_hostaddrs()
            .iter()
            .all(std::net::IpAddr::is_loopback)
        && !config.get_hosts().is_empty();
    let tls = match roots {
        Some(path) => {
            config.ssl_mode(SslMode::Require);
            Tls::with_roots(std::path::Path::new(&path)).map_err(|what| unfit(&what))?
        }
        None if near => {
            config.ssl_mode(SslMode::Disable);
            Tls::none()
        }
        None => {
            return Err(unfit(
                "a database on another machine is reached by TLS only: add `?sslrootcert=FILE` with the certificate that signed its own",
            ));
        }
    };
    Ok((config, tls))
}

/// `sslrootcert` is ours to read: the client library doesn't know it.
fn take_roots(url: &str) -> (String, Option<String>) {
    let Some((base, parameters)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let (ours, others): (Vec<&str>, Vec<&str>) = parameters
        .split('&')
        .partition(|one| one.starts_with("sslrootcert="));
    let roots = ours
        .first()
        .and_then(|one| one.strip_prefix("sslrootcert="));
    let roots = roots.map(str::to_owned);
    if others.is_empty() {
        (base.to_owned(), roots)
    } else {
        (format!("{base}?{}", others.join("&")), roots)
    }
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn place_of(config: &Config) -> String {
    let host = config
        .get_hosts()
        .first()
        .map_or_else(String::new, |host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
    format!(
        "{} in PostgreSQL at {host}",
        config.get_dbname().unwrap_or("the index")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_goes_to_this_machine_only() {
        let none = Credentials::default();
        for near in [
            "postgres://v@127.0.0.1/v",
            "postgres://v@localhost/v",
            "postgres://v@%2Frun%2Fpg/v",
            "postgres://v@[::1]:5433/v",
        ] {
            let (config, _) = read_url(near, &none).expect(near);
            assert_eq!(config.get_ssl_mode(), SslMode::Disable, "{near}");
        }
        for far in [
            "postgres://v@db.example/v",
            "postgres://v@127.0.0.1,192.0.2.1/v",
            "postgres://v@localhost/v?hostaddr=192.0.2.1",
            "postgres://v@192.0.2.1/v?sslmode=prefer",
            "postgres:///v",
        ] {
            let refused = read_url(far, &none).map(|_| ()).expect_err(far);
            assert!(refused.to_string().contains("TLS only"), "{refused}");
        }
        let refused = read_url("postgres://v@192.0.2.1/v?sslrootcert=/nowhere.pem", &none);
        assert!(refused.is_err());
    }
}
