//! A control group of the kernel (cgroup) in which a server runs: what it takes is counted, and may be limited.
//!
//! In: a limit. Out: memory in use, and whether the kernel had to kill somebody. Both versions of control groups; where
//! neither can be used (no permission, no controller), nobody can be measured so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

/// How the groups of this program are called; their process id follows.
const NAME: &str = "treekeeper-bench-";

/// A group; it is removed when this is dropped, and must be empty by then.
#[derive(Debug)]
pub struct MemoryGroup {
    folder: PathBuf,
    version: Version,
}

/// The two interfaces of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// A hierarchy for memory alone.
    One,
    /// One hierarchy for everything.
    Two,
}

impl MemoryGroup {
    /// Makes a group whose processes may have `limit_bytes` together, page cache included; as much as they like with `None`.
    ///
    /// # Errors
    /// When no hierarchy counts memory, or this process may not add a group to it.
    pub fn create(limit_bytes: Option<u64>) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut refused = io::Error::new(io::ErrorKind::NotFound, "no control group counts memory");
        for (parent, version) in parents(&mounts, &own) {
            remove_abandoned(&parent);
            match Self::create_in(&parent, version, limit_bytes) {
                Ok(group) => return Ok(group),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn create_in(parent: &Path, version: Version, limit_bytes: Option<u64>) -> io::Result<Self> {
        let folder = parent.join(format!("{NAME}{}", process::id()));
        fs::create_dir(&folder)?;
        let group = Self { folder, version };
        // Without the controller the files are missing, and the group is removed again.
        group.in_use_bytes()?;
        if let Some(bytes) = limit_bytes {
            let bytes = bytes.to_string();
            match version {
                Version::One => fs::write(group.folder.join("memory.limit_in_bytes"), &bytes)?,
                Version::Two => {
                    fs::write(group.folder.join("memory.max"), &bytes)?;
                    // Missing without swap; with it, the limit would only move memory there.
                    let _ = fs::write(group.folder.join("memory.swap.max"), "0");
                }
            }
            if version == Version::One {
                // Missing where the kernel does not count swap.
                let _ = fs::write(group.folder.join("memory.memsw.limit_in_bytes"), &bytes);
            }
        }
        Ok(group)
    }

    /// The file to which a process writes its id to be in the group.
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Memory that cannot be taken back, in bytes: anonymous and shared pages, and the kernel's own for these processes.
    /// Pages of files are not counted: the kernel drops them when somebody needs memory.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn in_use_bytes(&self) -> io::Result<u64> {
        let stat = self.read("memory.stat")?;
        match self.version {
            Version::One => {
                let kernel = self.number("memory.kmem.usage_in_bytes")?;
                Ok(field(&stat, "total_rss")? + field(&stat, "total_shmem")? + kernel)
            }
            Version::Two => {
                let kernel = field(&stat, "kernel").or_else(|_| {
                    // Before Linux 5.18 only its parts are told.
                    Ok::<_, io::Error>(field(&stat, "slab")? + field(&stat, "kernel_stack")?)
                })?;
                Ok(field(&stat, "anon")? + field(&stat, "shmem")? + kernel)
            }
        }
    }

    /// The most that was ever counted, pages of files included; `None` where the kernel does not keep it.
    pub fn peak_bytes(&self) -> Option<u64> {
        let name = match self.version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        };
        self.number(name).ok()
    }

    /// Whether the kernel had to kill a process of the group to stay within the limit.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn has_killed(&self) -> io::Result<bool> {
        let name = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        Ok(field(&self.read(name)?, "oom_kill")? > 0)
    }

    fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.folder.join(name))
    }

    fn number(&self, name: &str) -> io::Result<u64> {
        self.read(name)?
            .trim()
            .parse()
            .map_err(|_| io::Error::other(format!("{name} is no number")))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A group with processes stays, and is removed by the next bench.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The places where a group may be made: the root of a hierarchy, and the group of this process.
fn parents(mounts: &str, own: &str) -> Vec<(PathBuf, Version)> {
    let mut parents = Vec::new();
    for mount in mounts.lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        let [_, point, kind, options, ..] = fields[..] else {
            continue;
        };
        let (version, controllers) = match kind {
            "cgroup" if options.split(',').any(|option| option == "memory") => {
                (Version::One, "memory")
            }
            "cgroup2" => (Version::Two, ""),
            _ => continue,
        };
        parents.push((PathBuf::from(point), version));
        let group = own.lines().find_map(|line| {
            let (listed, path) = line.split_once(':')?.1.split_once(':')?;
            let is_it = listed.split(',').any(|listed| listed == controllers);
            is_it.then_some(path)
        });
        if let Some(group) = group.filter(|group| *group != "/") {
            let below = Path::new(point).join(group.trim_start_matches('/'));
            parents.push((below, version));
        }
    }
    // Where both are mounted, memory is counted by the first version or not at all.
    parents.sort_by_key(|(_, version)| *version == Version::Two);
    parents
}

/// Removes what a bench that was killed has left behind.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(NAME));
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            // Another bench may have been faster.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn field(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("the control group does not tell {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_by_its_own_hierarchy_where_there_is_one() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
            cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n";
        let own = "4:memory:/a/b\n1:cpu:/\n0::/\n";
        assert_eq!(
            parents(mounts, own),
            [
                (PathBuf::from("/sys/fs/cgroup/memory"), Version::One),
                (PathBuf::from("/sys/fs/cgroup/memory/a/b"), Version::One),
                (PathBuf::from("/sys/fs/cgroup/unified"), Version::Two),
            ]
        );
    }

    #[test]
    fn the_second_version_offers_the_root_and_the_own_group() {
        let mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(
            parents(mounts, "0::/user.slice\n"),
            [
                (PathBuf::from("/sys/fs/cgroup"), Version::Two),
                (PathBuf::from("/sys/fs/cgroup/user.slice"), Version::Two),
            ]
        );
        assert!(parents("", "").is_empty());
    }

    #[test]
    fn fields_are_whole_words() {
        let stat = "anon_thp 7\nanon 4096\n";
        assert_eq!(field(stat, "anon").unwrap(), 4096);
        assert!(field(stat, "shmem").is_err());
    }
}
