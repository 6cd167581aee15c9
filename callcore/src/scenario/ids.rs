//! Ids: places in the lists of a scenario, each list with a type of its own.

macro_rules! index_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u16);

        impl $name {
            /// Its place in the scenario's list, from 0.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index_id!(/** An organisation of the scenario. */ OrgId);
index_id!(/** A route of the scenario. */ RouteId);
index_id!(/** A queue of the scenario. */ QueueId);
index_id!(/** A provider of the scenario. */ ProviderId);
index_id!(/** An announcement of the scenario. */ AnnouncementId);
index_id!(/** An agreement of the scenario. */ AgreementId);

impl ProviderId {
    /// The provider at this place of the scenario's list.
    pub const fn at(place: u16) -> Self {
        Self(place)
    }
}

/// An agent: an answering place of one queue. Numbered through the whole scenario, queue by queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(pub u32);
