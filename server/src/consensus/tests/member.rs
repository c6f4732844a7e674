//! A member of one voter.

use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::super::*;
use super::Machine;

fn options(dir: &TempDir) -> Options {
    let refused = |refusal: Refusal| panic!("a leader refused {refusal:?}");
    let mut options = Options::new(dir.path(), Arc::new(refused));
    options.log.segment_bytes = 256 << 10;
    options.log.first_segment_bytes = 64 << 10;
    options
}

fn numbered(range: std::ops::Range<u32>) -> Vec<Bytes> {
    range
        .map(|number| Bytes::from(number.to_string()))
        .collect()
}

#[tokio::test]
async fn commands_are_applied_in_the_order_of_their_proposals() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let consensus = Consensus::start(options(&dir), machine.clone())
        .await
        .unwrap();
    for command in numbered(0..1000) {
        consensus.propose(command, 0).await.unwrap();
    }
    assert_eq!(machine.commands(1000).await, numbered(0..1000));
    let status = consensus.status();
    assert_eq!(status.leadership.role, Role::Leader);
    assert_eq!(status.leadership.leader, Some(consensus.node_id()));
    assert_eq!(status.voters, [consensus.node_id()]);
    assert_eq!(
        consensus.linearize().await.unwrap(),
        status.last_index.unwrap()
    );
    consensus.shutdown().await;
    assert_eq!(consensus.propose(Bytes::new(), 0).await, Err(Stopped));
    assert_eq!(
        consensus.linearize().await,
        Err(LinearizeError::Stopped(Stopped))
    );
}
