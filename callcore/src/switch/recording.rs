//! The recordings of bridged calls: begun, confirmed, lost, resumed.

use super::{
    Driver, Switch,
    call::{Call, Recording, RegionalStage, Way},
    io::{CallId, FactKind, Output},
};
use crate::time::Time;

impl<D: Driver> Switch<D> {
    pub(super) fn recording_started(&mut self, now: Time, id: CallId) -> bool {
        let running = self
            .recording(id)
            .is_some_and(|recording| *recording == Recording::Running);
        if running {
            self.fact(now, id, FactKind::Recording);
        }
        running
    }

    pub(super) fn recording_lost(&mut self, now: Time, id: CallId) -> bool {
        let Some(recording @ Recording::Running) = self.recording(id) else {
            return false;
        };
        *recording = Recording::Lost;
        self.counts.recording_gaps += 1;
        self.fact(now, id, FactKind::RecordingGap);
        true
    }

    /// A recording that was lost while it was held is not asked for before the conversation goes on.
    pub(super) fn held(&mut self, id: CallId) -> bool {
        let Some(recording) = self.recording(id) else {
            return false;
        };
        let running = *recording == Recording::Running;
        if running || *recording == Recording::Lost {
            *recording = Recording::Paused;
        }
        if running {
            self.driver.carry_out(Output::StopRecording(id));
        }
        true
    }

    pub(super) fn resumed(&mut self, now: Time, id: CallId) -> bool {
        let paused = self
            .recording(id)
            .is_some_and(|recording| *recording == Recording::Paused);
        if paused {
            self.start_recording(now, id);
        }
        paused
    }

    pub(super) fn transferred(&mut self, now: Time, id: CallId) -> bool {
        let Some(recording) = self.recording(id).map(|recording| *recording) else {
            return false;
        };
        if recording == Recording::Running {
            self.driver.carry_out(Output::StopRecording(id));
        }
        if matches!(recording, Recording::Running | Recording::Paused) {
            self.start_recording(now, id);
        }
        true
    }

    pub(super) fn recorder_back(&mut self, now: Time) -> bool {
        let lost = |call: &Call| match &call.way {
            Way::Regional(call) => {
                matches!(
                    call.stage,
                    RegionalStage::Talking {
                        recording: Recording::Lost,
                        ..
                    }
                )
            }
            Way::Outgoing(_) => false,
        };
        let lacking: Vec<CallId> = self
            .calls
            .in_order()
            .into_iter()
            .filter(|call| lost(call))
            .map(|call| call.head.id)
            .collect();
        for id in lacking {
            self.start_recording(now, id);
        }
        true
    }

    pub(super) fn start_recording(&mut self, now: Time, id: CallId) {
        let Some(Call {
            head,
            way: Way::Regional(call),
        }) = self.calls.get_mut(&id)
        else {
            return;
        };
        let scenario = head.scenario(&self.scenario);
        let permit = call.recording_permit(head, scenario, now, &mut self.floors);
        let wanted = permit.is_some() || call.is_to_be_recorded(head, scenario);
        let RegionalStage::Talking { recording, .. } = &mut call.stage else {
            return;
        };
        match permit {
            Some(permit) => {
                *recording = Recording::Running;
                self.counts.recordings += 1;
                self.driver.carry_out(Output::StartRecording(id, permit));
            }
            // A recording that should be there and isn't is a gap, whatever the reason.
            None if wanted => {
                self.counts.recording_gaps += 1;
                self.fact(now, id, FactKind::RecordingGap);
            }
            None => {}
        }
    }

    fn recording(&mut self, id: CallId) -> Option<&mut Recording> {
        match &mut self.regional(id)?.stage {
            RegionalStage::Talking { recording, .. } => Some(recording),
            _ => None,
        }
    }
}
