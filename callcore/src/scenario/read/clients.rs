//! Who may record at the recorder, and what is recorded of clients that can't say whose calls they send.

use std::{collections::BTreeMap, net::IpAddr};

use toml::Spanned;

use super::{Reader, names::Names};
use crate::{
    retention::ObjectClass,
    scenario::{Queue, QueueId, Retention},
};

type ByAddress<T> = Spanned<BTreeMap<String, T>>;

impl Reader<'_> {
    /// Each peer and the controllers that it may record for.
    pub(super) fn peers(
        &mut self,
        raw: Option<ByAddress<Vec<Spanned<String>>>>,
        names: &Names,
    ) -> Vec<(IpAddr, Vec<Box<str>>)> {
        let mut peers = Vec::new();
        let Some(raw) = raw else { return peers };
        let span = raw.span();
        for (address, controllers) in raw.into_inner() {
            for controller in &controllers {
                names.org(self, controller);
            }
            let remedy = "write `\"10.0.0.5\" = [\"region-01\"]`";
            let Some(address) = self.address(&address, span.clone(), remedy) else {
                continue;
            };
            let ids = controllers.into_iter().map(|id| id.into_inner().into());
            peers.push((address, ids.collect()));
        }
        peers
    }

    /// Each client that sends no tag, and the queue whose calls it records: one that is recorded, under a rule that says
    /// how long.
    pub(super) fn untagged(
        &mut self,
        raw: Option<ByAddress<Spanned<String>>>,
        peers: &[(IpAddr, Vec<Box<str>>)],
        names: &Names,
        (queues, retention): (&[Queue], &[Retention]),
    ) -> Vec<(IpAddr, QueueId)> {
        let mut clients = Vec::new();
        let Some(raw) = raw else { return clients };
        let may = |address: IpAddr, queue: &Queue| {
            let is_its = |id: &str| {
                let place = names.organisations.places.get(id);
                place.is_some_and(|place| usize::from(*place) == queue.controller.index())
            };
            let lists = |(peer, controllers): &(IpAddr, Vec<Box<str>>)| {
                *peer == address && controllers.iter().any(|id| is_its(id))
            };
            peers.is_empty() || peers.iter().any(lists)
        };
        let span = raw.span();
        for (address, name) in raw.into_inner() {
            let (faults, id) = (self.faults.len(), names.queue(self, &name));
            let remedy = "write `\"10.0.0.5\" = \"region-01\"`, the queue whose calls it records";
            let Some(address) = self.address(&address, span.clone(), remedy) else {
                continue;
            };
            // No queue of that name is a fault already.
            let queue = queues
                .get(id.index())
                .filter(|_| self.faults.len() == faults);
            let Some(queue) = queue else { continue };
            let rules = |rule: &Retention| {
                let its = rule.controller.is_none_or(|it| it == queue.controller);
                its && rule.class == ObjectClass::Audio
            };
            let wrong = if !queue.recording {
                let remedy = "set `recording = true` for that queue, or name another";
                Some(("this queue isn't recorded", remedy))
            } else if !retention.iter().any(rules) {
                let what = "nothing says how long this queue's recordings stay";
                let remedy =
                    "add to [[retention]] what holds for the class `audio` of its controller";
                Some((what, remedy))
            } else if !may(address, queue) {
                let remedy = "add to [recorder.peers] its address with the queue's controller";
                Some(("this client may not record here for it", remedy))
            } else {
                None
            };
            match wrong {
                Some((what, remedy)) => self.fault(name.span(), what, remedy),
                None => clients.push((address, id)),
            }
        }
        clients
    }

    fn address(
        &mut self,
        text: &str,
        span: std::ops::Range<usize>,
        remedy: &str,
    ) -> Option<IpAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            self.fault(span, "a peer is named by its IP address", remedy);
        }
        address
    }
}
