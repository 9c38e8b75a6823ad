//! Asks before something happens that many will feel.

use std::io::{IsTerminal, Write};

use crate::cli::output::CliError;

/// Whether somebody is there to be asked.
pub(in crate::cli) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks on the terminal.
///
/// # Errors
/// The answer is not yes.
pub(in crate::cli) fn ask(question: &str) -> Result<(), CliError> {
    let terminal = CliError::io("the terminal");
    let mut answer = String::new();
    let asked = write!(std::io::stderr(), "{question} [y/N] ").and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.map_err(terminal)?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(());
    }
    Err(CliError::Other("nothing was done".to_owned()))
}
