//! Information, collections, stores and sanctions.

use toml::Spanned;

use super::{Reader, line, names::Names, shown};
use crate::scenario::{
    Backup, BackupPlan, Collection, Information, Reach, RouteId, Sanction, Stated, Store, Told,
    UttagSettings,
    raw::{
        RawBackup, RawBackupTable, RawCollection, RawInformation, RawRoute, RawSanction, RawStore,
        RawUttag,
    },
    values,
};

/// By what means callers are informed.
const MEANS: [(&str, ()); 3] = [("announcement", ()), ("web", ()), ("letter", ())];

const REACHES: [(&str, Reach); 3] = [
    ("internet", Reach::Internet),
    ("network", Reach::Network),
    ("machine", Reach::Machine),
];

impl Reader<'_> {
    /// What a caller is told of.
    pub(super) fn told(&mut self, raw: &Spanned<String>) -> Option<Told> {
        self.word(
            raw,
            "kind of information",
            &Told::ALL.map(|told| (told.name(), told)),
        )
    }

    pub(super) fn information(&mut self, raw: RawInformation, names: &Names) -> Information {
        self.word(&raw.by, "means of informing", &MEANS);
        let from = raw.from.as_ref().and_then(|from| self.day(from));
        let until = raw.until.as_ref().and_then(|until| self.day(until));
        self.in_order(from, until, raw.organisation.span());
        Information {
            organisation: names.org(self, &raw.organisation),
            data: raw.data.iter().filter_map(|told| self.told(told)).collect(),
            by: raw.by.into_inner().into(),
            from: from.and_then(values::day_begins),
            until: until.and_then(values::day_begins),
            note: raw.note.into(),
        }
    }

    pub(super) fn collection(&mut self, raw: RawCollection, names: &Names) -> Collection {
        self.words(
            &raw.data,
            (
                "the collection is of no data",
                "an entry of `data` names nothing",
            ),
            "name each kind of data, such as `contact-reason`",
        );
        self.says(
            &raw.purpose,
            "the collection has no purpose",
            "write what the data are collected for, such as `follow-up and quality`",
        );
        Collection {
            controller: names.org(self, &raw.controller),
            from: names.org(self, &raw.from),
            data: raw
                .data
                .into_inner()
                .into_iter()
                .map(|data| data.into_inner().into())
                .collect(),
            purpose: raw.purpose.into_inner().into(),
        }
    }

    pub(super) fn store(&mut self, raw: RawStore, names: &Names, starts: &[usize]) -> Store {
        self.check_name("store", &raw.name);
        let entry_line = line(starts, &raw.name.span());
        let stated = |raw: &Option<Spanned<bool>>| Stated {
            value: raw.as_ref().is_some_and(|raw| *raw.get_ref()),
            line: raw
                .as_ref()
                .map_or(entry_line, |raw| line(starts, &raw.span())),
        };
        let controllers = raw.controller.iter().flat_map(|raw| self.texts(raw));
        let controllers: Vec<Spanned<String>> = controllers
            .map(|(name, span)| Spanned::new(span, name.to_owned()))
            .collect();
        let backup_line = raw.backup.as_ref().map(|raw| line(starts, &raw.span()));
        Store {
            operator: names.org(self, &raw.operator),
            controllers: controllers
                .iter()
                .map(|name| names.org(self, name))
                .collect(),
            holds: raw.holds.iter().map(|class| self.class(class)).collect(),
            inseparable: raw.inseparable,
            reach: raw
                .reachable
                .and_then(|reach| self.word(&reach, "reach of a store", &REACHES))
                .unwrap_or(Reach::Network),
            login: stated(&raw.login),
            tls: stated(&raw.tls),
            encrypted: Stated {
                value: raw.encrypted.as_ref().map(|raw| *raw.get_ref()),
                line: stated(&raw.encrypted).line,
            },
            backup: Stated {
                value: raw
                    .backup
                    .map_or(Backup::None, |backup| self.backup(&backup, &raw.place)),
                line: backup_line.unwrap_or(entry_line),
            },
            erases: stated(&raw.erases),
            place: raw.place.into(),
            name: raw.name.into_inner().into(),
        }
    }

    fn backup(&mut self, raw: &Spanned<RawBackup>, original: &str) -> Backup {
        match raw.get_ref() {
            RawBackup::Word(word) => {
                let words = [
                    ("none", Backup::None),
                    ("not-examined", Backup::NotExamined),
                ];
                let word = Spanned::new(raw.span(), word.clone());
                self.word(&word, "state of a backup", &words)
                    .unwrap_or(Backup::None)
            }
            RawBackup::Table(RawBackupTable {
                place,
                lifetime,
                restore_test,
            }) => {
                let mut period =
                    |raw: &Option<Spanned<String>>| raw.as_ref().and_then(|raw| self.period(raw));
                Backup::Kept(BackupPlan {
                    lifetime: period(lifetime),
                    restore_test: period(restore_test),
                    apart: !place.is_empty() && *place != original,
                })
            }
        }
    }

    pub(super) fn uttag(&mut self, raw: RawUttag, names: &Names) -> UttagSettings {
        if raw.hsa.get_ref().is_empty() {
            self.fault(
                raw.hsa.span(),
                "no file is named",
                "name the CSV file of the HSA catalogue",
            );
        }
        UttagSettings {
            supplier: names.org(self, &raw.supplier),
            hsa: raw.hsa.into_inner().into(),
        }
    }

    pub(super) fn sanction(&mut self, raw: RawSanction, names: &Names) -> Sanction {
        if raw.findings.get_ref().is_empty() {
            self.fault(
                raw.findings.span(),
                "the sanction is for no finding",
                "name the codes it was for, such as `V0301`",
            );
        }
        for code in raw.findings.get_ref() {
            if crate::check::entry(code.get_ref()).is_none() {
                self.fault(
                    code.span(),
                    &format!("no finding has the code `{}`", shown(code.get_ref())),
                    "`vaxel explain` lists them all",
                );
            }
        }
        self.says(
            &raw.source,
            "the sanction has no source",
            "cite where the authority decided it, such as `IMY-REPORT p. 10`",
        );
        Sanction {
            actor: names.org(self, &raw.actor),
            findings: raw
                .findings
                .into_inner()
                .into_iter()
                .map(|code| code.into_inner().into())
                .collect(),
            sek: raw.sek,
            source: raw.source.into_inner().into(),
            note: raw.note.into(),
        }
    }

    /// Routes out of this switch that ask for a recording. A route to a queue has no say: the queue says it.
    pub(super) fn recording_asked(&mut self, routes: &[RawRoute]) -> Vec<RouteId> {
        let mut asked = Vec::new();
        for (id, raw) in (0..=u16::MAX).map(RouteId).zip(routes) {
            match &raw.recording {
                Some(recording) if raw.queue.is_some() => self.fault(
                    recording.span(),
                    "a route to a queue doesn't say whether calls are recorded",
                    "write `recording` at the queue",
                ),
                Some(recording) if *recording.get_ref() => asked.push(id),
                _ => {}
            }
        }
        asked
    }
}
