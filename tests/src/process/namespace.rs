//! A mount namespace of its own: file systems that nobody else sees and that go away with it.
//!
//! As root it is one of the system's; otherwise one of a user namespace, in which we are root. A process inside keeps
//! it alive until the [`Namespace`] is dropped, or its owner dies.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ways to get a mount namespace, tried in this order.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

/// A mount namespace.
#[derive(Debug)]
pub struct Namespace {
    /// `cat`, which ends when its stdin does.
    keeper: Child,
    enter: Vec<String>,
}

impl Namespace {
    /// A new one, in which `folder` is an empty file system in memory.
    ///
    /// # Panics
    /// When the system gives none: it needs root, or user namespaces that are not forbidden.
    #[must_use]
    pub fn with_tmpfs(folder: &Path, size: &str) -> Self {
        let mut complaints = String::new();
        for way in WAYS {
            match Self::open(way) {
                Ok(namespace) => {
                    let options = format!("size={size}");
                    namespace.mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], folder);
                    return namespace;
                }
                Err(complaint) => complaints.push_str(&complaint),
            }
        }
        panic!(
            "no mount namespace to be had, neither as root nor with a user namespace:\n{complaints}"
        );
    }

    fn open(way: &[&str]) -> Result<Self, String> {
        let mut keeper = Command::new("unshare")
            .args(way)
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}\n"))?;
        // What comes back was said inside: the namespace is there.
        let said = keeper
            .stdin
            .as_mut()
            .expect("stdin is piped")
            .write_all(b".");
        let heard = keeper
            .stdout
            .as_mut()
            .expect("stdout is piped")
            .read_exact(&mut [0]);
        if said.and(heard).is_ok() {
            let mut enter = vec![
                "--target".to_owned(),
                keeper.id().to_string(),
                "--mount".to_owned(),
            ];
            if way.contains(&"--user") {
                enter.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
            }
            return Ok(Self { keeper, enter });
        }
        let output = keeper
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A command that runs inside.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(&self.enter).arg("--").arg(program);
        command
    }

    /// Changes the options of the file system in memory at `folder`.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn remount(&self, options: &str, folder: &Path) {
        // With its source named, mount does not repeat the present options, one of which is a user id that means
        // nothing in a user namespace.
        self.mount(&["-o", &format!("remount,{options}"), "tmpfs"], folder);
    }

    fn mount(&self, arguments: &[&str], folder: &Path) {
        let output = self
            .command(Path::new("mount"))
            .args(arguments)
            .arg(folder)
            .output()
            .expect("nsenter can be run");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "mount {arguments:?} {}: {complaint}",
            folder.display()
        );
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Errors say that it is gone already.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
