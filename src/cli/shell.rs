//! What a shell and `man` read of the commands: completions and manual pages, made of the same definitions as `--help`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::output::{CliError, print};

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManArgs {
    /// Folder for the pages, one per command
    folder: PathBuf,
}

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "nearline", &mut script);
    let script = String::from_utf8_lossy(&script);
    print(script.trim_end())
}

/// Writes the manual pages.
pub(super) fn man(args: &ManArgs, command: Command) -> Result<(), CliError> {
    let what = args.folder.display().to_string();
    std::fs::create_dir_all(&args.folder).map_err(CliError::io(&what))?;
    clap_mangen::generate_to(command, &args.folder).map_err(CliError::io(&what))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        man(&ManArgs { folder: folder.path().join("man1") }, Cli::command()).unwrap();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "nearline", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                let name = command.get_name();
                assert!(script.contains(name), "{name} in {shell}");
                let page = std::fs::read_to_string(folder.path().join(format!("man1/nearline-{name}.1"))).unwrap();
                assert!(page.contains("SYNOPSIS"), "{page}");
            }
        }
    }
}
