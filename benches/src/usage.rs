//! What a run costs, read from the kernel's counters.
//!
//! In: the server under load. Out: CPU time of server and load generator, bytes sent to the disk, resident memory. Linux
//! alone.

use std::time::Duration;
use std::{fs, io};

use crate::load::Target;

/// The kernel counts CPU time in `/proc/PID/stat` in hundredths of a second (`USER_HZ`), on every architecture that we
/// build for.
const TICKS_PER_SECOND: u64 = 100;
/// The kernel counts what is written to a device in units of this many bytes, whatever its real sectors are.
const SECTOR_BYTES: u64 = 512;

/// The counters at one moment, or what was used between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all the server's threads, those that ended included.
    pub server_cpu: Duration,
    /// The same for this process, the load generator.
    pub load_cpu: Duration,
    /// Bytes written to the device that holds the server's data, by everybody, the file system's journal included. `None`
    /// when the folder is not on a device that counts.
    pub disk_bytes: Option<u64>,
    /// What the kernel charges the server for. It charges whole folios: a file that was filled in large pieces and is
    /// overwritten in small ones, as a recycled log is, costs up to a megabyte for a write of a few bytes. So the device's
    /// counter is the one to believe.
    pub charged_bytes: u64,
}

impl Usage {
    /// Reads the counters.
    ///
    /// # Errors
    /// When the server is gone or `/proc` does not tell.
    pub fn now(target: Target) -> io::Result<Self> {
        let cpu = |pid| parse_cpu(&fs::read_to_string(format!("/proc/{pid}/stat"))?);
        let io = fs::read_to_string(format!("/proc/{}/io", target.pid))?;
        let (major, minor) = (
            rustix::fs::major(target.device),
            rustix::fs::minor(target.device),
        );
        let device = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
        Ok(Self {
            server_cpu: cpu(target.pid)?,
            load_cpu: cpu(std::process::id())?,
            disk_bytes: device.ok().and_then(|stat| parse_device(&stat)),
            charged_bytes: parse_field(&io, "write_bytes:")?,
        })
    }

    /// The counters of all of `targets` together, which have their data on one device.
    ///
    /// # Errors
    /// When a server is gone or `/proc` does not tell.
    pub fn of_all(targets: &[Target]) -> io::Result<Self> {
        let mut sum = Self::default();
        for &target in targets {
            let one = Self::now(target)?;
            sum = Self {
                server_cpu: sum.server_cpu + one.server_cpu,
                charged_bytes: sum.charged_bytes + one.charged_bytes,
                ..one
            };
        }
        Ok(sum)
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            server_cpu: self.server_cpu.saturating_sub(earlier.server_cpu),
            load_cpu: self.load_cpu.saturating_sub(earlier.load_cpu),
            disk_bytes: self
                .disk_bytes
                .zip(earlier.disk_bytes)
                .map(|(now, then)| now.saturating_sub(then)),
            charged_bytes: self.charged_bytes.saturating_sub(earlier.charged_bytes),
        }
    }
}

/// Resident memory of `pid` in bytes, file pages that it maps included.
///
/// # Errors
/// When the process is gone or `/proc` does not tell.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    Ok(parse_field(
        &fs::read_to_string(format!("/proc/{pid}/status"))?,
        "VmRSS:",
    )? * 1024)
}

fn parse_cpu(stat: &str) -> io::Result<Duration> {
    // The second field is the command in brackets and may hold spaces and brackets itself.
    let after_command = stat.rsplit_once(") ").ok_or_else(|| unreadable("stat"))?.1;
    let mut fields = after_command.split_ascii_whitespace().skip(11);
    let mut ticks = || {
        fields
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .ok_or_else(|| unreadable("stat"))
    };
    let ticks = ticks()? + ticks()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The seventh field of a device's `stat`: sectors written.
fn parse_device(stat: &str) -> Option<u64> {
    let sectors: u64 = stat.split_ascii_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * SECTOR_BYTES)
}

fn parse_field(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| unreadable(name))
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("cannot read {what} in /proc"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_command_with_brackets_and_spaces() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 1 0 100 1000 200 18446744073709551615";
        assert_eq!(parse_cpu(stat).unwrap(), Duration::from_secs(3));
    }

    #[test]
    fn fields_are_found_by_name() {
        let io = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(parse_field(io, "write_bytes:").unwrap(), 4096);
        assert_eq!(
            parse_field("VmRSS:\t    2048 kB\n", "VmRSS:").unwrap(),
            2048
        );
        assert!(parse_field(io, "absent:").is_err());
    }

    #[test]
    fn sectors_written_are_the_seventh_field_of_a_device() {
        assert_eq!(parse_device("  1 2 3 4 5 6 8 9 10\n"), Some(4096));
        assert_eq!(parse_device("1 2 3"), None);
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 100_000);
        let target = Target {
            address: ([127, 0, 0, 1], 1).into(),
            pid,
            device: 0,
        };
        let usage = Usage::now(target).unwrap();
        assert_eq!(usage.server_cpu, usage.load_cpu, "both are this process");
        assert_eq!(usage.disk_bytes, None, "there is no device 0:0");
    }
}
