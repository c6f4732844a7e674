//! How much memory this process may use.

use std::fs;
use std::path::{Path, PathBuf};

/// Assumed when the system does not say.
const UNKNOWN: u64 = 1 << 30;

/// The machine's memory, or the limit of the process's control group, whichever is less.
pub(super) fn available_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .as_deref()
        .and_then(total_of_meminfo);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = limit_files(&groups)
        .iter()
        .filter_map(|file| limit_in(file))
        .min();
    machine.into_iter().chain(group).min().unwrap_or(UNKNOWN)
}

/// `MemTotal` of `/proc/meminfo`.
fn total_of_meminfo(text: &str) -> Option<u64> {
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    kilobytes
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The files that may hold a limit, given `/proc/self/cgroup`: of the process's groups and all groups above them.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let inside = Path::new(group.trim_start_matches('/'));
        files.extend(
            inside
                .ancestors()
                .map(|group| Path::new(mount).join(group).join(file)),
        );
    }
    files
}

/// The limit in a file; none if it says `max` or cannot be read.
fn limit_in(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_some_memory() {
        assert!(available_bytes() > 1 << 20);
    }

    #[test]
    fn meminfo_is_in_kilobytes() {
        assert_eq!(
            total_of_meminfo("MemTotal:       24576 kB\nMemFree: 1 kB\n"),
            Some(24576 * 1024)
        );
        assert_eq!(total_of_meminfo("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn limits_are_looked_for_in_all_groups_above() {
        let files = limit_files("0::/system.slice/treekeeper.service\n");
        let expected = [
            "system.slice/treekeeper.service/memory.max",
            "system.slice/memory.max",
            "memory.max",
        ];
        assert_eq!(
            files,
            expected.map(|file| Path::new("/sys/fs/cgroup").join(file))
        );
        let files = limit_files("9:cpu:/x\n4:memory:/docker\n");
        let expected = ["docker/memory.limit_in_bytes", "memory.limit_in_bytes"];
        assert_eq!(
            files,
            expected.map(|file| Path::new("/sys/fs/cgroup/memory").join(file))
        );
    }
}
