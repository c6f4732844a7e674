//! What a reader must know about the machine before believing a number.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// Facts about the machine at the beginning of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Model of the processor.
    pub processor: String,
    /// Memory in 10⁹ bytes.
    pub memory_gb: f64,
    /// Release of the kernel.
    pub kernel: String,
    /// File system and device of the folder that is measured.
    pub disk: String,
    /// Processes that ran or waited in the last minute, on average: what others took from the measurement.
    pub load_average: f64,
    /// Version of the Java runtime; empty without one.
    pub java: String,
}

impl Machine {
    /// Looks at this machine; what cannot be read stays empty.
    pub fn here(folder: &Path) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let memory_kb: f64 = field(&read("/proc/meminfo"), "MemTotal")
            .parse()
            .unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            memory_gb: (memory_kb * 1024.0 / 1e8).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            disk: disk(&read("/proc/mounts"), folder),
            load_average: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or_default(),
            java: java(),
        }
    }

    /// One line.
    pub fn describe(&self) -> String {
        let Self {
            disk, load_average, ..
        } = self;
        format!("{}, load average {load_average}", self.on(disk))
    }

    /// The same without what only its owner knows: no device, no load.
    pub fn describe_to_others(&self) -> String {
        self.on(self.disk.split(' ').next().unwrap_or_default())
    }

    fn on(&self, disk: &str) -> String {
        let Self {
            cores,
            processor,
            memory_gb,
            kernel,
            java,
            ..
        } = self;
        format!("{cores} cores of {processor}, {memory_gb} GB, Linux {kernel}, {disk}, {java}")
    }

    /// Whether others were at work, so that absolute values mean little.
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    pub fn is_busy(&self) -> bool {
        self.load_average > 0.5 * self.cores as f64
    }
}

fn field(text: &str, name: &str) -> String {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value
        .unwrap_or_default()
        .trim()
        .trim_end_matches(" kB")
        .to_owned()
}

/// The file system whose mount point is the longest beginning of `folder`.
fn disk(mounts: &str, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mount = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields.len() > 2 && folder.starts_with(fields[1]))
        .max_by_key(|fields| fields[1].len());
    mount
        .map(|fields| format!("{} on {}", fields[2], fields[0]))
        .unwrap_or_default()
}

fn java() -> String {
    let output = Command::new("java").arg("-version").output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
        .unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_the_longest_mount_point_above_the_folder() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev tmpfs rw 0 0\n/dev/b /data xfs rw 0 0\n";
        assert_eq!(disk(mounts, Path::new("/data/bench")), "xfs on /dev/b");
        assert_eq!(disk(mounts, Path::new("/database")), "ext4 on /dev/a");
    }

    #[test]
    fn fields_are_read_without_their_unit() {
        assert_eq!(
            field("MemTotal:       16 kB\nMemFree: 3 kB\n", "MemTotal"),
            "16"
        );
        assert_eq!(field("model name\t: A CPU\n", "model name"), "A CPU");
        assert_eq!(field("", "model name"), "");
    }
}
