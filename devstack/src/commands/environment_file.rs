//! Files of settings, for shells and anything else that reads `NAME=value` lines.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::whole_file::write_atomically;
use crate::DevstackError;

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
                "{name} has a value that a shell would not read literally: {value}"
            )));
        }
        let _ = writeln!(content, "{name}={value}");
    }
    Ok(content)
}

/// Makes way for a new file: what an earlier, killed run left behind is removed, so that it is not mistaken for ours.
/// The file of stand-ins that are running stays.
pub(crate) fn claim(file: &Path) -> Result<(), DevstackError> {
    let found = std::fs::read_to_string(file).unwrap_or_default();
    if let Some(endpoint) = living(&found) {
        let file = file.display();
        return Err(DevstackError::Option(format!(
            "{file} belongs to stand-ins that are running at {endpoint}: use them, stop them, or choose another file"
        )));
    }
    remove(file)
}

/// Removes the file that was written, unless somebody has put another one in its place.
pub(crate) fn give_up(file: &Path, variables: &[(String, String)]) -> Result<(), DevstackError> {
    match std::fs::read_to_string(file) {
        Ok(found) if content(variables).is_ok_and(|ours| ours != found) => Ok(()),
        _ => remove(file),
    }
}

/// Where the services of a file are, if somebody listens there.
fn living(content: &str) -> Option<&str> {
    let endpoint = content.lines().find_map(|line| line.strip_prefix("AWS_ENDPOINT_URL="))?;
    let address: SocketAddr = endpoint.strip_prefix("http://")?.parse().ok()?;
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok().map(|_| endpoint)
}

fn remove(file: &Path) -> Result<(), DevstackError> {
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

    #[test]
    fn the_file_of_stand_ins_that_run_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        let running = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = [("AWS_ENDPOINT_URL".to_owned(), format!("http://{}", running.local_addr().unwrap()))];
        let ours = [("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:1".to_owned())];
        claim(&file).unwrap();
        write(&file, &theirs).unwrap();
        assert!(claim(&file).unwrap_err().to_string().contains("that are running"));
        give_up(&file, &ours).unwrap();
        assert!(file.exists(), "it is not ours");
        drop(running);
        claim(&file).unwrap();
        assert!(!file.exists(), "nobody is there any more");
        write(&file, &ours).unwrap();
        give_up(&file, &ours).unwrap();
        assert!(!file.exists());
    }
}
