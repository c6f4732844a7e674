//! Any bytes as a stream that arrives in two pieces: where it is cut does not change what comes out.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use treekeeper_protocol::FrameError;
use treekeeper_protocol::frame::split_frame;

const FRAME_LEN_MAX: usize = 100;

/// The frames of `buf`, until it is used up or bad.
fn frames(buf: &mut BytesMut, frames: &mut Vec<Bytes>) -> Result<(), FrameError> {
    while let Some(frame) = split_frame(buf, FRAME_LEN_MAX)? {
        assert!((1..=FRAME_LEN_MAX).contains(&frame.len()));
        frames.push(frame);
    }
    Ok(())
}

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    let mut at_once = Vec::new();
    let outcome = frames(&mut BytesMut::from(bytes), &mut at_once);

    let (early, late) = bytes.split_at(cut % (bytes.len() + 1));
    let mut buf = BytesMut::from(early);
    let mut in_pieces = Vec::new();
    let outcome_in_pieces = frames(&mut buf, &mut in_pieces).and_then(|()| {
        buf.extend_from_slice(late);
        frames(&mut buf, &mut in_pieces)
    });
    assert_eq!((at_once, outcome), (in_pieces, outcome_in_pieces));
});
