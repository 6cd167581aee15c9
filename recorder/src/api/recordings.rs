//! Searching recordings, and one recording's tag.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Shared, answer::No, guard::Caller};
use crate::{
    access::{self, Access},
    index::{Entry, Filter},
    ledger::LedgerError,
    names::RecordingId,
    store::{Field, Row},
    vault::Vault,
};

/// As many as a page shows; the next page begins after the last.
const PAGE_MAX: usize = 200;
const PAGE_DEFAULT: usize = 50;

/// What is searched for. A name that isn't here is refused, so that a mistyped one doesn't show everything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    controller: Option<String>,
    #[serde(default, with = "crate::moment::option")]
    from: Option<Timestamp>,
    #[serde(default, with = "crate::moment::option")]
    until: Option<Timestamp>,
    region: Option<String>,
    kommun: Option<String>,
    call: Option<u64>,
    limit: Option<usize>,
    after: Option<String>,
    #[expect(dead_code, reason = "the guard has read it")]
    purpose: Option<String>,
}

/// A page of a search.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    recordings: Vec<Row>,
    /// Where the next page begins (`after`); `null` at the end.
    next: Option<String>,
}

/// One recording's tag.
#[derive(Debug, Serialize)]
pub(super) struct Tagged {
    #[serde(flatten)]
    row: Row,
    tag: Vec<Field>,
}

pub(super) async fn search(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(search): Query<Search>,
) -> Result<Json<Page>, No> {
    let filter = search.filter(&caller)?;
    let limit = filter.limit;
    // Another organisation's name finds what a name that doesn't exist finds.
    let theirs = search.controller.is_none() || search.controller == filter.controller;
    let asked = format!("search: {}", search.words());
    let access = access(&caller, "search", asked);
    let token = caller.token.id;
    let found = shared
        .stores
        .ask_for(&token, move |vault, index| {
            access::write(vault, Timestamp::now(), &[access])?;
            if theirs {
                index.list(&filter).map_err(No::from)
            } else {
                Ok(Vec::new())
            }
        })
        .await?;
    let next = (found.len() == limit)
        .then(|| found.last().map(place))
        .flatten();
    Ok(Json(Page {
        recordings: found.iter().map(Row::of).collect(),
        next,
    }))
}

pub(super) async fn tag(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Tagged>, No> {
    let (id, token) = (parse_id(&id)?, caller.token.id.clone());
    let tagged = shared.stores.ask_for(&token, move |vault, index| {
        let entry = theirs(index.get(id)?, &caller)?;
        access::write(
            vault,
            Timestamp::now(),
            &[access(&caller, "show", id.to_string())],
        )?;
        // A tag that was changed is shown to nobody.
        vault.unlock(id, &entry.tag)?;
        Ok::<_, No>(Tagged {
            row: Row::of(&entry),
            tag: Field::all(&entry.tag),
        })
    });
    Ok(Json(tagged.await?))
}

/// An id as it stands in a path; nothing else can be one, so no path leads out of the store.
pub(super) fn parse_id(id: &str) -> Result<RecordingId, No> {
    RecordingId::parse(id).map_err(|error| No::bad("id", error.to_string()))
}

/// The entry when it is the caller's to see, else the answer for one that isn't there.
pub(super) fn theirs(entry: Entry, caller: &Caller) -> Result<Entry, No> {
    if caller.controller() == Some(&*entry.tag.controller) {
        Ok(entry)
    } else {
        tracing::warn!(
            token = caller.token.id,
            "a recording of another controller was asked for"
        );
        Err(No::not_found())
    }
}

/// What goes into the access log of the caller's organisation.
pub(super) fn access(caller: &Caller, action: &str, object: String) -> Access {
    Access {
        who: caller.who(),
        controller: caller.token.organisation.clone(),
        action: action.to_owned(),
        object,
        purpose: caller.purpose.clone(),
    }
}

/// As [`access`], written down now.
pub(super) fn write_down(
    vault: &Vault,
    caller: &Caller,
    action: &str,
    object: String,
) -> Result<(), LedgerError> {
    access::write(vault, Timestamp::now(), &[access(caller, action, object)])
}

impl Search {
    fn filter(&self, caller: &Caller) -> Result<Filter, No> {
        No::backwards(self.from, self.until)?;
        let after = self.after.as_deref().map(parse_place).transpose()?;
        digits("region", self.region.as_deref(), 2)?;
        digits("kommun", self.kommun.as_deref(), 4)?;
        Ok(Filter {
            controller: Some(caller.controller().unwrap_or_default().to_owned()),
            kommun: self.kommun.clone(),
            region: self.region.clone(),
            call: self.call,
            from: self.from,
            until: self.until,
            after,
            limit: self.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX),
        })
    }

    /// For the access log: what was searched for holds no number and no name.
    fn words(&self) -> String {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let parts = [
            ("from", moment(self.from)),
            ("until", moment(self.until)),
            ("region", self.region.clone()),
            ("kommun", self.kommun.clone()),
            ("call", self.call.map(|call| call.to_string())),
        ];
        let said: Vec<String> = parts
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
            .collect();
        if said.is_empty() {
            "everything".to_owned()
        } else {
            said.join(" ")
        }
    }
}

fn digits(name: &'static str, text: Option<&str>, count: usize) -> Result<(), No> {
    let fits = |text: &str| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if text.is_none_or(fits) {
        return Ok(());
    }
    Err(No::bad("malformed", format!("{name} has {count} digits")))
}

/// Where a page ends, as text: the moment and the id, since two may begin at once.
fn place(entry: &Entry) -> String {
    format!("{}-{}", entry.tag.started.as_micros(), entry.id)
}

fn parse_place(text: &str) -> Result<(Timestamp, RecordingId), No> {
    let read = || {
        let (micros, id) = text.rsplit_once('-')?;
        let at = Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
        Some((at, RecordingId::parse(id).ok()?))
    };
    read().ok_or_else(|| No::bad("malformed", "after is what `next` of the page before said"))
}
