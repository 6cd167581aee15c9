//! How stores are kept: who can reach them, what is encrypted, and what is backed up.

use std::collections::BTreeSet;

use super::{Context, Finding, Way, ways::queues_reached};
use crate::{
    retention::ObjectClass,
    scenario::{Backup, BackupPlan, OrgId, Reach, Scenario, Store},
};

/// Security binds the processor by Art. 32 of its own; the principle of Art. 5 binds the controller (IMY-REPORT pp. 4-5).
const PROCESSOR: [&str; 1] = ["Art. 32"];

/// V0401: a store that can be reached from elsewhere asks nobody who they are.
pub(super) fn login(context: &Context<'_>) -> Vec<Finding> {
    exposed(context, "V0401", |store| {
        let what = match store.reach {
            Reach::Internet => {
                "is open to the internet without a login: its address is enough to read what it holds"
            }
            _ => "can be read without a login by whoever reaches its network",
        };
        (!store.login.value).then_some((store.login.line, what))
    })
}

/// V0402: a store that can be reached from elsewhere answers unencrypted.
pub(super) fn tls(context: &Context<'_>) -> Vec<Finding> {
    exposed(context, "V0402", |store| {
        (!store.tls.value).then_some((
            store.tls.line,
            "serves what it holds over unencrypted traffic",
        ))
    })
}

fn exposed(
    context: &Context<'_>,
    code: &'static str,
    fault: impl Fn(&Store) -> Option<(u32, &'static str)>,
) -> Vec<Finding> {
    let stores = context.scenario.stores.iter();
    stores
        .filter(|store| store.reach != Reach::Machine)
        .filter_map(|store| fault(store).map(|(line, what)| (store, line, what)))
        .flat_map(|(store, line, what)| by_everyone(context, code, store, line, what))
        .collect()
}

/// V0403: a store says of itself that it holds its data unencrypted.
pub(super) fn encryption(context: &Context<'_>) -> Vec<Finding> {
    let stores = context.scenario.stores.iter();
    stores
        .filter(|store| store.encrypted.value == Some(false))
        .flat_map(|store| {
            by_everyone(
                context,
                "V0403",
                store,
                store.encrypted.line,
                "holds its data unencrypted",
            )
        })
        .collect()
}

/// One finding for each controller, and one for the processor that runs the store.
fn by_everyone(
    context: &Context<'_>,
    code: &'static str,
    store: &Store,
    line: u32,
    what: &str,
) -> Vec<Finding> {
    let controllers = controllers(context.scenario, &context.ways, store);
    let message = format!(
        "`{}`, run by {}, {what}",
        store.name,
        context.name(store.operator)
    );
    let mut found: Vec<Finding> = controllers
        .iter()
        .map(|&controller| context.finding(code, controller, line, message.clone()))
        .collect();
    if !controllers.contains(&store.operator) {
        found.push(
            context
                .finding(code, store.operator, line, message)
                .under(&PROCESSOR),
        );
    }
    found
}

/// V0404: no backup of care documentation.
pub(super) fn no_backup(context: &Context<'_>) -> Vec<Finding> {
    backups(context, "V0404", |backup| {
        (backup == Backup::None).then_some("is not backed up")
    })
}

/// V0405: the backup lies where the original does.
pub(super) fn backup_beside(context: &Context<'_>) -> Vec<Finding> {
    planned(context, "V0405", |plan| {
        (!plan.apart).then_some("has its backup in the same place as the original")
    })
}

/// V0406: no decided lifetime of backups.
pub(super) fn backup_lifetime(context: &Context<'_>) -> Vec<Finding> {
    planned(context, "V0406", |plan| {
        plan.lifetime
            .is_none()
            .then_some("has backups, and nobody has decided how long they are kept")
    })
}

/// V0407: no decided restore test.
pub(super) fn restore_test(context: &Context<'_>) -> Vec<Finding> {
    planned(context, "V0407", |plan| {
        plan.restore_test
            .is_none()
            .then_some("has backups, and nobody has decided how often restoring is tested")
    })
}

fn planned(
    context: &Context<'_>,
    code: &'static str,
    fault: impl Fn(BackupPlan) -> Option<&'static str>,
) -> Vec<Finding> {
    backups(context, code, |backup| match backup {
        Backup::Kept(plan) => fault(plan),
        Backup::None | Backup::NotExamined => None,
    })
}

/// Backups are the care provider's duty, whoever runs the store (HSLF-FS 2016:40 ch. 3 § 12).
fn backups(
    context: &Context<'_>,
    code: &'static str,
    fault: impl Fn(Backup) -> Option<&'static str>,
) -> Vec<Finding> {
    let stores = context
        .scenario
        .stores
        .iter()
        .filter(|store| holds_care_documents(store));
    stores
        .filter_map(|store| fault(store.backup.value).map(|what| (store, what)))
        .flat_map(|(store, what)| {
            let message = format!("`{}` {what}", store.name);
            controllers(context.scenario, &context.ways, store)
                .into_iter()
                .map(move |controller| {
                    context.finding(code, controller, store.backup.line, message.clone())
                })
        })
        .collect()
}

fn holds_care_documents(store: &Store) -> bool {
    let care = [
        ObjectClass::Audio,
        ObjectClass::JournalDocument,
        ObjectClass::TextConversation,
    ];
    store.holds.iter().any(|class| care.contains(class))
}

/// V0408: calls are recorded for a controller that has no declared store for them.
pub(super) fn undeclared_store(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for queue in queues_reached(&context.ways) {
        let entry = scenario.queue(queue);
        let stored = scenario.stores.iter().any(|store| {
            store.holds.contains(&ObjectClass::Audio)
                && controllers(scenario, &context.ways, store).contains(&entry.controller)
        });
        if entry.recording && !stored && told.insert(entry.controller) {
            let message = format!(
                "recordings of {} go to no declared store",
                context.name(entry.controller)
            );
            let line = scenario.lines.queues[queue.index()];
            found.push(context.finding("V0408", entry.controller, line, message));
        }
    }
    found
}

/// Whose data a store holds: those it names, or every controller whose calls this switch records.
pub(crate) fn controllers(scenario: &Scenario, ways: &[Way], store: &Store) -> BTreeSet<OrgId> {
    if !store.controllers.is_empty() {
        return store.controllers.iter().copied().collect();
    }
    let recorded = queues_reached(ways)
        .into_iter()
        .map(|queue| scenario.queue(queue));
    recorded
        .filter(|queue| queue.recording)
        .map(|queue| queue.controller)
        .collect()
}
