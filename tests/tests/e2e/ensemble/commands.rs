//! `treekeeper status` and `treekeeper member`, as people and scripts call them.

use std::process::{Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use treekeeper_tests::process::server::PATIENCE;
use treekeeper_tests::process::{Ensemble, Mode, ServerOptions, binary};

use super::{OPEN, start_waiting};

/// Runs a command against these servers.
fn run(servers: &str, arguments: &[&str]) -> Output {
    let mut command = binary::command();
    command.args(arguments).args(["--server", servers]);
    let output = command.stdin(Stdio::null()).output();
    output.expect("the command can be run")
}

/// What a command prints that ends with this exit code and nothing on stderr.
#[track_caller]
fn prints(servers: &str, arguments: &[&str], code: i32) -> String {
    let output = run(servers, arguments);
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr)
        ),
        (Some(code), "".into()),
        "{arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).expect("text")
}

/// The same as JSON.
#[track_caller]
fn json_of(servers: &str, arguments: &[&str], code: i32) -> Value {
    let text = prints(servers, &[arguments, &["--json"]].concat(), code);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error} in {text}"))
}

/// The line on stderr of a command that fails.
#[track_caller]
fn fails(servers: &str, arguments: &[&str]) -> String {
    let output = run(servers, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    stderr
}

/// Numbers and roles of a list of members.
fn roles(list: &Value) -> Vec<(u64, String)> {
    let members = list["members"].as_array().expect("a list");
    let role = |member: &Value| {
        let id = member["id"].as_u64().expect("a number");
        (id, member["role"].as_str().expect("a role").to_owned())
    };
    members.iter().map(role).collect()
}

/// Roles of the members 1, 2, … as `member list` has them.
fn expected(roles: &[&str]) -> Vec<(u64, String)> {
    (1..)
        .zip(roles.iter().map(|role| (*role).to_owned()))
        .collect()
}

#[test]
fn status_shows_every_member_and_what_is_wrong() {
    let mut ensemble = Ensemble::start(3);
    let leader = ensemble.leader();
    let leader_address = ensemble.address(leader).to_string();
    let one = ensemble.connect_string_of(&[1]);
    let text = prints(&one, &["status"], 0);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("address "), "{text}");
    assert_eq!(text.matches(" follower ").count(), 2, "{text}");
    assert_eq!(
        lines[4],
        format!("3 servers, led by {leader_address}; all serve")
    );

    let status = json_of(&one, &["status"], 0);
    assert_eq!(status["leader"], json!(leader_address));
    assert_eq!(status["ok"], json!(true));
    let servers = status["servers"].as_array().expect("a list");
    assert_eq!(servers.len(), 3, "{status}");
    assert!(
        servers
            .iter()
            .all(|server| server["znodes"].is_u64() && server["zxid"].is_i64()),
        "{status}"
    );

    let others = ensemble.others(leader);
    ensemble.kill(others[0]);
    let text = prints(&ensemble.connect_string_of(&[leader]), &["status"], 1);
    let dead = ensemble.address(others[0]);
    assert!(
        text.ends_with(&format!(
            "3 servers, led by {leader_address}; {dead} is unreachable\n"
        )),
        "{text}"
    );

    ensemble.kill(leader);
    ensemble.wait_until_leaderless(others[1]);
    let text = prints(&ensemble.connect_string(), &["status"], 1);
    let last = text.lines().last().expect("a line");
    assert!(last.starts_with("no leader: "), "{text}");
    assert_eq!(last.matches(" is unreachable").count(), 2, "{text}");
}

#[test]
fn a_server_that_stands_alone_has_a_status_and_no_members() {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let server = ServerOptions::new(folder.path()).start();
    let address = server.address().to_string();
    // Wherever in the tree the connect string begins.
    let text = prints(&format!("{address}/nowhere"), &["status"], 0);
    assert!(text.contains(" standalone "), "{text}");
    assert!(
        text.ends_with("1 server, standalone; it serves\n"),
        "{text}"
    );
    assert!(fails(&address, &["member", "list"]).contains("stands alone"));
    assert!(fails(&address, &["member", "remove", "1"]).contains("stands alone"));
    server.kill();
    let text = prints(&address, &["status"], 1);
    assert!(
        text.ends_with(&format!("no leader: {address} is unreachable\n")),
        "{text}"
    );
}

#[test]
fn members_are_listed_added_promoted_and_removed() {
    let mut ensemble = Ensemble::prepare(3, 1);
    let lines: Vec<_> = ensemble.lines().lines().map(str::to_owned).collect();
    let (three, line) = (lines[..3].join("\n"), lines[3].as_str());
    for id in [1, 2, 3] {
        ensemble.write_config(id, &format!("{OPEN}{three}\n"));
        ensemble.start_member(id);
    }
    ensemble.settle();
    let servers = ensemble.connect_string_of(&[1, 2, 3]);
    let text = prints(&format!("{servers}/nowhere"), &["member", "list"], 0);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines[1].starts_with("1   participant  127.0.0.1:"),
        "{text}"
    );
    assert!(lines[4].starts_with("version 0x1"), "{text}");
    let before = json_of(&servers, &["member", "list"], 0);
    assert_eq!(roles(&before), expected(&["participant"; 3]));

    let early = fails(&servers, &["member", "add", line]);
    assert!(early.contains("start the new server first"), "{early}");
    start_waiting(&mut ensemble, 4);
    let added = json_of(&servers, &["member", "add", line], 0);
    let with_observer = expected(&["participant", "participant", "participant", "observer"]);
    assert_eq!(roles(&added), with_observer);
    assert!(added["version"].as_i64() > before["version"].as_i64());
    until_mode(&ensemble, 4, Mode::Observer);

    let promoted = json_of(&servers, &["member", "promote", "4"], 0);
    assert_eq!(roles(&promoted), expected(&["participant"; 4]));
    assert!(fails(&servers, &["member", "promote", "4"]).contains("has a vote already"));

    // Through those that stay.
    let leader = ensemble.leader();
    let stay = ensemble.connect_string_of(&[leader]);
    let leaving = ensemble.others(leader)[0];
    let removed = json_of(&stay, &["member", "remove", &leaving.to_string()], 0);
    let ids: Vec<_> = roles(&removed).into_iter().map(|(id, _)| id).collect();
    assert!(
        ids.len() == 3 && !ids.contains(&u64::try_from(leaving).expect("small")),
        "{removed}"
    );
    let gone = fails(&stay, &["member", "remove", &leaving.to_string()]);
    assert!(gone.contains("is no member"), "{gone}");
}

#[test]
fn refusals_say_what_to_do() {
    let mut ensemble = Ensemble::prepare(2, 0);
    for id in ensemble.ids() {
        ensemble.write_config(id, &format!("reconfigEnabled=true\n{}", ensemble.lines()));
        ensemble.start_member(id);
    }
    ensemble.settle();
    let servers = ensemble.connect_string();
    let refused = fails(&servers, &["member", "remove", "2"]);
    assert!(refused.contains("--auth"), "{refused}");

    let closed = Ensemble::start(2);
    let refused = fails(&closed.connect_string(), &["member", "remove", "2"]);
    assert!(refused.contains("reconfigEnabled=true"), "{refused}");

    for wrong in [
        &["member", "add", "host:1:2"][..],
        &["member", "remove", "x"],
        &["member"],
    ] {
        let output = run(&servers, wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
}

/// Waits until a member says that it is this.
#[track_caller]
fn until_mode(ensemble: &Ensemble, id: usize, mode: Mode) {
    let deadline = Instant::now() + PATIENCE;
    while ensemble.mode(id) != Some(mode) {
        assert!(
            Instant::now() < deadline,
            "member {id} is {:?} instead of {mode:?}",
            ensemble.mode(id)
        );
    }
}
