//! Replies come in the order of their requests, and a client's read sees what the client wrote before, on whichever
//! member.

use std::collections::{BTreeMap, BTreeSet};

use treekeeper_protocol::ErrorCode;

use crate::history::{Answer, Exchange, Op, Record, exchanges};

/// What a client's own znode was like after its last acknowledged write.
#[derive(Clone, Copy)]
struct Own<'a> {
    mzxid: i64,
    token: &'a str,
}

pub(super) fn check(records: &[Record]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut own: BTreeMap<u32, Own<'_>> = BTreeMap::new();
    let mut asked: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for exchange in exchanges(records) {
        let client = exchange.connection.client;
        if let Some(told) = exchange.told
            && told.xid != exchange.xid
        {
            broken.push(format!(
                "{:?} asked {} and was answered {}",
                exchange.connection, exchange.xid, told.xid
            ));
        }
        let path = format!("/own{client}");
        for (op, answer) in exchange.parts() {
            if let Op::Create {
                path: at, token, ..
            }
            | Op::Set {
                path: at, token, ..
            } = op
                && *at == path
            {
                asked.entry(client).or_default().insert(token);
            }
            if let Some(why) = judge(&path, own.get(&client), asked.get(&client), op, answer) {
                broken.push(format!("{:?}: {why}", exchange.connection));
            }
        }
        if let Some(latest) = latest(&path, &exchange) {
            own.insert(client, latest);
        }
    }
    broken
}

/// Nobody else writes the path, and nobody deletes it.
fn judge(
    path: &str,
    own: Option<&Own<'_>>,
    asked: Option<&BTreeSet<&str>>,
    op: &Op,
    answer: Option<&Answer>,
) -> Option<String> {
    let Op::Get { path: at, .. } = op else {
        return None;
    };
    if at != path {
        return None;
    }
    match (answer?, own) {
        (Answer::Data(token, stat), own) => {
            if !asked.is_some_and(|asked| asked.contains(token.as_str())) {
                return Some(format!("{path} holds {token:?}, which nobody wrote before"));
            }
            let own = own?;
            let outdated = stat.mzxid < own.mzxid;
            let other = stat.mzxid == own.mzxid && token != own.token;
            // What was sent before, on a connection that is gone, must not land behind it.
            let late = stat.mzxid > own.mzxid && number(token) < number(own.token);
            (outdated || other || late).then(|| {
                format!(
                    "{path} is {token:?} of {:#x} after {:?} was written at {:#x}",
                    stat.mzxid, own.token, own.mzxid
                )
            })
        }
        (Answer::Failed(ErrorCode::NoNode), Some(own)) => Some(format!(
            "{path} is not there after {:?} was written at {:#x}",
            own.token, own.mzxid
        )),
        _ => None,
    }
}

/// The place of a write among its client's.
fn number(token: &str) -> Option<u32> {
    token.split_once(':')?.1.parse().ok()
}

fn latest<'a>(path: &str, exchange: &Exchange<'a>) -> Option<Own<'a>> {
    let of_part = |(op, answer): (&'a Op, Option<&'a Answer>)| match (op, answer?) {
        (Op::Create { token, .. }, Answer::Created(at, stat)) if at == path => Some(Own {
            mzxid: stat.mzxid,
            token,
        }),
        (
            Op::Set {
                path: at, token, ..
            },
            Answer::Stat(stat),
        ) if at == path => Some(Own {
            mzxid: stat.mzxid,
            token,
        }),
        _ => None,
    };
    exchange.parts().into_iter().filter_map(of_part).next_back()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::history::{Answer, Op};
    use crate::properties::scene::{Scene, stat};

    #[test]
    fn a_reply_out_of_order_and_a_read_of_the_past_are_caught() {
        let mut scene = Scene::default();
        scene.created(1, "/own1", "1:1", 5);
        scene.set(1, "/own1", "1:2", 7);
        let read = || Op::Get {
            path: "/own1".to_owned(),
            watch: false,
        };
        let mut fresh = scene.clone();
        fresh.exchanged(1, read(), 8, Answer::Data("1:2".to_owned(), stat(5, 7)));
        assert_eq!(check(&fresh.records), [""; 0]);
        for (token, mzxid) in [("1:1", 5), ("1:1", 7), ("1:9", 8), ("1:1", 8)] {
            let mut wrong = scene.clone();
            wrong.exchanged(1, read(), 8, Answer::Data(token.to_owned(), stat(5, mzxid)));
            assert_eq!(check(&wrong.records).len(), 1, "{token} {mzxid}");
        }
        let mut missing = scene.clone();
        let no_node = Answer::Failed(treekeeper_protocol::ErrorCode::NoNode);
        missing.exchanged(1, read(), 8, no_node);
        assert_eq!(check(&missing.records).len(), 1);
        let first = scene.asked(1, Op::Sync);
        let second = scene.asked(1, Op::Sync);
        scene.told(1, second, 9, Answer::Done);
        scene.told(1, first, 9, Answer::Done);
        assert_eq!(check(&scene.records).len(), 2);
    }
}
