//! Quotas: counted always, enforced where that is set.

use super::*;

/// Sets limits for `path` as the command line of a stock server does.
pub(super) fn arm(fixture: &mut Fixture, path: &str, limits: &str) {
    let mut folder = "/zookeeper/quota".to_owned();
    for name in path[1..].split('/') {
        folder = format!("{folder}/{name}");
        if !fixture.exists(&folder) {
            fixture.done(create(&folder));
        }
    }
    fixture.done(with_data(
        create(&format!("{folder}/zookeeper_limits")),
        limits,
    ));
    fixture.done(with_data(create(&stats_of(path)), limits));
}

fn stats_of(path: &str) -> String {
    format!("/zookeeper/quota{path}/zookeeper_stats")
}

fn usage(fixture: &Fixture, path: &str) -> String {
    fixture.data(&stats_of(path))
}

#[test]
fn a_new_stats_node_counts_the_whole_subtree_and_the_znode_itself() {
    let mut fixture = Fixture::with(&["/a", "/ab"]);
    fixture.done(with_data(create("/a/b"), "four"));
    fixture.done(with_data(create("/a/b/c"), "xy"));
    arm(&mut fixture, "/a", "count=9,bytes=9");
    assert_eq!(usage(&fixture, "/a"), "count=3,bytes=6");
    arm(&mut fixture, "/missing", "count=9,bytes=9");
    assert_eq!(usage(&fixture, "/missing"), "count=0,bytes=0");
}

#[test]
fn a_stats_node_counts_the_subtree_also_when_it_comes_before_the_limits() {
    let mut fixture = Fixture::with(&["/a", "/a/b", "/zookeeper/quota/a"]);
    fixture.done(create(&stats_of("/a")));
    fixture.done(with_data(
        create("/zookeeper/quota/a/zookeeper_limits"),
        "count=9,bytes=-1",
    ));
    fixture.done(create("/a/c"));
    assert_eq!(usage(&fixture, "/a"), "count=3,bytes=0");
}

#[test]
fn every_change_below_is_counted_in_place() {
    let mut fixture = Fixture::with(&["/a"]);
    arm(&mut fixture, "/a", "count=1,bytes=1");
    let stat = fixture.stat(&stats_of("/a"));
    fixture.done(with_data(create("/a/b"), "four"));
    assert_eq!(usage(&fixture, "/a"), "count=2,bytes=4");
    fixture.done(set_data("/a/b", "x", -1));
    assert_eq!(usage(&fixture, "/a"), "count=2,bytes=1");
    fixture.done(set_data("/a", "yz", -1));
    fixture.results(vec![ephemeral("/a/e").into(), create("/ab").into()]);
    assert_eq!(usage(&fixture, "/a"), "count=3,bytes=3");
    let session = fixture.session;
    fixture.run(&Command::CloseSession {
        session,
        generation: 0,
        term: 1,
    });
    fixture.session = fixture.open_session();
    assert_eq!(usage(&fixture, "/a"), "count=2,bytes=3");
    fixture.done(delete("/a/b", -1));
    fixture.done(delete("/a", -1));
    assert_eq!(usage(&fixture, "/a"), "count=0,bytes=0");
    let now = fixture.stat(&stats_of("/a"));
    let expected = Stat {
        data_length: now.data_length,
        ..stat
    };
    assert_eq!(now, expected, "no version, no zxid, no date");
}

#[test]
fn the_deepest_quota_counts() {
    let mut fixture = Fixture::with(&["/a", "/a/b"]);
    arm(&mut fixture, "/a", "count=9,bytes=9");
    arm(&mut fixture, "/a/b", "count=9,bytes=9");
    fixture.done(create("/a/b/c"));
    fixture.done(create("/a/d"));
    assert_eq!(usage(&fixture, "/a/b"), "count=2,bytes=0");
    assert_eq!(usage(&fixture, "/a"), "count=3,bytes=0");
}

#[test]
fn without_its_limits_a_quota_counts_no_more() {
    let mut fixture = Fixture::with(&["/a"]);
    arm(&mut fixture, "/a", "count=9,bytes=9");
    fixture.done(delete("/zookeeper/quota/a/zookeeper_limits", -1));
    fixture.done(create("/a/b"));
    assert_eq!(usage(&fixture, "/a"), "count=1,bytes=0");
}

#[test]
fn hard_limits_refuse_when_enforced_and_soft_ones_never() {
    let mut fixture = Fixture::with(&["/hard", "/soft"]);
    let hard = "count=1,bytes=1=;byteHardLimit=4;countHardLimit=3";
    arm(&mut fixture, "/hard", hard);
    arm(&mut fixture, "/soft", "count=1,bytes=1");
    fixture.settings(|settings| settings.enforce_quota = true);
    fixture.done(with_data(create("/soft/a"), "four"));
    fixture.done(with_data(create("/hard/a"), "xyz"));
    fixture.refuses(vec![
        (
            "too many bytes",
            with_data(create("/hard/b"), "xy").into(),
            ErrorCode::QuotaExceeded,
        ),
        (
            "too many bytes of data",
            set_data("/hard/a", "fives", -1),
            ErrorCode::QuotaExceeded,
        ),
        (
            "quota before the version",
            set_data("/hard/a", "fives", 7),
            ErrorCode::QuotaExceeded,
        ),
    ]);
    fixture.done(set_data("/hard/a", "four", -1));
    fixture.done(create("/hard/b"));
    fixture.refuses(vec![
        (
            "too many znodes",
            create("/hard/c").into(),
            ErrorCode::QuotaExceeded,
        ),
        (
            "existence before the quota",
            create("/hard/b").into(),
            ErrorCode::NodeExists,
        ),
    ]);
    assert_eq!(
        fixture.results(vec![
            delete("/hard/b", -1),
            create("/hard/c").into(),
            create("/hard/d").into(),
        ]),
        [ErrorCode::Ok, ErrorCode::Ok, ErrorCode::QuotaExceeded].map(OpResult::Error),
        "a multi is counted as it goes"
    );
    assert_eq!(usage(&fixture, "/hard"), "count=3,bytes=4");

    fixture.settings(|settings| settings.enforce_quota = false);
    fixture.done(with_data(create("/hard/c"), "beyond every limit"));
}

#[test]
fn stats_at_the_end_of_their_range_stop_no_server() {
    let limits = "count=9,bytes=9=;byteHardLimit=9;countHardLimit=9";
    for enforce_quota in [false, true] {
        let mut fixture = Fixture::with(&["/a", "/a/old"]);
        arm(&mut fixture, "/a", limits);
        fixture.settings(|settings| settings.enforce_quota = enforce_quota);
        for end in [i64::MAX, i64::MIN] {
            let stats = format!("count={end},bytes={end}");
            fixture.done(set_data(&stats_of("/a"), &stats, -1));
            // Whatever is counted then, every member goes on.
            let _ = fixture.ask(with_data(create("/a/new"), "x"));
            let _ = fixture.ask(set_data("/a/old", "longer", -1));
            let _ = fixture.ask(set_data("/a/old", "", -1));
            let _ = fixture.ask(delete("/a/new", -1));
        }
        assert!(fixture.exists("/a/old"));
    }
}

#[test]
fn a_folder_beside_that_of_the_quotas_arms_nothing() {
    let mut fixture = Fixture::with(&["/zookeeper/quotas", "/a", "/zookeeper/quota/a"]);
    fixture.done(create("/zookeeper/quotas/zookeeper_limits"));
    assert!(
        fixture.state.quotas.is_empty(),
        "a restart would not find {:?}",
        fixture.state.quotas
    );
    let stats = "/zookeeper/quotas/zookeeper_stats";
    fixture.done(with_data(create(stats), "mine"));
    assert_eq!(fixture.data(stats), "mine");
}
