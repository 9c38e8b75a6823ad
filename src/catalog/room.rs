//! Whether there is memory for another catalog beside the one that serves.
//!
//! A process that takes more than its limit is ended without a word. So whoever loads a newer catalog asks before: the
//! limit of its control group, that of Lambda, and what the machine has left; the least of them counts.

use std::fs::read_to_string;
use std::path::Path;

use super::error::CatalogError;

/// What a limit says that is none: in version 1 of control groups a number near this.
const NO_LIMIT: u64 = 1 << 60;

/// Where the system says what it has.
const ROOT: &str = "/";

/// Memory that this process may still take, in bytes; `None`: nothing says so. `function`: what Lambda gives the
/// function.
pub(super) fn left(function: Option<u64>) -> Option<u64> {
    left_by(Path::new(ROOT), function)
}

/// Checks that `needed` bytes are left.
///
/// # Errors
/// [`CatalogError::NoRoom`], which says how much there would have to be.
pub(super) fn check(needed: u64, left: Option<u64>) -> Result<(), CatalogError> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    match left {
        Some(left) if left < needed => {
            let (needed, left) = (mib(needed), mib(left));
            Err(CatalogError::NoRoom(format!(
                "it takes {needed} MiB beside the one that serves, {left} MiB are left: give the process {} MiB more, \
                 or start new ones with it",
                needed - left
            )))
        }
        _ => Ok(()),
    }
}

fn left_by(root: &Path, function: Option<u64>) -> Option<u64> {
    let number = |file: &str| read_to_string(root.join(file)).ok()?.trim().parse::<u64>().ok();
    let field = |file: &str, name: &str| {
        let text = read_to_string(root.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    // What files are cached in counts as used, and goes when it is needed.
    let group = |limit: &str, used: &str, stat: &str, cached: &str| {
        let limit = number(limit).filter(|&limit| limit < NO_LIMIT)?;
        let used = number(used)?.saturating_sub(field(stat, cached).unwrap_or(0));
        Some(limit.saturating_sub(used))
    };
    let version_2 = group(
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/memory.current",
        "sys/fs/cgroup/memory.stat",
        "inactive_file ",
    );
    let version_1 = group(
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/memory.usage_in_bytes",
        "sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file ",
    );
    let machine = field("proc/meminfo", "MemAvailable").map(|kib| kib * 1_024);
    let of_function =
        function.and_then(|limit| Some(limit.saturating_sub(field("proc/self/status", "VmRSS")? * 1_024)));
    [version_2, version_1, machine, of_function].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_least_of_all_limits_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let put = |file: &str, text: &str| {
            let path = root.join(file);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, text).unwrap();
        };
        assert_eq!(left_by(root, None), None);
        put("proc/meminfo", "MemTotal:  900000 kB\nMemAvailable:   524288 kB\n");
        assert_eq!(left_by(root, None), Some(512 * MIB));
        put("proc/self/status", "Name: bootstrap\nVmRSS:\t  102400 kB\n");
        assert_eq!(left_by(root, Some(300 * MIB)), Some(200 * MIB));
        put("sys/fs/cgroup/memory.max", "max\n");
        put("sys/fs/cgroup/memory.current", "1\n");
        assert_eq!(left_by(root, None), Some(512 * MIB));
        put("sys/fs/cgroup/memory.max", &(200 * MIB).to_string());
        put("sys/fs/cgroup/memory.current", &(150 * MIB).to_string());
        put("sys/fs/cgroup/memory.stat", &format!("anon 5\ninactive_file {}\n", 50 * MIB));
        assert_eq!(left_by(root, None), Some(100 * MIB));
        put("sys/fs/cgroup/memory/memory.limit_in_bytes", &(64 * MIB).to_string());
        put("sys/fs/cgroup/memory/memory.usage_in_bytes", &(60 * MIB).to_string());
        assert_eq!(left_by(root, None), Some(4 * MIB));
        put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        assert_eq!(left_by(root, None), Some(100 * MIB));
    }

    #[test]
    fn what_does_not_fit_says_by_how_much() {
        check(5, None).unwrap();
        check(5, Some(5)).unwrap();
        let message = check(300 * MIB, Some(100 * MIB)).unwrap_err().to_string();
        assert!(message.contains("takes 300 MiB") && message.contains("200 MiB more"), "{message}");
    }
}
