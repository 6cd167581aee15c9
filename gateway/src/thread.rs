//! The thread that takes calls.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};

/// The thread that takes calls, with a runtime of its own: nothing there waits for anybody else's tasks, and no message
/// costs waking another thread.
pub(crate) struct OwnThread(Option<Runtime>);

impl OwnThread {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self(Some(runtime?)))
    }

    /// Does something that makes sockets which that thread is to wait for.
    pub(crate) fn inside<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_ref().map(Runtime::enter);
        make()
    }

    /// Starts it; what comes out follows when it has ended.
    pub(crate) fn run<T: Send + 'static>(
        mut self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        let (ended, end) = oneshot::channel();
        if let Some(runtime) = self.0.take() {
            let name = "exchange".to_owned();
            let thread = thread::Builder::new().name(name).spawn(move || {
                // Whoever started it may be gone.
                let _ = ended.send(runtime.block_on(task));
            });
            thread?;
        }
        Ok(end)
    }
}

impl Drop for OwnThread {
    /// A start that failed leaves it behind, in a task that may not wait for its end.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
