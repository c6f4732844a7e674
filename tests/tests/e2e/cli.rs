//! The client verbs of the command, against a server.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use treekeeper_tests::process::{Server, ServerOptions, binary};

/// A server, and the command that talks to it.
struct Cli {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Cli {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let options = ServerOptions::new(folder.path()).set("4lw.commands.whitelist", "wchs");
        Self {
            server: options.start(),
            _folder: folder,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary::command();
        command.args(arguments);
        command.args(["--server", &self.server.address().to_string()]);
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null());
        command.output().expect("the command can be run")
    }

    /// What a command that succeeds prints.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        assert_eq!(stderr, "", "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same as JSON, in one line.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {text}"))
    }

    /// What a command that fails says, in one line, with exit code 1 and nothing on stdout.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        stderr
    }

    /// A command that goes on, and the lines that it prints.
    fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command can be run");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Running { child, stdout }
    }
}

/// A command that runs until it is interrupted.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("stdout can be read");
        line.trim_end().to_owned()
    }

    /// Ctrl-C, and its exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process id is positive");
        kill_process(pid, Signal::INT).expect("the command runs");
        let status = self.child.wait().expect("a child can be waited for");
        status.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors say that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn znodes_are_created_read_changed_and_deleted() {
    let cli = Cli::new();
    assert_eq!(cli.run(&["ls", "/"]), "zookeeper\n");
    assert_eq!(cli.run(&["create", "/app", "one"]), "/app\n");
    assert_eq!(cli.run(&["get", "/app"]), "one\n");
    assert_eq!(cli.run(&["set", "/app", "two"]), "version 1\n");
    assert_eq!(
        cli.run(&["set", "/app", "three", "--version", "1"]),
        "version 2\n"
    );
    assert_eq!(cli.run(&["get", "/app"]), "three\n");
    let stat = cli.run(&["stat", "/app"]);
    assert!(
        stat.contains("version         2\n") && stat.contains("dataLength      5\n"),
        "{stat}"
    );
    assert_eq!(
        cli.run(&["create", "-s", "/app/part-"]),
        "/app/part-0000000000\n"
    );
    assert_eq!(
        cli.run(&["create", "-s", "/app/part-"]),
        "/app/part-0000000001\n"
    );
    assert_eq!(
        cli.run(&["ls", "-r", "/app"]),
        "/app/part-0000000000\n/app/part-0000000001\n"
    );
    assert_eq!(cli.run(&["children-count", "/app"]), "2\n");
    assert_eq!(cli.run(&["delete", "-r", "/app"]), "deleted 3\n");
    assert_eq!(cli.run(&["ls"]), "zookeeper\n");
}

#[test]
fn json_is_one_value() {
    let cli = Cli::new();
    let created = cli.json(&["create", "/app", "one"]);
    assert_eq!(
        (&created["path"], &created["stat"]["version"]),
        (&json!("/app"), &json!(0))
    );
    assert_eq!(created["stat"]["czxid"], created["stat"]["mzxid"]);
    assert_eq!(cli.json(&["ls", "/"]), json!(["app", "zookeeper"]));
    let read = cli.json(&["get", "/app"]);
    assert_eq!(
        (&read["path"], &read["data"]),
        (&json!("/app"), &json!("one"))
    );
    assert_eq!(read["stat"], created["stat"]);
    let set = cli.json(&["set", "/app", "two"]);
    assert_eq!(set["stat"]["version"], json!(1));
    assert_eq!(cli.json(&["stat", "/app"]), set["stat"]);
    assert_eq!(
        cli.json(&["children-count", "/"]),
        json!(4),
        "/app and the server's own three"
    );
    let acl = cli.json(&["getacl", "/app"]);
    assert_eq!(
        acl["acl"],
        json!([{"perms": 31, "scheme": "world", "id": "anyone"}])
    );
    assert_eq!(
        cli.json(&["delete", "/app"]),
        json!({"path": "/app", "deleted": 1})
    );
}

#[test]
fn data_come_from_stdin_as_they_are() {
    let cli = Cli::new();
    let mut child = cli
        .command(&["create", "/bytes", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the command can be run");
    let bytes = b"\xFF\x00two\nlines";
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(bytes).expect("it reads its stdin");
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(
        cli.output(&["get", "/bytes"]).stdout,
        [&bytes[..], b"\n"].concat()
    );
    assert_eq!(
        cli.json(&["get", "/bytes"])["dataBase64"],
        json!("/wB0d28KbGluZXM=")
    );
}

#[test]
fn failures_are_one_line_and_exit_code_1() {
    let cli = Cli::new();
    assert!(cli.fails(&["get", "/missing"]).contains("/missing"));
    assert!(cli.fails(&["stat", "/missing"]).contains("does not exist"));
    assert!(cli.fails(&["set", "/missing", "x"]).contains("/missing"));
    assert!(cli.fails(&["delete", "/missing"]).contains("/missing"));
    assert!(cli.fails(&["ls", "/missing"]).contains("/missing"));
    assert!(cli.fails(&["get", "no-slash"]).contains("no-slash"));
    cli.run(&["create", "/app"]);
    assert!(cli.fails(&["create", "/app"]).contains("/app"));
    assert!(
        cli.fails(&["set", "/app", "x", "--version", "7"])
            .contains("/app")
    );
    assert!(
        cli.fails(&["delete", "/app", "--version", "7"])
            .contains("/app")
    );
    cli.run(&["create", "/app/child"]);
    assert!(cli.fails(&["delete", "/app"]).contains("/app"));
}

#[test]
fn wrong_arguments_are_exit_code_2() {
    let cli = Cli::new();
    for wrong in [
        &["create"][..],
        &["get", "/", "/more"],
        &["set", "/", "x", "--version", "new"],
        &["create", "/x", "-e", "-c"],
        &["bring", "/"],
    ] {
        let output = cli.output(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_exit_code_1_in_time() {
    let cli = Cli::new();
    let address = cli.server.address().to_string();
    cli.server.kill();
    let mut command = binary::command();
    command.args(["ls", "/", "--timeout", "300ms", "--server", &address]);
    let output = command.output().expect("the command can be run");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains(&address),
        "{output:?}"
    );
}

#[test]
fn the_variable_names_the_server_and_a_chroot() {
    let cli = Cli::new();
    cli.run(&["create", "/app"]);
    cli.run(&["create", "/app/inner", "data"]);
    let mut command = binary::command();
    let server = format!("{}/app", cli.server.address());
    command
        .args(["get", "/inner"])
        .env("TREEKEEPER_SERVER", server);
    let output = command.output().expect("the command can be run");
    assert_eq!(output.stdout, b"data\n", "{output:?}");
}

#[test]
fn acls_protect_and_identities_open() {
    let cli = Cli::new();
    let auth = ["--auth", "digest:user:secret"];
    cli.run(
        &[
            &["create", "/mine", "data", "--acl", "auth::cdrwa"][..],
            &auth,
        ]
        .concat(),
    );
    assert!(cli.fails(&["get", "/mine"]).contains("/mine"));
    assert_eq!(cli.run(&[&["get", "/mine"][..], &auth].concat()), "data\n");
    assert!(
        cli.run(&[&["whoami"][..], &auth].concat())
            .contains("digest:user")
    );
    cli.run(&[&["setacl", "/mine", "world:anyone:r"][..], &auth].concat());
    assert_eq!(cli.run(&["getacl", "/mine"]), "world:anyone:r\n");
    assert_eq!(cli.run(&["get", "/mine"]), "data\n");
}

#[test]
fn a_watch_prints_changes_until_it_is_interrupted() {
    let cli = Cli::new();
    cli.run(&["create", "/app"]);
    let mut text = cli.spawn(&["watch", "-r", "/app"]);
    let mut json = cli.spawn(&["watch", "-r", "/app", "--json"]);
    until_watched(&cli, 2);
    let child = cli.json(&["create", "/app/child", "x"]);
    let zxid = child["stat"]["czxid"].as_i64().expect("a zxid");
    assert_eq!(
        text.line(),
        format!("NodeCreated /app/child zxid={zxid:#x}")
    );
    let event: Value = serde_json::from_str(&json.line()).expect("JSON");
    assert_eq!(
        event,
        json!({"type": "NodeCreated", "path": "/app/child", "zxid": zxid})
    );
    cli.run(&["set", "/app", "y"]);
    assert!(text.line().starts_with("NodeDataChanged /app zxid="));
    cli.run(&["delete", "/app/child"]);
    assert!(text.line().starts_with("NodeDeleted /app/child zxid="));
    assert_eq!(text.interrupt(), Some(0));
    assert_eq!(json.interrupt(), Some(0));
}

/// Waits until the server counts so many watches.
fn until_watched(cli: &Cli, watches: u32) {
    let expected = format!("Total watches:{watches}");
    let deadline = std::time::Instant::now() + treekeeper_tests::process::server::PATIENCE;
    while !four_letter_word(cli, "wchs").contains(&expected) {
        assert!(
            std::time::Instant::now() < deadline,
            "{}",
            four_letter_word(cli, "wchs")
        );
    }
}

fn four_letter_word(cli: &Cli, word: &str) -> String {
    let mut stream = std::net::TcpStream::connect(cli.server.address()).expect("it listens");
    stream.write_all(word.as_bytes()).expect("it reads");
    std::io::read_to_string(stream).expect("it answers")
}

#[test]
fn an_ephemeral_lives_as_long_as_the_command() {
    let cli = Cli::new();
    let mut holder = cli.spawn(&["create", "-e", "/here", "me"]);
    assert_eq!(holder.line(), "/here");
    let listed = cli.json(&["ephemerals", "/"]);
    assert_eq!(listed[0]["path"], json!("/here"), "{listed}");
    let owner = cli.json(&["stat", "/here"])["ephemeralOwner"].as_i64();
    assert_eq!(
        listed[0]["session"],
        json!(format!("{:#x}", owner.expect("an owner")))
    );
    assert_eq!(holder.interrupt(), Some(0));
    assert!(cli.fails(&["stat", "/here"]).contains("does not exist"));
}

#[test]
fn a_pipe_that_is_closed_early_is_no_failure() {
    let cli = Cli::new();
    let mut child = cli
        .command(&["ls", "-r", "/"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be run");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (output.status.code(), &output.stderr[..]),
        (Some(0), &b""[..])
    );
}
