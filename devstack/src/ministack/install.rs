//! Installs `MiniStack` into its own virtual environment, once for each list of pinned packages and each Python.
//!
//! The folder's name is a hash of both, so a changed pin never meets an old installation. A lock file lets one process
//! install while others wait, and a marker file written last tells a whole installation from an interrupted one
//! (virtual environments cannot be moved, so building elsewhere and renaming would not do).

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::tail::last_lines;
use crate::DevstackError;

const REQUIREMENTS: &str = include_str!("../../requirements.txt");
const MARKER: &str = "complete";
const PYTHON_HINT: &str = "devstack runs MiniStack, which needs Python 3.10 or newer as `python3`";
/// One line each: version, and where the interpreter lives. Fails without the modules that make an environment.
const PROBE: &str = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3]); print(sys.base_prefix)";

/// The interpreter of an environment that has `MiniStack`, installed now if necessary. Blocks.
pub(super) fn python() -> Result<PathBuf, DevstackError> {
    let folder = cache_folder(|name| std::env::var_os(name).map(PathBuf::from))?;
    install_into(&folder, REQUIREMENTS)
}

fn install_into(cache: &Path, requirements: &str) -> Result<PathBuf, DevstackError> {
    let python = probe()?;
    let key = key(requirements, &python);
    let environment = cache.join(format!("ministack-{key}"));
    let interpreter = environment.join("bin/python");
    let marker = environment.join(MARKER);
    if marker.exists() {
        return Ok(interpreter);
    }
    fs::create_dir_all(cache).map_err(DevstackError::file("create", cache))?;
    let lock_path = cache.join(format!("ministack-{key}.lock"));
    let lock = File::create(&lock_path).map_err(DevstackError::file("create", &lock_path))?;
    // Held until the file is dropped, and given back by the system if this process dies.
    lock.lock().map_err(DevstackError::file("lock", &lock_path))?;
    if marker.exists() {
        return Ok(interpreter);
    }
    let version = requirements.lines().find_map(|line| line.strip_prefix("ministack==")).unwrap_or_default();
    eprintln!("devstack: installing MiniStack {version} into {} (once, about 10 s)", environment.display());
    let list = cache.join(format!("ministack-{key}.txt"));
    fs::write(&list, requirements).map_err(DevstackError::file("write", &list))?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    // Without dependencies: the list is whole, and nothing else may come in.
    run(Command::new(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--requirement"])
        .arg(&list))?;
    File::create(&marker).map_err(DevstackError::file("create", &marker))?;
    Ok(interpreter)
}

/// `$DEVSTACK_HOME`, or `nearline-devstack` in the user's cache folder.
fn cache_folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, DevstackError> {
    let set = |name| variable(name).filter(|path| !path.as_os_str().is_empty());
    let folder = set("DEVSTACK_HOME")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("nearline-devstack")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/nearline-devstack")))
        .ok_or(DevstackError::NoCacheFolder)?;
    // Commands run in other folders.
    std::path::absolute(&folder).map_err(DevstackError::file("find", folder))
}

/// Version and place of `python3`, after checking that it can do what is needed.
fn probe() -> Result<String, DevstackError> {
    let mut command = Command::new("python3");
    command.args(["-c", PROBE]);
    let answer = run(&mut command).map_err(|error| match error {
        DevstackError::Install { command, output } if output.contains("No module named") => DevstackError::Install {
            command,
            output: format!("{output}; install Python's venv module (Debian and Ubuntu: apt install python3-venv)"),
        },
        other => other,
    })?;
    let mut version = answer.split('.').map_while(|part| part.parse::<u32>().ok());
    if (version.next(), version.next()) < (Some(3), Some(10)) {
        let version = answer.lines().next().unwrap_or_default();
        return Err(DevstackError::PythonTooOld { version: version.into() });
    }
    Ok(answer)
}

/// Runs a command to its end; its standard output, or an error with what it printed.
fn run(command: &mut Command) -> Result<String, DevstackError> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Another Python's modules must not get in.
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    let output = command.output().map_err(|source| DevstackError::Spawn { program, hint: PYTHON_HINT, source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).trim().to_owned();
    Err(DevstackError::Install {
        command: format!("{command:?}"),
        output: if printed.is_empty() { output.status.to_string() } else { last_lines(&printed, 10) },
    })
}

fn key(requirements: &str, python: &str) -> String {
    let digest = Sha256::new().chain_update(requirements).chain_update([0]).chain_update(python).finalize();
    digest.iter().take(6).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned() {
        for line in REQUIREMENTS.lines().filter(|line| !line.starts_with('#')) {
            let (name, version) = line.split_once("==").unwrap_or_else(|| panic!("{line} has no version"));
            assert!(!name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()), "{line}");
        }
    }

    #[test]
    fn another_list_or_python_gets_another_folder() {
        assert_eq!(key("a==1", "3.11"), key("a==1", "3.11"));
        assert_ne!(key("a==1", "3.11"), key("a==2", "3.11"));
        assert_ne!(key("a==1", "3.11"), key("a==1", "3.12"));
    }

    #[test]
    fn the_cache_folder_is_the_first_that_is_set() {
        let with = |set: &'static [(&str, &str)]| {
            cache_folder(move |name| set.iter().find(|(set, _)| *set == name).map(|(_, path)| path.into()))
        };
        assert_eq!(with(&[("DEVSTACK_HOME", "/d"), ("HOME", "/h")]).unwrap(), Path::new("/d"));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x/nearline-devstack"));
        assert_eq!(with(&[("DEVSTACK_HOME", ""), ("HOME", "/h")]).unwrap(), Path::new("/h/.cache/nearline-devstack"));
        assert!(matches!(with(&[]), Err(DevstackError::NoCacheFolder)));
    }

    #[test]
    fn an_interrupted_installation_is_done_again_and_two_at_once_install_one() {
        let cache = tempfile::tempdir().unwrap();
        // No packages: this is about the folder, and must not need a network.
        let folder = cache.path().join(format!("ministack-{}", key("", &probe().unwrap())));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("half-done"), "").unwrap();
        let install = || install_into(cache.path(), "").unwrap();
        let (one, two) = std::thread::scope(|scope| {
            let one = scope.spawn(install);
            let two = scope.spawn(install);
            (one.join().unwrap(), two.join().unwrap())
        });
        assert_eq!(one, two);
        assert!(one.exists() && folder.join(MARKER).exists() && !folder.join("half-done").exists());
    }
}
