//! Files of settings, for shells and for whoever reads `NAME=value` lines.

use std::fmt::Write as _;
use std::path::Path;

use devstack::DevstackError;

use super::write_atomically;

/// Writes the settings; readers see all of them or none.
pub(crate) fn write(file: &Path, variables: &[(String, String)]) -> Result<(), DevstackError> {
    write_atomically(file, content(variables)?.as_bytes())
}

/// `NAME=value` lines that a shell and a plain line parser read alike, which holds for values without special
/// characters only.
fn content(variables: &[(String, String)]) -> Result<String, DevstackError> {
    let mut content = String::new();
    for (name, value) in variables {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
        if !value.chars().all(plain) {
            return Err(DevstackError::Option(format!(
                "{name} has a value that a shell would not read as it is: {value}"
            )));
        }
        let _ = writeln!(content, "{name}={value}");
    }
    Ok(content)
}

/// Also before starting: nobody may take what an earlier, killed run left behind for ours.
pub(crate) fn remove(file: &Path) -> Result<(), DevstackError> {
    match std::fs::remove_file(file) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(DevstackError::File { action: "remove", path: file.into(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_a_line_for_each_setting() {
        let variables = [("A".into(), "http://127.0.0.1:1/x_y".into()), ("B".into(), "s3://b/p".into())];
        assert_eq!(content(&variables).unwrap(), "A=http://127.0.0.1:1/x_y\nB=s3://b/p\n");
    }

    #[test]
    fn a_value_that_a_shell_would_change_is_refused() {
        assert!(content(&[("A".into(), "a b".into())]).is_err());
        assert!(content(&[("A".into(), "$HOME".into())]).is_err());
    }
}
