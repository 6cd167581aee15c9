//! A sleep whose moment is told anew each time, and moves nearly always on.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// Waits until a moment that every message moves.
///
/// Setting the runtime's timer each time costs more than reading a short message. So it stays where it was set while the
/// moment moves on, and rings too early now and then: whoever waits looks whether something is due, and waits again.
#[derive(Debug)]
pub struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// One that rings at once. Must be made inside a tokio runtime, the one it is waited for in.
    pub fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now())))
    }

    /// Waits until then at the latest. May be dropped and called again with another moment.
    pub async fn until(&mut self, at: Instant) {
        if self.0.is_elapsed() || at < self.0.deadline() {
            self.0.as_mut().reset(at);
        }
        self.0.as_mut().await;
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(5);
    const NEVER: Duration = Duration::from_secs(3600);
    /// Longer than any of this takes on a machine that has much else to do.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn it_rings_at_the_moment_and_when_that_moves_on_where_it_stood() {
        let mut alarm = Alarm::new();
        alarm.until(Instant::now() + NEVER).await;
        let soon = Instant::now() + SOON;
        alarm.until(soon).await;
        assert!(Instant::now() >= soon, "it had rung, so it was set anew");

        let never = timeout(Duration::ZERO, alarm.until(Instant::now() + NEVER)).await;
        assert!(never.is_err());
        let sooner = timeout(PATIENCE, alarm.until(Instant::now() + SOON)).await;
        assert!(sooner.is_ok(), "an earlier moment counts");

        let _waits = timeout(Duration::ZERO, alarm.until(Instant::now() + SOON)).await;
        let later = timeout(PATIENCE, alarm.until(Instant::now() + NEVER)).await;
        assert!(later.is_ok(), "a later one leaves it where it stood");
    }
}
