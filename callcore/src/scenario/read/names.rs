//! Names and what they stand for: every reference in the file becomes a place in a list.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{Reader, shown};
use crate::scenario::{
    AgreementId, AnnouncementId, LIST_LEN_MAX, NAME_LEN_MAX, OrgId, ProviderId, QueueId,
    nearest::nearest, raw::RawScenario,
};

/// The names of everything that can be referred to.
pub(super) struct Names {
    pub(super) organisations: Index,
    pub(super) agreements: Index,
    pub(super) announcements: Index,
    pub(super) queues: Index,
    pub(super) providers: Index,
    pub(super) routes: Index,
}

impl Names {
    pub(super) fn org(&self, reader: &mut Reader<'_>, name: &Spanned<String>) -> OrgId {
        OrgId(self.organisations.find(reader, name))
    }

    pub(super) fn agreement(&self, reader: &mut Reader<'_>, name: &Spanned<String>) -> AgreementId {
        AgreementId(self.agreements.find(reader, name))
    }

    pub(super) fn announcement(
        &self,
        reader: &mut Reader<'_>,
        name: &Spanned<String>,
    ) -> AnnouncementId {
        AnnouncementId(self.announcements.find(reader, name))
    }

    pub(super) fn queue(&self, reader: &mut Reader<'_>, name: &Spanned<String>) -> QueueId {
        QueueId(self.queues.find(reader, name))
    }

    pub(super) fn provider(&self, reader: &mut Reader<'_>, name: &Spanned<String>) -> ProviderId {
        ProviderId(self.providers.find(reader, name))
    }
}

/// The names of one list.
pub(super) struct Index {
    what: &'static str,
    pub(super) places: BTreeMap<String, u16>,
}

impl Index {
    /// The place of a name; a fault and a placeholder when there is none.
    pub(super) fn find(&self, reader: &mut Reader<'_>, name: &Spanned<String>) -> u16 {
        if let Some(&place) = self.places.get(name.get_ref()) {
            return place;
        }
        let remedy = match nearest(name.get_ref(), self.places.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add it with [[{}]]", self.what),
        };
        let before = reader.faults.len();
        reader.fault(
            name.span(),
            &format!("no {} is called `{}`", self.what, shown(name.get_ref())),
            &remedy,
        );
        reader.coded(before, "V0003");
        0
    }
}

impl Reader<'_> {
    pub(super) fn all_names(&mut self, raw: &RawScenario) -> Names {
        let reader = self;
        Names {
            organisations: reader.names("organisation", raw.organisation.iter().map(|org| &org.id)),
            agreements: reader.names(
                "agreement",
                raw.agreement.iter().map(|agreement| &agreement.id),
            ),
            announcements: reader.names(
                "announcement",
                raw.announcement.iter().map(|played| &played.name),
            ),
            queues: reader.names("queue", raw.queue.iter().map(|queue| &queue.name)),
            providers: reader.names(
                "provider",
                raw.provider.iter().map(|provider| &provider.name),
            ),
            routes: reader.names("route", raw.route.iter().map(|route| &route.name)),
        }
    }

    /// The names of one list and their places. Notes doubles and names that can't be used.
    fn names<'r>(
        &mut self,
        what: &'static str,
        names: impl Iterator<Item = &'r Spanned<String>>,
    ) -> Index {
        let mut places: BTreeMap<String, u16> = BTreeMap::new();
        for (place, name) in names.enumerate() {
            if place == LIST_LEN_MAX {
                self.fault(
                    name.span(),
                    &format!("more than {LIST_LEN_MAX} entries of {what}"),
                    "split the scenario",
                );
                break;
            }
            self.check_name(what, name);
            if places
                .insert(name.get_ref().clone(), place as u16)
                .is_some()
            {
                let message = format!("a second {what} is called `{}`", shown(name.get_ref()));
                self.fault(name.span(), &message, "give each a name of its own");
            }
        }
        Index { what, places }
    }

    pub(super) fn check_name(&mut self, what: &str, name: &Spanned<String>) {
        let text = name.get_ref();
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > NAME_LEN_MAX || !text.bytes().all(usable) {
            let remedy = format!(
                "use 1 to {NAME_LEN_MAX} of a-z, 0-9, `-`, `_` and `.`: it ends in metrics and file names"
            );
            self.fault(
                name.span(),
                &format!("this can't be the name of {what}"),
                &remedy,
            );
        }
    }
}
