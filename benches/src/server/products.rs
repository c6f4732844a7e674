//! Which servers there are, and the settings that all of them get.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::limit::echo::EchoOptions;
use crate::load::frame::SESSION_TIMEOUT_MS;

/// A kind of server.
#[derive(Clone, Debug)]
pub struct Product {
    name: String,
    program: Program,
    /// Further lines of zoo.cfg.
    settings: Vec<String>,
    /// The list of processes of the control group in which it runs.
    group: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Program {
    ZooKeeper { class_path: String, heap_mb: u32 },
    Treekeeper { binary: PathBuf },
    Echo(EchoReplies),
    Quorum,
    Shell(String),
}

/// The replies of an [`crate::limit::echo`], and whether its writes are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EchoReplies {
    /// Bytes that a getData returns.
    pub value_bytes: usize,
    /// Children that a getChildren returns.
    pub children: u64,
    /// Whether writes go through a group fdatasync.
    pub durable: bool,
}

/// The replies of an echo whose writes pass consensus.
const QUORUM_REPLIES: EchoReplies = EchoReplies {
    value_bytes: 100,
    children: 100,
    durable: true,
};

/// The name of Apache ZooKeeper in tables and on the command line.
pub const ZOOKEEPER: &str = "zookeeper";
/// The name of treekeeper in tables and on the command line.
pub const TREEKEEPER: &str = "treekeeper";
/// treekeeper's setting for the lines with a small cache.
pub const SMALL_CACHE: &str = "treekeeper.cacheSize=64000000";

impl Product {
    /// Apache ZooKeeper as `zkServer.sh start` runs it, but for its JMX agent: `-Xmx` is `heap_mb` (its own default is 1000).
    pub fn zookeeper(class_path: String, heap_mb: u32, settings: Vec<String>) -> Self {
        Self {
            name: ZOOKEEPER.to_owned(),
            program: Program::ZooKeeper {
                class_path,
                heap_mb,
            },
            settings,
            group: None,
        }
    }

    /// treekeeper from `binary`.
    pub fn treekeeper(binary: PathBuf, settings: Vec<String>) -> Self {
        Self {
            name: TREEKEEPER.to_owned(),
            program: Program::Treekeeper { binary },
            settings,
            group: None,
        }
    }

    /// Any server: `command` is run by the shell, with `{config}`, `{data}`, `{address}` and `{port}` filled in.
    pub fn shell(name: String, command: String, settings: Vec<String>) -> Self {
        Self {
            name,
            program: Program::Shell(command),
            settings,
            group: None,
        }
    }

    /// The limit: this very program as an echo.
    pub fn echo(replies: EchoReplies) -> Self {
        let name = if replies.durable {
            "echo with fdatasync"
        } else {
            "echo"
        };
        Self {
            name: name.to_owned(),
            program: Program::Echo(replies),
            settings: Vec::new(),
            group: None,
        }
    }

    /// The limit of writes: this very program as an echo whose writes pass consensus, alone or one of an ensemble.
    pub fn quorum() -> Self {
        Self {
            name: "echo with consensus".to_owned(),
            program: Program::Quorum,
            settings: Vec::new(),
            group: None,
        }
    }

    /// How it is called in tables and on the command line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a reader must know of it.
    pub fn describe(&self) -> String {
        let settings = if self.settings.is_empty() {
            String::new()
        } else {
            format!(", {}", self.settings.join(", "))
        };
        let program = match &self.program {
            Program::ZooKeeper {
                class_path,
                heap_mb,
            } => {
                format!(
                    "Apache ZooKeeper as zkServer.sh runs it, -Xmx{heap_mb}m, from {class_path}"
                )
            }
            Program::Treekeeper { binary } => binary.display().to_string(),
            Program::Echo(replies) => format!("{replies:?}"),
            Program::Quorum => format!("{QUORUM_REPLIES:?}"),
            Program::Shell(line) => line.clone(),
        };
        format!("{}: {program}{settings}", self.name)
    }

    /// The heap of its JVM in MB; `None` for who has no JVM.
    pub fn heap_mb(&self) -> Option<u32> {
        match self.program {
            Program::ZooKeeper { heap_mb, .. } => Some(heap_mb),
            _ => None,
        }
    }

    /// The same product with another heap; the same without one.
    #[must_use]
    pub fn with_heap_mb(mut self, mb: u32) -> Self {
        if let Program::ZooKeeper { heap_mb, .. } = &mut self.program {
            *heap_mb = mb;
        }
        self
    }

    /// The same product with one more line of zoo.cfg.
    #[must_use]
    pub fn with_setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// The same product in the control group with this list of processes.
    #[must_use]
    pub fn in_group(mut self, processes: PathBuf) -> Self {
        self.group = Some(processes);
        self
    }

    /// The configuration, the same for every server. All that is not named has its default, fsync (on) above all.
    pub(super) fn zoo_cfg(&self, data: &Path, address: SocketAddr, admin: SocketAddr) -> String {
        let own = format!(
            "clientPortAddress={}\nclientPort={}\nadmin.serverAddress={}\nadmin.serverPort={}\n",
            address.ip(),
            address.port(),
            admin.ip(),
            admin.port(),
        );
        self.zoo_cfg_with(data, &own)
    }

    /// The same for a member of an ensemble, whose `servers` are the lines `server.N`; they hold the client ports.
    pub(super) fn member_zoo_cfg(&self, data: &Path, servers: &str) -> String {
        let own = format!("initLimit=10\nsyncLimit=5\nadmin.enableServer=false\n{servers}");
        self.zoo_cfg_with(data, &own)
    }

    fn zoo_cfg_with(&self, data: &Path, own: &str) -> String {
        let mut text = format!(
            "tickTime=2000\ndataDir={}\nmaxClientCnxns=0\nmaxSessionTimeout={SESSION_TIMEOUT_MS}\n{own}",
            data.display()
        );
        for line in &self.settings {
            writeln!(text, "{line}").expect("a string takes any text");
        }
        text
    }

    pub(super) fn command(&self, folder: &Path, address: SocketAddr) -> Command {
        let command = self.own_command(folder, address);
        let Some(processes) = &self.group else {
            return command;
        };
        // It joins before it is the server, so that nothing of it is counted elsewhere.
        let mut joined = Command::new("sh");
        joined
            .args(["-c", r#"echo $$ > "$0" && exec "$@""#])
            .arg(processes)
            .arg(command.get_program())
            .args(command.get_args());
        joined
    }

    fn own_command(&self, folder: &Path, address: SocketAddr) -> Command {
        let config = folder.join("zoo.cfg");
        match &self.program {
            Program::ZooKeeper {
                class_path,
                heap_mb,
            } => {
                let mut command = Command::new("java");
                command
                    .arg(format!("-Xmx{heap_mb}m"))
                    .args([
                        "-XX:+HeapDumpOnOutOfMemoryError",
                        "-XX:OnOutOfMemoryError=kill -9 %p",
                    ])
                    .args([
                        "-cp",
                        class_path,
                        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                    ])
                    .arg(config);
                command
            }
            Program::Treekeeper { binary } => {
                let mut command = Command::new(binary);
                command.args(["serve", "--config"]).arg(config);
                command
            }
            Program::Echo(replies) => echo(*replies, None, folder, address),
            Program::Quorum => echo(QUORUM_REPLIES, Some(config), folder, address),
            Program::Shell(line) => {
                let line = line
                    .replace("{config}", &config.display().to_string())
                    .replace("{data}", &folder.join("data").display().to_string())
                    .replace("{address}", &address.to_string())
                    .replace("{port}", &address.port().to_string());
                let mut command = Command::new("sh");
                // Without exec, the shell's CPU time and memory would be measured.
                command.args(["-c", &format!("exec {line}")]);
                command
            }
        }
    }
}

fn echo(
    replies: EchoReplies,
    consensus: Option<PathBuf>,
    folder: &Path,
    address: SocketAddr,
) -> Command {
    let options = EchoOptions {
        listen: address,
        value_bytes: replies.value_bytes,
        children: replies.children,
        results: 10,
        log: replies.durable.then(|| folder.join("data").join("log")),
        consensus,
    };
    let mut command = Command::new("/proc/self/exe");
    command.args(options.to_args());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_server_gets_its_address_and_folder() {
        let product = Product::shell(
            "other".to_owned(),
            "other -p {port} -d {data} {config}".to_owned(),
            Vec::new(),
        );
        let command = product.command(Path::new("/f"), "127.0.0.1:7".parse().unwrap());
        let line = command.get_args().last().unwrap().to_str().unwrap();
        assert_eq!(line, "exec other -p 7 -d /f/data /f/zoo.cfg");
    }

    #[test]
    fn in_a_group_the_same_command_is_run_by_a_process_that_has_joined_it() {
        let product = Product::treekeeper(PathBuf::from("/bin/t"), Vec::new());
        let address = "127.0.0.1:7".parse().unwrap();
        let alone = product.command(Path::new("/f"), address);
        let joined = product
            .in_group(PathBuf::from("/g/cgroup.procs"))
            .command(Path::new("/f"), address);
        let joined: Vec<_> = joined.get_args().skip(2).collect();
        assert_eq!(joined[..2], ["/g/cgroup.procs", "/bin/t"]);
        assert_eq!(joined[2..], alone.get_args().collect::<Vec<_>>());
    }

    #[test]
    fn settings_end_the_configuration() {
        let product =
            Product::treekeeper(PathBuf::from("t"), vec!["a=1".to_owned()]).with_setting("b=2");
        let address = "127.0.0.1:7".parse().unwrap();
        let text = product.zoo_cfg(Path::new("/d"), address, address);
        assert!(text.starts_with("tickTime=2000\ndataDir=/d\n"), "{text}");
        assert!(text.ends_with("a=1\nb=2\n"), "{text}");
    }
}
