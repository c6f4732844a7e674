//! The end of containers and TTL znodes: what the leader saw is checked again.

use super::*;

fn remove(fixture: &mut Fixture, path: &str, seen: &Znode) {
    let zxid = fixture.state.meta.zxid;
    let outcome = fixture.run(&Command::RemoveExpired {
        path: path.to_owned(),
        czxid: seen.czxid,
        mzxid: seen.mzxid,
    });
    let expected = Outcome {
        zxid: zxid + 1,
        result: Ok(Reply::Empty),
    };
    assert_eq!(outcome, Some(expected));
}

#[test]
fn an_empty_one_that_has_not_changed_goes_like_a_deleted_one() {
    let mut fixture = Fixture::with(&["/p"]);
    for request in [container("/p/x"), ttl("/p/x", 1000)] {
        fixture.done(request);
        let seen = fixture.znode("/p/x");
        remove(&mut fixture, "/p/x", &seen);
        assert!(!fixture.exists("/p/x"));
        assert_eq!(
            fixture.changes(),
            ["NodeDeleted /p/x", "NodeChildrenChanged /p"]
        );
        assert_eq!(fixture.stat("/p").pzxid, fixture.state.meta.zxid);
    }
    assert_eq!(fixture.stat("/p").cversion, 4);
    assert!(fixture.state.expirables.is_empty());
}

#[test]
fn one_that_has_children_stays() {
    let mut fixture = Fixture::new();
    fixture.done(container("/c"));
    let seen = fixture.znode("/c");
    fixture.done(create("/c/child"));
    remove(&mut fixture, "/c", &seen);
    assert!(fixture.exists("/c"));
    fixture.done(delete("/c/child", -1));
    remove(&mut fixture, "/c", &seen);
    assert!(!fixture.exists("/c"));
}

#[test]
fn one_that_was_written_or_created_anew_meanwhile_stays() {
    let mut fixture = Fixture::new();
    fixture.done(ttl("/t", 1000));
    let seen = fixture.znode("/t");
    fixture.done(set_data("/t", "still in use", -1));
    remove(&mut fixture, "/t", &seen);
    assert!(fixture.exists("/t"));
    let seen = fixture.znode("/t");
    fixture.done(delete("/t", -1));
    fixture.done(ttl("/t", 1000));
    remove(&mut fixture, "/t", &seen);
    assert!(fixture.exists("/t"));
    assert!(fixture.changes.is_empty());
}

#[test]
fn any_other_znode_stays() {
    let mut fixture = Fixture::with(&["/persistent"]);
    fixture.done(ephemeral("/ephemeral"));
    for path in ["/persistent", "/ephemeral", "/", "/zookeeper/config"] {
        let seen = fixture.znode(path);
        remove(&mut fixture, path, &seen);
        assert!(fixture.exists(path), "{path}");
    }
    let seen = fixture.znode("/persistent");
    remove(&mut fixture, "/missing", &seen);
}
