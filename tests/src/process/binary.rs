//! Where treekeeper's binary is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the binary.
const BINARY_VARIABLE: &str = "TREEKEEPER_BINARY";

/// treekeeper's binary: `TREEKEEPER_BINARY`, else the one beside the running test executable.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn treekeeper() -> PathBuf {
    let binary = match std::env::var_os(BINARY_VARIABLE) {
        Some(named) => PathBuf::from(named),
        None => {
            let test = std::env::current_exe().expect("a running test has a path");
            // <target>/release/deps/e2e-… beside <target>/release/treekeeper.
            let release = test
                .ancestors()
                .nth(2)
                .expect("a test lies two folders deep");
            release.join("treekeeper")
        }
    };
    assert!(
        binary.is_file(),
        "there is no server to test at {}: run `make build`, or name the binary in {BINARY_VARIABLE}",
        binary.display()
    );
    binary
}

/// The binary of an older release, which lies beside [`treekeeper`]: it knows only the first rules of apply.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn older() -> PathBuf {
    let binary = treekeeper().with_file_name("treekeeper-rules-1");
    assert!(
        binary.is_file(),
        "there is no older server to test at {}: run `make older`",
        binary.display()
    );
    binary
}

/// A command of treekeeper without what the caller's environment would change about it.
#[must_use]
pub fn command() -> Command {
    command_of(&treekeeper())
}

/// A command of this binary, in the same way.
#[must_use]
pub fn command_of(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .env_remove("TREEKEEPER_LOG")
        .env_remove("TREEKEEPER_SERVER");
    command
}
