//! What a connection sends: an endless or finite sequence of requests, the same in every run.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use treekeeper_protocol::{Acl, CreateKind, CreateRequest, Request};

use crate::load::frame::Frame;
use crate::load::in_turn::InTurn;
use crate::load::numbered::{NumberedFrame, Spread};

/// The sequence of requests of one connection.
#[derive(Clone, Debug)]
pub enum Requests {
    /// Any of these, each as likely as the other.
    AnyOf(Choice),
    /// Mostly of the first kind, `second_percent` of the second.
    Mixed {
        /// For instance reads.
        first: Choice,
        /// For instance writes.
        second: Choice,
        /// How many in 100 are of the second kind.
        second_percent: u64,
    },
    /// New znodes, one after the other.
    Create(Creates),
    /// Znodes of a spread population.
    Spread(Spread),
    /// The same few requests again and again.
    InTurn(InTurn),
    /// Those of another sequence until somebody sets the flag.
    Until(Arc<AtomicBool>, Box<Requests>),
}

impl Requests {
    /// Appends the next request to `out`; `false` when there is none left.
    pub fn append_next(&mut self, xid: i32, out: &mut Vec<u8>) -> bool {
        match self {
            Self::AnyOf(choice) => choice.append_next(xid, out),
            Self::Mixed {
                first,
                second,
                second_percent,
            } => {
                let choice = if first.dice.roll(100) < *second_percent {
                    second
                } else {
                    first
                };
                choice.append_next(xid, out);
            }
            Self::Create(creates) => return creates.append_next(xid, out),
            Self::Spread(spread) => return spread.append_next(xid, out),
            Self::InTurn(in_turn) => in_turn.append_next(xid, out),
            Self::Until(ended, requests) => {
                return !ended.load(Ordering::Relaxed) && requests.append_next(xid, out);
            }
        }
        true
    }
}

/// One of several frames by a fixed pseudo-random sequence.
#[derive(Clone, Debug)]
pub struct Choice {
    frames: Arc<[Frame]>,
    dice: Dice,
}

impl Choice {
    /// `seed` makes connections differ from each other, and runs alike.
    ///
    /// # Panics
    /// When there is no frame to choose from.
    pub fn new(frames: Arc<[Frame]>, seed: u64) -> Self {
        assert!(!frames.is_empty(), "a choice needs a frame");
        Self {
            frames,
            dice: Dice(seed),
        }
    }

    fn append_next(&mut self, xid: i32, out: &mut Vec<u8>) {
        let at = self.dice.roll(self.frames.len() as u64);
        self.frames[usize::try_from(at).expect("below a length")].append(xid, out);
    }
}

/// A pseudo-random sequence (splitmix64) with a fixed seed: the same load in every run, for every server.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides
    }
}

pub(super) const PARENT_DIGITS: usize = 4;
const NAME: &str = "znode-of-the-bench-";
pub(super) const NAME_DIGITS: usize = 12;
/// Znodes below each parent when they are spread.
pub(super) const CHILDREN_PER_PARENT: u64 = 1000;

/// Creates znodes `ROOT/PPPP/znode-of-the-bench-NNNNNNNNNNNN`, either all of them below one parent or 1000 below each.
/// With a root of 11 bytes their paths have 48.
#[derive(Clone, Debug)]
pub struct Creates {
    frame: NumberedFrame,
    next: u64,
    step: u64,
    before: u64,
}

impl Creates {
    /// The numbers of `numbers`, one after the other, below the one parent `parent`.
    pub fn under(root: &str, parent: u64, data: &Bytes, numbers: Range<u64>) -> Self {
        let path = format!(
            "{}/{}",
            Self::parent(root, parent),
            Self::name(numbers.start)
        );
        Self {
            frame: NumberedFrame::under_one_parent(&create(&path, data.clone()), &path),
            next: numbers.start,
            step: 1,
            before: numbers.end,
        }
    }

    /// The numbers `first`, `first + step`, … below `before`, 1000 numbers to each parent.
    pub fn spread(root: &str, data: &Bytes, first: u64, step: u64, before: u64) -> Self {
        let request = |path: &str| create(path, data.clone());
        Self {
            frame: NumberedFrame::spread(request, root),
            next: first,
            step,
            before,
        }
    }

    /// Parents that hold `znodes` when they are spread.
    pub fn spread_parents(znodes: u64) -> u64 {
        znodes.div_ceil(CHILDREN_PER_PARENT)
    }

    /// The path of parent `number`.
    pub fn parent(root: &str, number: u64) -> String {
        format!("{root}/{number:0PARENT_DIGITS$}")
    }

    /// The name of znode `number`.
    pub fn name(number: u64) -> String {
        format!("{NAME}{number:0NAME_DIGITS$}")
    }

    /// The path of znode `number` when they are spread.
    pub fn spread_path(root: &str, number: u64) -> String {
        format!(
            "{}/{}",
            Self::parent(root, number / CHILDREN_PER_PARENT),
            Self::name(number)
        )
    }

    fn append_next(&mut self, xid: i32, out: &mut Vec<u8>) -> bool {
        if self.next >= self.before {
            return false;
        }
        self.frame.append(self.next, xid, out);
        self.next += self.step;
        true
    }
}

/// A request to create a persistent znode that everyone may use.
pub fn create(path: &str, data: Bytes) -> Request {
    Request::Create(CreateRequest {
        kind: CreateKind::Create,
        path: path.to_owned(),
        data: Some(data),
        acl: Some(Acl::world_anyone_all()),
        flags: 0,
        ttl: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_creates(creates: Creates, paths: &[String]) {
        let mut requests = Requests::Create(creates);
        for path in paths {
            let (mut patched, mut fresh) = (Vec::new(), Vec::new());
            assert!(requests.append_next(7, &mut patched));
            Frame::new(&create(path, Bytes::from_static(b"x"))).append(7, &mut fresh);
            assert_eq!(patched, fresh, "{path}");
        }
        assert!(
            !requests.append_next(8, &mut Vec::new()),
            "more than {paths:?}"
        );
    }

    #[test]
    fn creates_equal_freshly_encoded_ones() {
        let data = Bytes::from_static(b"x");
        assert_creates(
            Creates::spread("/population", &data, 999, 2000, 6000),
            &[999, 2999, 4999].map(|number| Creates::spread_path("/population", number)),
        );
        assert_creates(
            Creates::under("/creates", 7, &data, 9..11),
            &[
                "/creates/0007/znode-of-the-bench-000000000009",
                "/creates/0007/znode-of-the-bench-000000000010",
            ]
            .map(str::to_owned),
        );
    }

    #[test]
    fn paths_of_a_spread_population_have_48_bytes() {
        assert_eq!(Creates::spread_path("/population", 0).len(), 48);
        assert_eq!(
            Creates::spread_path("/population", 999_999),
            "/population/0999/znode-of-the-bench-000000999999"
        );
        assert_eq!(Creates::spread_parents(1_000_000), 1000);
    }

    #[test]
    fn a_mix_keeps_its_share() {
        let frames: Arc<[Frame]> = Arc::from([Frame::new(&Request::Ping)]);
        let long: Arc<[Frame]> = Arc::from([Frame::new(&create("/a", Bytes::new()))]);
        let mut mix = Requests::Mixed {
            first: Choice::new(frames, 1),
            second: Choice::new(long, 2),
            second_percent: 10,
        };
        let mut second = 0;
        let mut out = Vec::new();
        for xid in 0..10_000 {
            out.clear();
            assert!(mix.append_next(xid, &mut out));
            second += usize::from(out.len() > 12);
        }
        assert!((900..1100).contains(&second), "{second} of 10 000");
    }
}
