//! The terminal while a screen has it: taken once, and given back whatever happens.

use std::io::{self, Stderr, stderr};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

/// Whether the terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back, if it was taken.
pub(crate) fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing else can be done for a terminal that does not answer.
        let _ = disable_raw_mode();
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
    }
}

/// Gives the terminal back when dropped, also by a panic.
pub(crate) struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        restore();
    }
}

/// The terminal, for as long as the guard lives. It is not dropped itself: that would panic if the terminal is gone, and
/// the guard shows the cursor.
pub(crate) fn take() -> io::Result<(Taken, ManuallyDrop<Terminal<CrosstermBackend<Stderr>>>)> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let taken = Taken;
    execute!(stderr(), EnterAlternateScreen)?;
    Ok((taken, ManuallyDrop::new(Terminal::new(CrosstermBackend::new(stderr()))?)))
}
