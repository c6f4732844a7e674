//! Which ensemble the `server.N` lines make, and what is said about them.

use super::*;

const THREE: &str = "server.1=a:1:2\nserver.2=b:1:2;2182\nserver.3=c:1:2\n";
const LIMITS: &str = "initLimit=10\nsyncLimit=5\n";

/// A folder whose zoo.cfg has itself as dataDir, a client port and `lines`, which begin on line 3; and a `myid`.
fn member(my_id: &str, lines: &str) -> Folder {
    let folder = Folder::with("");
    let data_dir = folder.0.path().display();
    let text = format!("dataDir={data_dir}\nclientPort=2181\n{lines}");
    fs::write(folder.path("zoo.cfg"), text).expect("written");
    fs::write(folder.path("myid"), my_id).expect("written");
    folder
}

fn error(my_id: &str, lines: &str) -> String {
    let folder = member(my_id, lines);
    folder.said(&folder.load().expect_err(lines))
}

fn notices(my_id: &str, lines: &str) -> Vec<String> {
    let folder = member(my_id, lines);
    let (_, notices) = folder
        .load()
        .unwrap_or_else(|error| panic!("{lines}: {error}"));
    notices.iter().map(|notice| folder.said(notice)).collect()
}

#[test]
fn sessions_of_one_member_alone_are_for_ensembles() {
    let all = "readonlymode.enabled=true\nlocalSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true\n";
    let folder = member("3\n", &format!("{THREE}{LIMITS}{all}"));
    let (config, said) = folder.load().expect("right");
    assert_eq!(said, []);
    let SessionSettings {
        local,
        upgrading,
        read_only_mode,
    } = config.sessions;
    assert!(local && upgrading && read_only_mode);

    let folder = member("3\n", all);
    let (config, said) = folder.load().expect("right");
    assert_eq!(config.sessions, SessionSettings::default());
    assert_eq!(said.len(), 2, "{said:?}");

    let useless = notices(
        "3\n",
        &format!("{THREE}{LIMITS}localSessionsUpgradingEnabled=true"),
    );
    assert_eq!(
        useless,
        [
            "zoo.cfg:8: localSessionsUpgradingEnabled=true means nothing without localSessionsEnabled=true"
        ]
    );
}

#[test]
fn all_members_are_read() {
    let lines = "server.10=[::1]:2888:3888|h:1:2:observer;2181\n";
    let folder = member("3\n", &format!("tickTime=500\n{THREE}{lines}{LIMITS}"));
    let (config, notices) = folder.load().expect("right");
    assert_eq!(notices, []);
    let ensemble = config.ensemble.expect("several members");
    assert_eq!(ensemble.my_id, 3);
    assert_eq!(ensemble.init_limit, Duration::from_secs(5));
    assert_eq!(ensemble.sync_limit, Duration::from_millis(2500));
    let written: Vec<_> = ensemble.members.values().map(Member::line).collect();
    assert_eq!(
        written,
        [
            "server.1=a:1:2:participant",
            "server.2=b:1:2:participant;0.0.0.0:2182",
            "server.3=c:1:2:participant",
            "server.10=[::1]:2888:3888|h:1:2:observer;0.0.0.0:2181",
        ]
    );
    assert!(ensemble.members.iter().all(|(id, member)| *id == member.id));
}

#[test]
fn one_server_alone_is_no_ensemble_and_needs_no_myid() {
    assert_eq!(load(MINIMAL).ensemble, None);
    let config = load(&format!("{MINIMAL}server.1=h:1:2\n"));
    assert_eq!(config.ensemble, None);
}

#[test]
fn the_own_line_gives_the_client_port() {
    let (config, _) = member("1", &format!("{THREE}{LIMITS}"))
        .load()
        .expect("right");
    assert_eq!(config.client.address, any(2181));
    assert_eq!(
        error("2", &format!("{THREE}{LIMITS}")),
        "zoo.cfg:4: the client port 2182 contradicts clientPort=2181: give one of them"
    );
    let lines = format!("{THREE}{LIMITS}clientPort=\n");
    let (config, _) = member("2", &lines).load().expect("right");
    assert_eq!(config.client.address, any(2182));
    assert!(
        error("1", &lines).starts_with("clientPort is not set: "),
        "its own line gives none"
    );
}

#[test]
fn myid_names_one_of_the_lines() {
    let lines = format!("{THREE}{LIMITS}");
    for my_id in ["1", " 1 \n", "01\n", "1\r\nanything"] {
        let (config, _) = member(my_id, &lines).load().expect(my_id);
        assert_eq!(config.ensemble.map(|ensemble| ensemble.my_id), Some(1));
    }
    let wanted = "with several server.N lines this file must hold the N of this server, which is one of 1, 2, 3";
    for (my_id, first) in [
        ("", "\"\""),
        ("x", "\"x\""),
        ("4\n", "\"4\""),
        ("-1", "\"-1\""),
        ("256", "\"256\""),
    ] {
        assert_eq!(
            error(my_id, &lines),
            format!("myid begins with {first}: {wanted}")
        );
    }
    let folder = member("1", &lines);
    fs::remove_file(folder.path("myid")).expect("removed");
    assert_eq!(
        folder.said(&folder.load().expect_err("no myid")),
        format!("myid cannot be read (No such file or directory (os error 2)): {wanted}")
    );
}

#[test]
fn an_ensemble_needs_its_limits() {
    assert_eq!(
        error("1", &format!("{THREE}syncLimit=5\n")),
        "initLimit is not set: with several servers it must say how many ticks one of them may take to catch up with \
         the leader; add initLimit=10 to the config file"
    );
    assert_eq!(
        error("1", &format!("{THREE}initLimit=10\n")),
        "syncLimit is not set: with several servers it must say how many ticks one of them may be out of touch with \
         the others; add syncLimit=5 to the config file"
    );
    assert_eq!(
        error("1", &format!("{THREE}initLimit=0\nsyncLimit=5\n")),
        "zoo.cfg:6: initLimit=0 is not allowed: give a whole number of ticks from 1 to 2147483647"
    );
}

#[test]
fn lines_that_make_no_ensemble_are_refused() {
    for (lines, expected) in [
        (
            "server.1=a:1:2\nserver.2=A:1:3",
            "zoo.cfg:4: server.2 has the address A:1 of server.1: give every server one of its own",
        ),
        (
            "server.9=[::1]:1:2\nserver.10=h:1:2|[::1]:1:4",
            "zoo.cfg:4: server.10 has the address [::1]:1 of server.9: give every server one of its own",
        ),
        (
            "server.1=a:1:2\nserver.01=b:1:2",
            "zoo.cfg:4: server.01 is the same server as server.1",
        ),
        (
            "server.1=a:1:2:observer\nserver.2=b:1:2:observer",
            "zoo.cfg:3: all servers are observers, and there is nobody they could follow",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1",
            "zoo.cfg:4: server.2=b:1 is not allowed: give \
             host:quorumPort:electionPort[:participant|observer][|more of these][;[clientHost:]clientPort]",
        ),
        (
            "server.1=a:1:2\nserver.256=b:1:2",
            "zoo.cfg:4: server.256=b:1:2 is not allowed: give server.N with N from 0 to 255 as the key",
        ),
    ] {
        assert_eq!(error("1", &format!("{lines}\n{LIMITS}")), expected);
    }
}

#[test]
fn servers_on_one_host_differ_by_their_ports() {
    let lines = "server.1=h:1:2\nserver.2=h:3:4\nserver.3=h:5:6\n";
    assert_eq!(notices("1", &format!("{lines}{LIMITS}")), [""; 0]);
}

#[test]
fn a_number_of_voters_that_tolerates_little_is_a_warning() {
    for (lines, expected) in [
        (
            "server.1=a:1:2\nserver.2=b:1:2:observer\n",
            "zoo.cfg:4: with 1 participant the failure of that server stops the ensemble: it takes at least 3 to \
             tolerate one",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1:2\n",
            "zoo.cfg:4: with 2 participants the failure of either stops the ensemble: it takes at least 3 to tolerate \
             one",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2:observer\n",
            "zoo.cfg:7: 4 participants tolerate no more failures than 3: consider an odd number",
        ),
    ] {
        assert_eq!(notices("1", &format!("{lines}{LIMITS}")), [expected]);
    }
}

#[test]
fn the_line_decides_on_the_role() {
    let lines = format!("{THREE}server.4=d:1:2:observer\n{LIMITS}");
    for (my_id, peer_type, contradicted) in [
        ("1", "participant", None),
        ("4", "OBSERVER", None),
        (
            "1",
            "observer",
            Some("server.1, which makes this server a participant"),
        ),
        (
            "4",
            "participant",
            Some("server.4, which makes this server an observer"),
        ),
    ] {
        let said = notices(my_id, &format!("{lines}peerType={peer_type}\n"));
        let expected: Vec<_> = contradicted
            .iter()
            .map(|what| {
                format!("zoo.cfg:9: peerType={peer_type} contradicts {what}: that line wins")
            })
            .collect();
        assert_eq!(said, expected);
    }
    assert_eq!(
        error("1", &format!("{lines}peerType=leader\n")),
        "zoo.cfg:9: peerType=leader is not allowed: give participant or observer"
    );
}

#[test]
fn what_an_ensemble_does_not_use_is_reported_with_another_reason() {
    let lines =
        format!("{THREE}{LIMITS}syncEnabled=false\nstandaloneEnabled=false\nelectionAlg=3\n");
    assert_eq!(
        notices("1", &lines),
        [
            "zoo.cfg:8: syncEnabled is not used by treekeeper: an observer follows the leader as every other server does"
        ]
    );
    assert!(
        error("1", &format!("{THREE}{LIMITS}weight.1=2\n"))
            .starts_with("zoo.cfg:8: weight.1 is not supported by treekeeper")
    );
}
