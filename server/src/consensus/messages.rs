//! openraft's messages as bytes: encoder and decoder side by side. All numbers are little-endian, as in the log. What
//! follows the known fields is left unread, so that a later release may say more.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};

use super::encoding::{decode_vote, encode_vote, log_id, position};
use super::log_store::{raft_entry, record};
use super::types::{LogId, RaftVote, Types};
use crate::log::{Position, Record, RecordKind};

/// Bytes of an encoded vote.
const VOTE_LEN: usize = 17;

const BLANK: u8 = 0;
const COMMAND: u8 = 1;
const MEMBERSHIP: u8 = 2;

const SUCCESS: u8 = 0;
const PARTIAL: u8 = 1;
const CONFLICT: u8 = 2;
const HIGHER_VOTE: u8 = 3;

fn put_log_id(out: &mut BytesMut, log_id: Option<LogId>) {
    // The index plus one, so that 0 is none.
    let at = log_id.map(position);
    out.put_u64_le(at.map_or(0, |at| at.index + 1));
    out.put_u64_le(at.map_or(0, |at| at.term));
}

#[expect(
    clippy::option_option,
    reason = "the outer one is whether the bytes are there"
)]
fn get_log_id(input: &mut Bytes) -> Option<Option<LogId>> {
    let next = input.try_get_u64_le().ok()?;
    let term = input.try_get_u64_le().ok()?;
    Some(
        next.checked_sub(1)
            .map(|index| log_id(Position { index, term })),
    )
}

fn put_vote(out: &mut BytesMut, vote: &RaftVote) {
    out.put_slice(&encode_vote(vote));
}

fn get_vote(input: &mut Bytes) -> Option<RaftVote> {
    (input.len() >= VOTE_LEN).then(|| decode_vote(&input.split_to(VOTE_LEN)))?
}

fn put_record(out: &mut BytesMut, record: &Record) {
    out.put_u64_le(record.position.index);
    out.put_u64_le(record.position.term);
    out.put_u8(match record.kind {
        RecordKind::Blank => BLANK,
        RecordKind::Command => COMMAND,
        RecordKind::Membership => MEMBERSHIP,
    });
    let len = u32::try_from(record.payload.len()).expect("an entry is bounded by its maker");
    out.put_u32_le(len);
    out.put_slice(&record.payload);
}

fn get_record(input: &mut Bytes) -> Option<Record> {
    let position = Position {
        index: input.try_get_u64_le().ok()?,
        term: input.try_get_u64_le().ok()?,
    };
    let kind = match input.try_get_u8().ok()? {
        BLANK => RecordKind::Blank,
        COMMAND => RecordKind::Command,
        MEMBERSHIP => RecordKind::Membership,
        _ => return None,
    };
    let len = usize::try_from(input.try_get_u32_le().ok()?).ok()?;
    (input.len() >= len).then(|| Record {
        position,
        kind,
        payload: input.split_to(len),
    })
}

pub(super) fn encode_append(request: AppendEntriesRequest<Types>) -> Bytes {
    let records: Vec<_> = request.entries.into_iter().map(record).collect();
    let payloads: usize = records.iter().map(|record| record.payload.len() + 21).sum();
    let mut out = BytesMut::with_capacity(VOTE_LEN + 36 + payloads);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.prev_log_id);
    put_log_id(&mut out, request.leader_commit);
    out.put_u32_le(u32::try_from(records.len()).expect("openraft bounds its batches"));
    for record in &records {
        put_record(&mut out, record);
    }
    out.freeze()
}

pub(super) fn decode_append(mut input: Bytes) -> Option<AppendEntriesRequest<Types>> {
    let vote = get_vote(&mut input)?;
    let prev_log_id = get_log_id(&mut input)?;
    let leader_commit = get_log_id(&mut input)?;
    let count = input.try_get_u32_le().ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(raft_entry(get_record(&mut input)?).ok()?);
    }
    Some(AppendEntriesRequest {
        vote,
        prev_log_id,
        entries,
        leader_commit,
    })
}

pub(super) fn encode_append_response(response: &AppendEntriesResponse<Types>) -> Bytes {
    let mut out = BytesMut::new();
    match response {
        AppendEntriesResponse::Success => out.put_u8(SUCCESS),
        AppendEntriesResponse::PartialSuccess(last) => {
            out.put_u8(PARTIAL);
            put_log_id(&mut out, *last);
        }
        AppendEntriesResponse::Conflict => out.put_u8(CONFLICT),
        AppendEntriesResponse::HigherVote(vote) => {
            out.put_u8(HIGHER_VOTE);
            put_vote(&mut out, vote);
        }
    }
    out.freeze()
}

pub(super) fn decode_append_response(mut input: Bytes) -> Option<AppendEntriesResponse<Types>> {
    Some(match input.try_get_u8().ok()? {
        SUCCESS => AppendEntriesResponse::Success,
        PARTIAL => AppendEntriesResponse::PartialSuccess(get_log_id(&mut input)?),
        CONFLICT => AppendEntriesResponse::Conflict,
        HIGHER_VOTE => AppendEntriesResponse::HigherVote(get_vote(&mut input)?),
        _ => return None,
    })
}

pub(super) fn encode_vote_request(request: &VoteRequest<Types>) -> Bytes {
    let mut out = BytesMut::new();
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.last_log_id);
    out.put_u8(u8::from(request.leadership_transfer));
    out.freeze()
}

pub(super) fn decode_vote_request(mut input: Bytes) -> Option<VoteRequest<Types>> {
    let vote = get_vote(&mut input)?;
    let last_log_id = get_log_id(&mut input)?;
    let leadership_transfer = input.try_get_u8().ok()? != 0;
    let mut request = VoteRequest::new(vote, last_log_id);
    request.leadership_transfer = leadership_transfer;
    Some(request)
}

pub(super) fn encode_vote_response(response: &VoteResponse<Types>) -> Bytes {
    let mut out = BytesMut::new();
    put_vote(&mut out, &response.vote);
    put_log_id(&mut out, response.last_log_id);
    out.put_u8(u8::from(response.vote_granted));
    out.freeze()
}

pub(super) fn decode_vote_response(mut input: Bytes) -> Option<VoteResponse<Types>> {
    let vote = get_vote(&mut input)?;
    let last_log_id = get_log_id(&mut input)?;
    let granted = input.try_get_u8().ok()? != 0;
    Some(VoteResponse::new(vote, last_log_id, granted))
}

pub(super) fn encode_transfer(request: &TransferLeaderRequest<Types>) -> Bytes {
    let mut out = BytesMut::new();
    put_vote(&mut out, request.from_leader());
    out.put_u64_le(*request.to_node_id());
    put_log_id(&mut out, request.last_log_id().copied());
    out.freeze()
}

pub(super) fn decode_transfer(mut input: Bytes) -> Option<TransferLeaderRequest<Types>> {
    let from = get_vote(&mut input)?;
    let to = input.try_get_u64_le().ok()?;
    let last = get_log_id(&mut input)?;
    Some(TransferLeaderRequest::new(from, to, last))
}

#[cfg(test)]
mod tests {
    use openraft::vote::{RaftLeaderId as _, RaftVote as _};
    use proptest::prelude::*;

    use super::*;

    fn vote() -> impl Strategy<Value = RaftVote> {
        (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(term, node, committed)| {
            let leader = openraft::type_config::alias::LeaderIdOf::<Types>::new(term, node);
            RaftVote::from_leader_id(leader, committed)
        })
    }

    fn at() -> impl Strategy<Value = Option<LogId>> {
        prop::option::of((0..u64::MAX, any::<u64>()))
            .prop_map(|at| at.map(|(index, term)| log_id(Position { index, term })))
    }

    fn entries() -> impl Strategy<Value = Vec<super::super::types::RaftEntry>> {
        let record = (
            any::<u32>(),
            any::<u64>(),
            prop::collection::vec(any::<u8>(), 0..50),
        )
            .prop_map(|(index, term, payload)| Record {
                position: Position {
                    index: u64::from(index),
                    term,
                },
                kind: if payload.is_empty() {
                    RecordKind::Blank
                } else {
                    RecordKind::Command
                },
                payload: payload.into(),
            });
        prop::collection::vec(record.prop_map(|record| raft_entry(record).unwrap()), 0..5)
    }

    proptest! {
        #[test]
        fn messages_are_read_as_they_were_written(
            vote in vote(), other in vote(), a in at(), b in at(), entries in entries(), flag: bool, node: u64,
        ) {
            let append = AppendEntriesRequest::<Types> {
                vote, prev_log_id: a, entries, leader_commit: b,
            };
            let read = decode_append(encode_append(append.clone())).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{append:?}"));
            for response in [
                AppendEntriesResponse::Success,
                AppendEntriesResponse::PartialSuccess(a),
                AppendEntriesResponse::Conflict,
                AppendEntriesResponse::HigherVote(other),
            ] {
                prop_assert_eq!(decode_append_response(encode_append_response(&response)), Some(response));
            }
            let mut request = VoteRequest::new(vote, a);
            request.leadership_transfer = flag;
            prop_assert_eq!(decode_vote_request(encode_vote_request(&request)), Some(request));
            let response = VoteResponse::new(vote, b, flag);
            prop_assert_eq!(decode_vote_response(encode_vote_response(&response)), Some(response));
            let transfer = TransferLeaderRequest::new(vote, node, a);
            prop_assert_eq!(decode_transfer(encode_transfer(&transfer)), Some(transfer));
        }

        #[test]
        fn any_bytes_are_a_message_or_none(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            let _ = (
                decode_append(bytes.clone()), decode_append_response(bytes.clone()), decode_vote_request(bytes.clone()),
                decode_vote_response(bytes.clone()), decode_transfer(bytes),
            );
        }
    }
}
