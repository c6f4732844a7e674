//! Quotas, with `enforceQuota` on: usage is counted in place, hard limits refuse, soft ones do not.

use crate::wire::outcome::{Outcome, expect};
use crate::wire::raw_client::RawClient;
use crate::wire::reply::{OpResult, Stat};
use crate::wire::request::{add_watch, create, create2, delete, exists, get_data, multi, set_data};
use crate::wire::suite::Suite;
use crate::wire::target::Case;

/// Lists the cases.
pub(crate) fn register(suite: &mut Suite) {
    suite.case("quota/stats-are-counted-from-the-tree", |case| {
        let mut client = case.client()?;
        for (name, data) in [("a", "12"), ("a/b", "345"), ("c", "")] {
            client.make(&case.at(name), data.as_bytes(), 0)?;
        }
        arm(case, &mut client, "count=100,bytes=1000")?;
        usage(case, &mut client, "count=4,bytes=5")
    });
    suite.case("quota/usage-follows-every-change", |case| {
        let mut client = case.client()?;
        arm(case, &mut client, "count=100,bytes=1000")?;
        usage(case, &mut client, "count=1,bytes=0")?;
        client.make(&case.at("a"), b"12345", 0)?;
        usage(case, &mut client, "count=2,bytes=5")?;
        client.call(&set_data(&case.at("a"), b"12", -1))?.stat()?;
        usage(case, &mut client, "count=2,bytes=2")?;
        client.make(&case.at("a/deep"), b"123", 0)?;
        usage(case, &mut client, "count=3,bytes=5")?;
        client.call(&set_data(&case.root, b"1", -1))?.stat()?;
        usage(case, &mut client, "count=3,bytes=6")?;
        client.call(&delete(&case.at("a/deep"), -1))?.bare()?;
        usage(case, &mut client, "count=2,bytes=3")?;
        client
            .call(&multi(&[
                create(&case.at("m"), b"1234", 0),
                delete(&case.at("a"), -1),
            ]))?
            .results()?;
        usage(case, &mut client, "count=2,bytes=5")
    });
    suite.case(
        "quota/ephemerals-count-until-their-session-closes",
        |case| {
            let mut client = case.client()?;
            arm(case, &mut client, "count=100,bytes=1000")?;
            let mut owner = case.client()?;
            owner.make(&case.at("e"), b"123", 1)?;
            usage(case, &mut client, "count=2,bytes=3")?;
            owner.close()?;
            usage(case, &mut client, "count=1,bytes=0")
        },
    );
    suite.case("quota/stats-change-in-place-and-silently", |case| {
        let mut client = case.client()?;
        arm(case, &mut client, "count=100,bytes=1000")?;
        let stats = stats_path(case);
        let before = client.call(&exists(&stats, false))?.stat()?;
        client.call(&add_watch(&stats, 0))?.number()?;
        client.make(&case.at("a"), b"12345", 0)?;
        let after = client.call(&exists(&stats, false))?.stat()?;
        expect(
            "Stat of the stats",
            after,
            Stat {
                data_length: after.data_length,
                ..before
            },
        )?;
        expect("events", client.seen(&case.root)?, Vec::<String>::new())
    });
    suite.case("quota/soft-limits-refuse-nothing", |case| {
        let mut client = case.client()?;
        arm(case, &mut client, "count=2,bytes=3")?;
        for index in 0..4 {
            client.make(&case.at(&index.to_string()), b"12345", 0)?;
        }
        client
            .call(&set_data(&case.at("0"), b"1234567", -1))?
            .stat()?;
        usage(case, &mut client, "count=5,bytes=22")
    });
    suite.case(
        "quota/hard-count-refuses-the-surplus-znode-with--125",
        |case| {
            let mut client = case.client()?;
            arm(case, &mut client, "count=-1,bytes=-1=;countHardLimit=2")?;
            client.make(&case.at("a"), b"any length", 0)?;
            for flags in 0..=3 {
                client
                    .call(&create(&case.at("b"), b"", flags))?
                    .refused(-125)?;
            }
            client
                .call(&create(&case.at("a/deep"), b"", 0))?
                .refused(-125)?;
            client.call(&delete(&case.at("a"), -1))?.bare()?;
            client.make(&case.at("b"), b"", 0)?;
            usage(case, &mut client, "count=2,bytes=0")
        },
    );
    suite.case("quota/hard-bytes-refuse-the-surplus-with--125", |case| {
        let mut client = case.client()?;
        arm(case, &mut client, "count=-1,bytes=-1=;byteHardLimit=5")?;
        client.make(&case.at("a"), b"123", 0)?;
        client
            .call(&create(&case.at("b"), b"123", 0))?
            .refused(-125)?;
        client.make(&case.at("b"), b"12", 0)?;
        client
            .call(&set_data(&case.at("b"), b"123", -1))?
            .refused(-125)?;
        client.call(&set_data(&case.at("b"), b"45", -1))?.stat()?;
        client.call(&set_data(&case.at("a"), b"", -1))?.stat()?;
        client
            .call(&set_data(&case.at("b"), b"12345", -1))?
            .stat()?;
        usage(case, &mut client, "count=3,bytes=5")
    });
    suite.case("quota/hard-limits-replace-soft-ones", |case| {
        let mut client = case.client()?;
        arm(
            case,
            &mut client,
            "count=1,bytes=1=;byteHardLimit=9;countHardLimit=3",
        )?;
        for name in ["a", "b"] {
            client.make(&case.at(name), b"123", 0)?;
        }
        client.call(&create(&case.at("c"), b"", 0))?.refused(-125)
    });
    suite.case("quota/refusal-inside-multi-undoes-all", |case| {
        let mut client = case.client()?;
        arm(case, &mut client, "count=-1,bytes=-1=;byteHardLimit=5")?;
        let results = client
            .call(&multi(&[
                create(&case.at("a"), b"1", 0),
                create(&case.at("b"), b"123456", 0),
            ]))?
            .results()?;
        expect(
            "results",
            results,
            vec![OpResult::Error(0), OpResult::Error(-125)],
        )?;
        usage(case, &mut client, "count=1,bytes=0")
    });
    suite.case(
        "quota/precedence-exists-before-quota-and-quota-before-version",
        |case| {
            let mut client = case.client()?;
            arm(
                case,
                &mut client,
                "count=-1,bytes=-1=;byteHardLimit=3;countHardLimit=2",
            )?;
            client.make(&case.at("e"), b"", 1)?;
            client
                .call(&create(&case.at("e"), b"123456", 0))?
                .refused(-110)?;
            client
                .call(&create(&case.at("e/child"), b"123456", 0))?
                .refused(-108)?;
            client
                .call(&set_data(&case.at("e"), b"123456", 7))?
                .refused(-125)?;
            client.call(&set_data(&case.at("e"), b"", 7))?.refused(-103)
        },
    );
    suite.case("quota/without-limits-disarms", |case| {
        let mut client = case.client()?;
        arm(case, &mut client, "count=100,bytes=1000")?;
        client.make(&case.at("a"), b"1", 0)?;
        client.call(&delete(&limits_path(case), -1))?.bare()?;
        client.make(&case.at("b"), b"1", 0)?;
        usage(case, &mut client, "count=2,bytes=1")
    });
    suite.case(
        "quota/of-a-neighbour-with-the-same-beginning-is-apart",
        |case| {
            let mut client = case.client()?;
            arm(case, &mut client, "count=100,bytes=1000")?;
            let neighbour = format!("{}-neighbour", case.root);
            client.make(&neighbour, b"12345", 0)?;
            usage(case, &mut client, "count=1,bytes=0")
        },
    );
    suite.case("quota/znodes-are-ordinary-to-read-and-delete", |case| {
        let mut client = case.client()?;
        arm(case, &mut client, "count=3,bytes=-1")?;
        let (data, stat) = client
            .call(&get_data(&limits_path(case), false))?
            .data_and_stat()?;
        expect(
            "limits, version",
            (data, stat.version),
            (Some(b"count=3,bytes=-1".to_vec()), 0),
        )?;
        for path in [
            limits_path(case),
            stats_path(case),
            format!("/zookeeper/quota{}", case.root),
        ] {
            client.call(&delete(&path, -1))?.bare()?;
        }
        client.make(&case.at("a"), b"", 0).map(drop)
    });
}

fn limits_path(case: &Case) -> String {
    format!("/zookeeper/quota{}/zookeeper_limits", case.root)
}

fn stats_path(case: &Case) -> String {
    format!("/zookeeper/quota{}/zookeeper_stats", case.root)
}

/// Sets a quota on the case's root as `setquota` does: the znode, its limits, its stats.
fn arm(case: &Case, client: &mut RawClient, limits: &str) -> Outcome {
    client.make(&format!("/zookeeper/quota{}", case.root), b"", 0)?;
    client.make(&limits_path(case), limits.as_bytes(), 0)?;
    client
        .call(&create2(&stats_path(case), b"count=0,bytes=0", 0))?
        .path_and_stat()
        .map(drop)
}

/// Checks the stats' text.
#[track_caller]
fn usage(case: &Case, client: &mut RawClient, expected: &str) -> Outcome {
    let (data, _) = client
        .call(&get_data(&stats_path(case), false))?
        .data_and_stat()?;
    expect(
        "usage",
        data.map(|data| String::from_utf8_lossy(&data).into_owned()),
        Some(expected.to_owned()),
    )
}
