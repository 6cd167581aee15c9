//! `vaxel recorder token`: who may ask the recorder's API, and for which organisation.

use std::process::ExitCode;

use callcore::scenario::Scenario;
use jiff::{Timestamp, ToSpan, civil::Date};
use recorder::{
    access::{self, Access},
    api::tokens::{self, Role, Token, TokenError},
    store,
};
use serde::Serialize;

use super::recordings::by;
use crate::{
    cli::{Asker, RoleName, TokenArgs, TokenCommand},
    failure::Failure,
    files::{self, Kept},
    show,
};

/// What a program reads of a token that was just made.
#[derive(Serialize)]
struct Made<'a> {
    id: &'a str,
    organisation: &'a str,
    role: &'static str,
    expires: String,
    token: &'a str,
}

/// A token without its hash: nobody needs it.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    name: &'a str,
    organisation: &'a str,
    role: &'static str,
    created: String,
    expires: String,
    state: &'static str,
}

pub(crate) fn run(args: TokenArgs) -> Result<ExitCode, Failure> {
    let kept = files::kept(&args.store)?;
    let now = Timestamp::now();
    match args.what {
        TokenCommand::Create {
            name,
            organisation,
            role,
            expires,
        } => {
            let wanted = (name.as_str(), organisation.as_str(), role.role());
            create(&kept, wanted, &expires, now, args.store.json)?;
        }
        TokenCommand::List => list(
            &tokens::list(&kept.place.keys).map_err(failed)?,
            now,
            args.store.json,
        )?,
        TokenCommand::Revoke { id } => {
            let token = tokens::revoke(&kept.place.keys, &id, now).map_err(failed)?;
            let code = end_in_backups(&kept);
            write_down(&kept, "token-revoke", &token, now)?;
            if args.store.json {
                show::json(&serde_json::json!({ "id": token.id, "name": token.name }))?;
            } else {
                show::line(format_args!(
                    "token {} of {} holds no more",
                    token.id, token.name
                ))?;
            }
            return Ok(code);
        }
        TokenCommand::Prune => {
            let gone = tokens::prune(&kept.place.keys, now).map_err(failed)?;
            if args.store.json {
                show::json(&serde_json::json!({ "forgotten": gone }))?;
            } else {
                show::line(format_args!("{gone} tokens forgotten"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a token and shows its secret, once.
fn create(
    kept: &Kept,
    (name, organisation, role): (&str, &str, Role),
    expires: &str,
    now: Timestamp,
    json: bool,
) -> Result<(), Failure> {
    suits(&kept.scenario, organisation, role)?;
    let expires = end_of(expires)?;
    let made =
        tokens::create(&kept.place.keys, name, organisation, role, now, expires).map_err(failed)?;
    let token = &made.token;
    if let Err(failure) = write_down(kept, "token-create", token, now) {
        // Nobody has seen its secret, and nobody will.
        let _ended = tokens::revoke(&kept.place.keys, &token.id, now);
        return Err(failure);
    }
    if json {
        show::json(&Made {
            id: &token.id,
            organisation: &token.organisation,
            role: role.name(),
            expires: token.expires.to_string(),
            token: made.secret.reveal(),
        })?;
    } else {
        show::line(made.secret.reveal())?;
        show::note(format_args!(
            "token {} of {}: {} for {organisation} until {}. It is shown this once: send it as Authorization: Bearer TOKEN",
            token.id,
            token.name,
            role.name(),
            token.expires
        ));
    }
    Ok(())
}

/// A restored store has the tokens of the key part: there a revoked one holds no more either. Before there is a store there are no backups.
fn end_in_backups(kept: &Kept) -> ExitCode {
    if !kept.place.store.exists() {
        return ExitCode::SUCCESS;
    }
    match store::open_to_change_place(kept.place.clone()) {
        Ok(store) => super::key_part::renew(&store),
        Err(error) => super::key_part::still_in_backups(&error),
    }
}

/// Readers and DPOs belong to a controller of this recorder, the others to who runs it: any other token would reach nothing.
fn suits(scenario: &Scenario, organisation: &str, role: Role) -> Result<(), Failure> {
    let Some(org) = scenario.org_by_id(organisation) else {
        return Err(Failure::usage(format!(
            "the scenario has no organisation {organisation}"
        )));
    };
    let operator = &scenario.org(scenario.operator).id;
    match role {
        Role::Operator | Role::Switch if org != scenario.operator => Err(Failure::usage(format!(
            "a token of role {} is for the organisation that runs this recorder, {operator}",
            role.name()
        ))),
        Role::Reader | Role::Dpo
            if !scenario.queues.iter().any(|queue| queue.controller == org) =>
        {
            Err(Failure::usage(format!(
                "{organisation} is controller of no queue here, so no recording is its: a processor's staff hear none"
            )))
        }
        _ => Ok(()),
    }
}

/// Enters in the organisation's access log who opened its recordings to whom. Before there is a store there is nothing to open.
fn write_down(kept: &Kept, action: &str, token: &Token, now: Timestamp) -> Result<(), Failure> {
    let of_recordings = matches!(token.role, Role::Reader | Role::Dpo);
    if !of_recordings || !kept.place.store.exists() {
        return Ok(());
    }
    let unwritten = |error: &dyn std::fmt::Display| {
        Failure::run(format!("the access log can't be written: {error}"))
    };
    let store =
        store::open_to_change_place(kept.place.clone()).map_err(|error| unwritten(&error))?;
    let nobody_else = Asker {
        purpose: None,
        who: None,
    };
    let entry = Access {
        who: by(nobody_else)?.who,
        controller: token.organisation.clone(),
        action: action.to_owned(),
        object: token.id.clone(),
        purpose: format!(
            "{} for {} until {}",
            token.role.name(),
            token.name,
            token.expires
        ),
    };
    access::write(store.parts().0, now, &[entry]).map_err(|error| unwritten(&error))
}

/// The moment after a day, in Sweden.
fn end_of(day: &str) -> Result<Timestamp, Failure> {
    let day: Date = files::day(Some(day))?;
    let zoned = day
        .checked_add(1.day())
        .and_then(|next| next.to_zoned(callcore::time::sweden()));
    zoned
        .map(|zoned| zoned.timestamp())
        .map_err(|error| Failure::usage(format!("--expires is out of range: {error}")))
}

fn list(tokens: &[Token], now: Timestamp, json: bool) -> Result<(), Failure> {
    let listed: Vec<Listed<'_>> = tokens
        .iter()
        .map(|token| Listed {
            id: &token.id,
            name: &token.name,
            organisation: &token.organisation,
            role: token.role.name(),
            created: token.created.to_string(),
            expires: token.expires.to_string(),
            state: token.state(now),
        })
        .collect();
    if json {
        return show::json(&listed);
    }
    if listed.is_empty() {
        return show::line("No tokens yet: `vaxel recorder token create` makes one.");
    }
    let rows = listed.iter().map(|token| {
        [
            token.id.to_owned(),
            token.name.to_owned(),
            token.organisation.to_owned(),
            token.role.to_owned(),
            token.expires.get(..10).unwrap_or_default().to_owned(),
            token.state.to_owned(),
        ]
    });
    let header = ["id", "name", "organisation", "role", "until", ""];
    show::line(show::table(header, rows))
}

impl RoleName {
    const fn role(self) -> Role {
        match self {
            Self::Reader => Role::Reader,
            Self::Dpo => Role::Dpo,
            Self::Operator => Role::Operator,
            Self::Switch => Role::Switch,
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives the error away"
)]
fn failed(error: TokenError) -> Failure {
    match error {
        TokenError::Vault(_) | TokenError::Damaged { .. } => Failure::run(error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}
