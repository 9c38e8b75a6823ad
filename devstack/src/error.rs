//! Why something of the stack could not start or had to give up. Each message says what happened, to what, and what
//! to do; faults that the stand-ins inject on purpose are never errors here.

use std::path::PathBuf;

/// A failure of the stand-ins themselves.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevstackError {
    /// A server could not listen. Start it on another port.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port asked for; 0 means any free one.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}{}", if hint.is_empty() { String::new() } else { format!("; {hint}") })]
    Spawn {
        /// The program's name or path.
        program: String,
        /// What to do about it.
        hint: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// No home for the virtual environment.
    #[error("no cache folder: set DEVSTACK_HOME, XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// `python3` cannot run `MiniStack`.
    #[error("MiniStack needs Python 3.10 or newer, and `python3` is {version}: put a newer one first on the PATH")]
    PythonTooOld {
        /// The version found.
        version: String,
    },
    /// `MiniStack` could not be installed.
    #[error("cannot install MiniStack: `{command}` failed: {output}")]
    Install {
        /// The command that failed.
        command: String,
        /// The end of what it printed.
        output: String,
    },
    /// Each port that was free when chosen was taken a moment later.
    #[error("MiniStack found no port: {attempts} free ones were taken before it could listen; try again")]
    NoPort {
        /// How many were tried.
        attempts: usize,
    },
    /// `MiniStack` did not become ready.
    #[error("MiniStack {what}; its log is {}{}", log.display(), if tail.is_empty() { String::new() } else { format!(" and ends with:\n{tail}") })]
    MiniStack {
        /// What went wrong.
        what: String,
        /// The log, kept for reading.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// An AWS call, answered by the stand-ins or by AWS, failed.
    #[error("{call} failed: {message}")]
    Aws {
        /// The operation and what it was for.
        call: String,
        /// The service's answer, with its causes.
        message: String,
    },
    /// The demo did not end as it should.
    #[error("{0}")]
    Demo(String),
    /// An option's value, or two together, are not allowed: wrong usage.
    #[error("{0}")]
    Option(String),
    /// The function cannot be kept running.
    #[error("the function cannot be kept running: {what}")]
    Function {
        /// How its last process ended.
        what: String,
    },
    /// The system does not let us hear signals.
    #[error("cannot listen for SIGTERM and SIGINT: {source}")]
    Signals {
        /// What the system said.
        source: std::io::Error,
    },
    /// The bootstrap ended, reported a failed start, or never asked for work.
    #[error("{} {what}", bootstrap.display())]
    Bootstrap {
        /// The executable.
        bootstrap: PathBuf,
        /// What it did.
        what: String,
    },
}

impl DevstackError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// An SDK error's own text is only "service error": the causes say what was wrong.
    pub(crate) fn aws(call: impl Into<String>, error: &dyn std::error::Error) -> Self {
        Self::Aws { call: call.into(), message: causes(error) }
    }
}

/// An error with all its causes, on one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
