//! The environment of the process, under the names of Java's properties.

use super::version::full_version;
use std::env;
use std::fs;

/// What Java says of a property that it has not got.
const NOT_AVAILABLE: &str = "<NA>";

/// All keys of `envi` in ZooKeeper's order. What only a Java process has is not available.
pub(super) fn environment() -> Vec<(&'static str, String)> {
    let kernel = |file| {
        fs::read_to_string(format!("/proc/sys/kernel/{file}")).map(|text| text.trim().to_owned())
    };
    let variable = |name| env::var(name).unwrap_or_else(|_| NOT_AVAILABLE.to_owned());
    let none = || NOT_AVAILABLE.to_owned();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    vec![
        ("zookeeper.version", full_version()),
        ("host.name", kernel("hostname").unwrap_or_else(|_| none())),
        ("java.version", none()),
        ("java.vendor", none()),
        ("java.home", none()),
        ("java.class.path", none()),
        ("java.library.path", none()),
        ("java.io.tmpdir", env::temp_dir().display().to_string()),
        ("java.compiler", none()),
        (
            "os.name",
            if cfg!(target_os = "linux") {
                "Linux".to_owned()
            } else {
                env::consts::OS.to_owned()
            },
        ),
        (
            "os.arch",
            if cfg!(target_arch = "x86_64") {
                "amd64".to_owned()
            } else {
                env::consts::ARCH.to_owned()
            },
        ),
        ("os.version", kernel("osrelease").unwrap_or_else(|_| none())),
        ("user.name", variable("USER")),
        ("user.home", variable("HOME")),
        (
            "user.dir",
            env::current_dir().map_or_else(|_| none(), |path| path.display().to_string()),
        ),
        ("os.memory.free", megabytes(&memory, "MemAvailable:")),
        ("os.memory.max", megabytes(&memory, "MemTotal:")),
        ("os.memory.total", megabytes(&memory, "MemTotal:")),
    ]
}

/// A line of `/proc/meminfo`, as in `200MB`.
fn megabytes(meminfo: &str, name: &str) -> String {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.map_or_else(
        || NOT_AVAILABLE.to_owned(),
        |kilobytes| format!("{}MB", kilobytes / 1024),
    )
}
