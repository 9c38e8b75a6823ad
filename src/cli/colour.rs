//! Colour for people. What is written through here loses it, and every other escape sequence, unless it goes to a
//! terminal that shows colour and NO_COLOR is unset. JSON never comes this way.

use std::io::Write as _;

pub(super) use clap::builder::styling::Style;
use clap::builder::styling::{AnsiColor, Effects};

use super::output::CliError;

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
pub(super) const QUIET: Style = Style::new().dimmed();
pub(super) const HEADING: Style = Style::new().bold();

pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes painted lines to standard output.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    writeln!(anstream::stdout().lock(), "{text}").map_err(CliError::io("standard output"))
}

/// Writes why a command failed to standard error.
pub(super) fn print_error(error: &CliError) {
    anstream::eprintln!("{} {error}", paint(BAD, "nearline:"));
}
