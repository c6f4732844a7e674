//! The suites on disk.
//!
//! In: a folder. Out: its suites, sorted by name. Not here: running them (`run`).

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A client library's cases: a folder with an executable `run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// The folder's name.
    pub name: String,
    /// The executable that builds and runs the cases.
    pub run: PathBuf,
    /// Lines of zoo.cfg that its server needs beside those of every suite, from the folder's own zoo.cfg.
    pub settings: String,
}

/// Finds every suite below `root`.
///
/// # Errors
/// When the folder cannot be read.
pub fn discover(root: &Path) -> io::Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let run = entry.path().join("run");
        if run
            .metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        {
            suites.push(Suite {
                name: entry.file_name().to_string_lossy().into_owned(),
                run,
                settings: read_if_there(&entry.path().join("zoo.cfg"))?,
            });
        }
    }
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(suites)
}

fn read_if_there(file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_an_executable_run_is_a_suite() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (name, mode) in [("b", 0o755), ("a", 0o755), ("notes", 0o644)] {
            let folder = root.path().join(name);
            fs::create_dir(&folder).expect("a new folder");
            fs::write(folder.join("run"), "#!/bin/sh\n").expect("a new file");
            fs::set_permissions(folder.join("run"), fs::Permissions::from_mode(mode))
                .expect("our own file");
        }
        fs::create_dir(root.path().join("empty")).expect("a new folder");
        fs::write(root.path().join("a/zoo.cfg"), "tickTime=1\n").expect("a new file");

        let suites: Vec<_> = discover(root.path())
            .expect("a readable folder")
            .into_iter()
            .map(|suite| (suite.name, suite.settings))
            .collect();
        assert_eq!(
            suites,
            [
                ("a".to_owned(), "tickTime=1\n".to_owned()),
                ("b".to_owned(), String::new())
            ]
        );
    }
}
