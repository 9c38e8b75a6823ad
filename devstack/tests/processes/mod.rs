//! Whether processes are still there.

use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

/// A zombie counts as ended: all that is missing is its parent's interest.
pub(crate) fn is_running(process: u32) -> bool {
    let pid = Pid::from_raw(process.cast_signed()).expect("a process id is not zero");
    let zombie = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')));
    test_kill_process(pid).is_ok() && !zombie
}

/// Waits until the process is gone.
#[allow(dead_code, reason = "not every test file needs it")]
pub(crate) async fn ended(process: u32) {
    for _ in 0..500 {
        if !is_running(process) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("process {process} still runs after 10 s");
}
