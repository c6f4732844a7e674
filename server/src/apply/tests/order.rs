//! zxids, time, and what takes neither.

use treekeeper_protocol::ReconfigRequest;

use super::*;

#[test]
fn every_command_of_a_session_takes_the_next_zxid_done_or_refused() {
    let mut fixture = Fixture::new();
    let first = fixture.state.meta.zxid;
    fixture.done(create("/a"));
    fixture.refused(create("/a"));
    fixture.results(vec![check("/missing", -1)]);
    let other = fixture.open_session();
    fixture.run(&Command::CloseSession {
        session: other,
        generation: 0,
        term: 1,
    });
    fixture.run(&Command::RemoveExpired {
        path: "/missing".to_owned(),
        czxid: 1,
        mzxid: 1,
    });
    assert_eq!(fixture.state.meta.zxid, first + 6);
}

#[test]
fn a_new_term_begins_an_epoch_with_its_first_command() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.state.meta.zxid,
        1 << 32 | 1,
        "the session's opening"
    );
    fixture.done(create("/a"));
    assert_eq!(fixture.state.meta.zxid, 1 << 32 | 2);
    fixture.term = 5;
    fixture.done(create("/b"));
    assert_eq!(
        fixture.state.meta.zxid,
        2 << 32 | 1,
        "terms may be skipped, epochs are not"
    );
    fixture.done(create("/c"));
    assert_eq!(fixture.state.meta.zxid, 2 << 32 | 2);
    assert_eq!(fixture.state.meta.zxid_term, 5);
}

#[test]
fn time_never_goes_back() {
    let mut fixture = Fixture::new();
    let late = fixture.time_ms;
    fixture.time_ms -= 1000;
    fixture.done(create("/a"));
    assert_eq!(fixture.stat("/a").ctime, late);
    assert_eq!(fixture.state.meta.time_ms, late);
}

#[test]
fn settings_and_forming_take_no_zxid_and_an_ensemble_is_formed_once() {
    let mut fixture = Fixture::new();
    let before = fixture.state.meta.clone();
    fixture.settings(|settings| settings.enforce_quota = true);
    fixture.run(&Command::Form {
        cluster_id: 8,
        secret: [1; 32],
    });
    let expected = Meta {
        settings: ReplicatedSettings {
            enforce_quota: true,
            ..before.settings
        },
        ..before
    };
    assert_eq!(fixture.state.meta, expected);
}

#[test]
fn what_is_no_write_and_reconfig_are_refused() {
    let mut fixture = Fixture::with(&["/a"]);
    assert_eq!(fixture.refused(check("/a", 0)), ErrorCode::Unimplemented);
    let reconfig = Request::Reconfig(ReconfigRequest {
        joining: None,
        leaving: None,
        new_members: None,
        cur_config_id: -1,
    });
    assert_eq!(fixture.refused(reconfig), ErrorCode::ReconfigDisabled);
}
