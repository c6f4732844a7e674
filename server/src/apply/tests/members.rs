//! The members as clients see them, under the first rules and under later ones.

use treekeeper_protocol::path;

use super::*;

const MEMBERS: [&str; 3] = ["server.1=a", "server.2=b", "server.3=c"];

fn change(fixture: &mut Fixture, count: usize) -> usize {
    let lines: Vec<String> = MEMBERS[..count].iter().map(ToString::to_string).collect();
    members_changed(&mut fixture.state, fixture.term, &lines).unwrap();
    let events = fixture.state.take_changes().count();
    fixture.state.validate().unwrap();
    events
}

fn shown(fixture: &Fixture) -> (String, i64) {
    let config = fixture.state.tree.get(path::CONFIG).unwrap().unwrap();
    let text = String::from_utf8(config.data.clone().unwrap().to_vec()).unwrap();
    (text, config.mzxid)
}

#[test]
fn the_first_rules_show_every_step() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.state.rules(), 1);
    for count in [1, 2, 3] {
        assert_eq!(change(&mut fixture, count), 1);
        let zxid = fixture.state.meta.zxid;
        let text = format!("{}\nversion={zxid:x}", MEMBERS[..count].join("\n"));
        assert_eq!(shown(&fixture), (text, zxid));
        assert!(!fixture.state.hides_members());
    }
    assert_eq!(change(&mut fixture, 3), 0, "nothing has changed");
    assert_eq!(fixture.run(&Command::ShowMembers), None);
    assert_eq!(fixture.changes(), [""; 0]);
}

#[test]
fn later_rules_show_a_change_when_it_is_complete() {
    let mut fixture = Fixture::new();
    change(&mut fixture, 1);
    let before = shown(&fixture);
    let zxid = fixture.state.meta.zxid;
    assert_eq!(fixture.run(&Command::RaiseRules { rules: 2 }), None);
    assert_eq!((fixture.state.rules(), fixture.state.meta.zxid), (2, zxid));
    for count in [2, 3] {
        assert_eq!(change(&mut fixture, count), 0);
        assert_eq!(shown(&fixture), before);
        assert!(fixture.state.hides_members());
    }
    fixture.run(&Command::ShowMembers);
    assert_eq!(fixture.changes().len(), 1);
    let text = format!("{}\nversion={:x}", MEMBERS.join("\n"), zxid + 1);
    assert_eq!(shown(&fixture), (text, zxid + 1));
    assert!(!fixture.state.hides_members());
    fixture.run(&Command::ShowMembers);
    assert_eq!(fixture.changes(), [""; 0], "it does nothing twice");
    // A change that was undone on the way.
    change(&mut fixture, 2);
    change(&mut fixture, 3);
    fixture.run(&Command::ShowMembers);
    assert_eq!(fixture.changes(), [""; 0]);
    assert_eq!(fixture.state.meta.zxid, zxid + 1);
    assert!(!fixture.state.hides_members());
}

#[test]
fn rules_never_fall() {
    let mut fixture = Fixture::new();
    fixture.run(&Command::RaiseRules { rules: 2 });
    fixture.run(&Command::RaiseRules { rules: 1 });
    assert_eq!(fixture.state.rules(), 2);
}
