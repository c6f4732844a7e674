//! What a person gets to read about a wrong configuration.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use treekeeper_tests::process::{Ended, Server, ServerOptions};

/// A zoo.cfg, and a server that reads it.
struct Configured {
    folder: tempfile::TempDir,
    config: PathBuf,
    options: ServerOptions<'static>,
}

impl Configured {
    fn new(lines: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("zoo.cfg");
        std::fs::write(&config, lines.join("\n")).expect("a file can be written");
        let options = ServerOptions::new(folder.path().join("data")).config(&config);
        Self {
            folder,
            config,
            options,
        }
    }

    /// The place of a line, as a message names it.
    fn line(&self, number: u32) -> String {
        format!("{}:{number}: ", self.config.display())
    }

    fn refused(&self) -> Ended {
        let ended = self.options.run_to_end();
        assert_eq!(
            entries(&self.folder.path().join("data")),
            0,
            "a refusal leaves nothing behind"
        );
        ended
    }

    fn start(&self) -> Server {
        self.options.start()
    }
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    let configured = Configured::new(&["# times", "initLimit=10", "tickTime=soon"]);
    let ended = configured.refused();
    ended.assert_failed_with(&[&configured.line(3), "tickTime=soon is not allowed", "give"]);
}

#[test]
fn a_wrong_value_on_the_command_line_is_named_as_it_was_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = ServerOptions::new(folder.path())
        .set("treekeeper.cacheSize", "much")
        .run_to_end();
    ended.assert_failed_with(&["treekeeper.cacheSize=much is not allowed"]);
}

#[test]
fn an_unknown_key_is_a_warning_with_its_line() {
    let configured = Configured::new(&["tickTime=2000", "tickTmie=2000", "somethingElse=1"]);
    let server = configured.start();
    let said = server.stderr();
    let warning = |line: &str, text: &str| {
        said.lines()
            .any(|said| said.contains(" WARN ") && said.contains(line) && said.contains(text))
    };
    assert!(
        warning(&configured.line(2), "did you mean tickTime?"),
        "{said}"
    );
    assert!(
        warning(
            &configured.line(3),
            "somethingElse is not a key that treekeeper knows"
        ),
        "{said}"
    );
    server.stop();
}

#[test]
fn keys_whose_neglect_would_be_unsafe_are_refused() {
    for unsafe_line in [
        "secureClientPort=2281",
        "ssl.keyStore.location=/etc/zookeeper/key.jks",
        "enforce.auth.enabled=true",
        "sessionRequireClientSASLAuth=true",
    ] {
        let configured = Configured::new(&["tickTime=2000", unsafe_line]);
        let (key, _) = unsafe_line.split_once('=').expect("a key and a value");
        let ended = configured.refused();
        let parts = [
            &configured.line(2),
            key,
            "is not supported by treekeeper",
            "unsafe",
        ];
        ended.assert_failed_with(&parts);
    }
}

#[test]
fn a_config_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("nowhere.cfg");
    let ended = ServerOptions::new(folder.path())
        .config(&config)
        .run_to_end();
    ended.assert_failed_with(&["cannot read the config file", &config.display().to_string()]);
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = taken.local_addr().expect("a bound socket has an address");
    let options = ServerOptions::new(folder.path())
        .set("clientPortAddress", "127.0.0.1")
        .port(address.port());
    let ended = options.run_to_end();
    ended.assert_failed_with(&[
        "cannot listen on",
        &address.to_string(),
        "for clients",
        "in use",
    ]);
    drop(taken);
    options.start().stop();
}

#[test]
fn a_server_whose_admin_port_is_in_use_serves_its_clients() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = taken.local_addr().expect("a bound socket has an address");
    let options = ServerOptions::new(folder.path())
        .set("admin.enableServer", true)
        .set("admin.serverAddress", "127.0.0.1")
        .set("admin.serverPort", address.port());
    let server = options.start();
    let said = server.wait_for_line("serving without HTTP commands");
    assert!(said.contains(&address.to_string()), "{said}");
    server.stop();
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ServerOptions::new(folder.path());
    let server = options.with_colours_if_a_terminal().start();
    let said = server.stderr();
    assert!(!said.contains('\x1b'), "{said:?}");
    server.stop();
}
