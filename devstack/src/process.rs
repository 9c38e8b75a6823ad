//! A child process in a process group of its own, ended as a whole: when stopped, when dropped, and also when this
//! process is killed without a chance to clean up.
//!
//! The last needs a helper: a shell that holds the reading end of a pipe whose writing end only we have. When the pipe
//! closes, for whatever reason, it kills the group. (Linux could do without, by the parent-death signal, but that ends
//! only the child itself, and setting it before exec takes unsafe code.)

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use crate::DevstackError;

/// Reads the group's id, then waits for the end of its input.
const WATCHDOG: &str = "read -r group || exit 0; read -r end; kill -KILL \"-$group\"";

/// A running process group.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    child: Child,
    group: Pid,
    /// Our end of the watchdog's pipe, which closes with us.
    watchdog: ChildStdin,
}

impl ProcessGroup {
    /// Starts the command as the leader of a new process group. `hint` says what to do if that fails.
    pub(crate) async fn spawn(mut command: Command, hint: &'static str) -> Result<Self, DevstackError> {
        let failed = |program: String| move |source| DevstackError::Spawn { program, hint, source };
        // Both in groups of their own: Ctrl-C in a terminal must reach us alone, who then stop them in order.
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed("sh".into()))?;
        let pipe = watchdog.stdin.take().expect("stdin was asked to be a pipe");
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).stdin(Stdio::null()).spawn().map_err(failed(program.clone()))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("the child was not waited for");
        let group_line = format!("{}\n", group.as_raw_nonzero());
        let mut started = Self { child, group, watchdog: pipe };
        // A watchdog that is already gone would leave the group unwatched: better not to run at all (drop kills it).
        started.watchdog.write_all(group_line.as_bytes()).await.map_err(failed(program))?;
        Ok(started)
    }

    /// The leader's process id.
    pub(crate) fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits until the leader has ended; the rest of the group may still run.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks the whole group to end, gives its leader `grace` to do so, then kills what is left. How the leader ended.
    pub(crate) async fn stop(mut self, grace: Duration) -> Option<ExitStatus> {
        if !grace.is_zero() {
            self.signal(Signal::TERM);
        }
        let ended = tokio::time::timeout(grace, self.child.wait()).await;
        self.signal(Signal::KILL);
        let status = match ended {
            Ok(status) => status,
            Err(_) => self.child.wait().await,
        };
        status.ok()
    }

    fn signal(&self, signal: Signal) {
        // An error means that nobody is left to receive it.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // Also without `stop`, and also what the leader left behind. The watchdog then finds nobody.
        self.signal(Signal::KILL);
    }
}
