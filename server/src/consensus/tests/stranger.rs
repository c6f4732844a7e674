//! A process that belongs to no ensemble and speaks to a member of one.

use std::collections::BTreeMap;
use std::net::TcpListener;

use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use openraft::vote::{RaftLeaderId as _, RaftVote as _};

use super::super::messages;
use super::super::types::RaftVote;
use super::*;
use crate::config::{JoinRule, Member};
use crate::log::simulated::SimulatedDisk;
use crate::peer::{Identity, Local, Target};

const STRANGER: u64 = 99;

/// A member that leads an ensemble of its own, and where others reach it.
async fn leader() -> (Consensus, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let line = format!("server.1=127.0.0.1:{port}:1:participant;2");
    let member = Member::parse_line(&line).unwrap();
    let mut options = Options::new("/log", Arc::new(|_| {}));
    options.disk = Arc::new(SimulatedDisk::new());
    options.peers = Some(PeerOptions {
        my_id: 1,
        cluster_id: Arc::new(|| 7),
        tls: None,
        join_rule: JoinRule::Nobody,
        joined: None,
        members: BTreeMap::from([(1, PeerMember::of(&member))]),
        listener: Arc::new(listener),
        reconfig_enabled: false,
        check_forwarded: Arc::new(Some),
        on_report: Arc::new(|_, _| Some(Bytes::new())),
        replicated: Arc::new(FirstRules),
    });
    let consensus = Consensus::start(options, Machine::new()).await.unwrap();
    let mut leadership = consensus.leadership();
    leadership
        .wait_for(|now| now.role == Role::Leader)
        .await
        .unwrap();
    (consensus, port)
}

fn link(port: u16, cluster_id: u64) -> Link {
    let identity = Identity {
        my_id: 2,
        node_id: STRANGER,
        cluster_id,
        formed: false,
        lines: 0,
        rules: 1,
    };
    let target = Target {
        node_id: 0,
        addresses: vec![("127.0.0.1".to_owned(), port)],
    };
    Link::open(Arc::new(Local::new(identity)), target)
}

#[tokio::test]
async fn a_stranger_raises_no_term_and_changes_nothing() {
    let (consensus, port) = leader().await;
    let before = consensus.status();
    let stranger = link(port, 0);
    let id = openraft::type_config::alias::LeaderIdOf::<Types>::new(1000, STRANGER);
    let vote = RaftVote::from_leader_id(id, false);
    let leads = RaftVote::from_leader_id(id, true);
    let request = VoteRequest::new(vote, None);
    let append = AppendEntriesRequest {
        vote: leads,
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    let transfer = TransferLeaderRequest::new(leads, consensus.node_id(), None);
    for (kind, body) in [
        (kind::VOTE, messages::encode_vote_request(&request)),
        (kind::PRE_VOTE, messages::encode_vote_request(&request)),
        (kind::APPEND, messages::encode_append(append)),
        (kind::TRANSFER, messages::encode_transfer(&transfer)),
        (kind::FORWARD, Bytes::from_static(b"command")),
        (kind::REPORT, Bytes::new()),
        (kind::READ_INDEX, Bytes::new()),
        (kind::RECONFIG, Bytes::from_static(b"{}")),
        (kind::CHECKPOINT_READY, Bytes::new()),
    ] {
        let answer = stranger.call(kind, body).await;
        let Err(LinkError::Refused(reason)) = answer else {
            panic!("{kind}: {answer:?}")
        };
        assert!(reason.contains("server 2 is no member"), "{kind}: {reason}");
    }
    let after = consensus.status();
    assert_eq!(after.leadership, before.leadership);
    assert_eq!(after.last_index, before.last_index);
    // The vote of a member that this one has not heard of yet may be needed; but one that was removed is confirmed nothing.
    let unheard_of = link(port, 7);
    let body = messages::encode_vote_request(&request);
    let asked = unheard_of.call(kind::PRE_VOTE, body).await;
    assert!(asked.is_ok(), "{asked:?}");
    let read = unheard_of.call(kind::READ_INDEX, Bytes::new()).await;
    assert!(matches!(read, Err(LinkError::Refused(_))), "{read:?}");
    consensus.shutdown().await;
}
