//! Place and expected wait, put together from recorded words and said to a waiting caller.

use callcore::{speech::Spoken, switch::CallId};

use super::Exchange;

impl Exchange {
    pub(super) fn speak(&mut self, id: CallId, spoken: Spoken) {
        let clip = self.library.spoken(&spoken);
        if let Some(media) = self.calls.get_mut(&id).and_then(|call| call.media.as_mut()) {
            media.play_once(clip);
        }
    }
}
