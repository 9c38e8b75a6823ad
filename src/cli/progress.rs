//! Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere.
//!
//! Rate and remaining time are those of the work that is done now: what an earlier run had done comes in no time.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between plain lines.
const LINE_PERIOD: Duration = Duration::from_secs(2);

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    /// `None`: unknown.
    total: Option<usize>,
    /// When the first piece of this run was done, and how many were done in this run then.
    first: Cell<Option<(Instant, usize)>>,
    last_line: Cell<Instant>,
}

impl Progress {
    pub(super) fn new(what: &'static str, total: usize) -> Self {
        Self::of(what, Some(total))
    }

    /// Of work of unknown length.
    pub(super) fn counting(what: &'static str) -> Self {
        Self::of(what, None)
    }

    fn of(what: &'static str, total: Option<usize>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let (bar, template) = match total {
                Some(total) => (ProgressBar::new(total as u64), "{prefix} {bar:40} {pos}/{len} {msg}"),
                None => (ProgressBar::no_length(), "{prefix} {pos} {msg}"),
            };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style).with_prefix(what)
        });
        Self { bar, what, total, first: Cell::new(None), last_line: Cell::new(Instant::now()) }
    }

    pub(super) fn set(&self, done: usize) {
        self.set_both(done, done);
    }

    /// `done` in all, of which `now` in this run.
    pub(super) fn set_both(&self, done: usize, now: usize) {
        if self.first.get().is_none() && now > 0 {
            self.first.set(Some((Instant::now(), now)));
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(self.pace(done, now));
            }
            None if self.last_line.get().elapsed() >= LINE_PERIOD => {
                let total = self.total.map_or(String::new(), |total| format!("/{total}"));
                eprintln!("{} {done}{total} {}", self.what, self.pace(done, now));
                self.last_line.set(Instant::now());
            }
            None => {}
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn pace(&self, done: usize, now: usize) -> String {
        let Some((began, first)) = self.first.get() else { return String::new() };
        let rate = (now - first) as f64 / began.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
        if now == first {
            return String::new();
        }
        match self.total {
            Some(total) => {
                let left = Duration::from_secs((total.saturating_sub(done) as f64 / rate).ceil() as u64);
                format!("{rate:.0}/s, {} left", indicatif::HumanDuration(left))
            }
            None => format!("{rate:.0}/s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_run_did_makes_no_pace() {
        let progress = Progress::new("embedding", 1_000);
        progress.set_both(900, 0);
        assert_eq!(progress.pace(900, 0), "");
        progress.first.set(Some((Instant::now().checked_sub(Duration::from_secs(10)).unwrap(), 1)));
        assert_eq!(progress.pace(911, 11), "1/s, 2 minutes left");
    }
}
