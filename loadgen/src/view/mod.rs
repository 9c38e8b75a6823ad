//! What is seen of a run while it goes: a screen on a terminal, otherwise a line a second.

mod charts;
mod lines;
mod screen;
mod snapshot;

use std::io::IsTerminal as _;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::snapshot::Watched;
use crate::stop::Stop;

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// A screen that is drawn four times a second; needs a terminal.
    Screen,
    /// A line a second, to standard error.
    Lines,
}

impl View {
    /// A screen if people can see and leave it, unless they asked for `plain` lines.
    pub(crate) fn choose(plain: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && std::io::stdin().is_terminal();
        if terminal && !plain { Self::Screen } else { Self::Lines }
    }

    /// Shows the run until `over`; the terminal is as it was when the task has ended.
    pub(crate) fn show(self, watched: Watched, stop: Stop, over: CancellationToken) -> JoinHandle<()> {
        match self {
            Self::Screen => tokio::task::spawn_blocking(move || screen::show(&watched, &stop, &over)),
            Self::Lines => tokio::spawn(lines::show(watched, over)),
        }
    }
}

#[cfg(test)]
mod tests;
