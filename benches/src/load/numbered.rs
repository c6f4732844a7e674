//! Requests for one of very many znodes: encoded once, with only the digits of its path patched in.

use treekeeper_protocol::Request;

use crate::load::frame::{BODY_AT, Frame};
use crate::load::requests::{CHILDREN_PER_PARENT, Creates, Dice, NAME_DIGITS, PARENT_DIGITS};

/// A request whose body begins with the path of a numbered znode; see [`Creates`] for the paths.
#[derive(Clone, Debug)]
pub(super) struct NumberedFrame {
    frame: Frame,
    /// Where the parent's digits stand, if the parent changes with the number.
    parent_at: Option<usize>,
    name_at: usize,
}

impl NumberedFrame {
    /// For znodes below the parent that `path` has; `request` is for the znode `path`.
    pub(super) fn under_one_parent(request: &Request, path: &str) -> Self {
        // The body begins with the length of the path.
        let path_at = BODY_AT + 4;
        Self {
            frame: Frame::new(request),
            parent_at: None,
            name_at: path_at + path.len() - NAME_DIGITS,
        }
    }

    /// For znodes of a spread population below `root`; `request` makes one for a path.
    pub(super) fn spread(request: impl FnOnce(&str) -> Request, root: &str) -> Self {
        let path = Creates::spread_path(root, 0);
        Self {
            parent_at: Some(BODY_AT + 4 + root.len() + 1),
            ..Self::under_one_parent(&request(&path), &path)
        }
    }

    /// Appends the request for znode `number`.
    pub(super) fn append(&mut self, number: u64, xid: i32, out: &mut Vec<u8>) {
        let bytes = self.frame.bytes_mut();
        if let Some(at) = self.parent_at {
            write_digits(
                number / CHILDREN_PER_PARENT,
                &mut bytes[at..at + PARENT_DIGITS],
            );
        }
        write_digits(number, &mut bytes[self.name_at..self.name_at + NAME_DIGITS]);
        self.frame.append(xid, out);
    }
}

fn write_digits(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
    }
}

/// The same request for znodes of a spread population, in some order.
#[derive(Clone, Debug)]
pub struct Spread {
    frame: NumberedFrame,
    order: Order,
}

#[derive(Clone, Debug)]
enum Order {
    /// Any of the first `before`, without end.
    Any { dice: Dice, before: u64 },
    /// `next`, `next + step`, … below `before`.
    Each { next: u64, step: u64, before: u64 },
}

impl Spread {
    /// For any of the first `before` znodes below `root`, each as likely as the other; `seed` makes connections differ from
    /// each other, and runs alike.
    pub fn any(request: impl FnOnce(&str) -> Request, root: &str, before: u64, seed: u64) -> Self {
        let dice = Dice(seed);
        Self {
            frame: NumberedFrame::spread(request, root),
            order: Order::Any { dice, before },
        }
    }

    /// Once for each of the znodes `first`, `first + step`, … below `before`.
    pub fn each(
        request: impl FnOnce(&str) -> Request,
        root: &str,
        first: u64,
        step: u64,
        before: u64,
    ) -> Self {
        let order = Order::Each {
            next: first,
            step,
            before,
        };
        Self {
            frame: NumberedFrame::spread(request, root),
            order,
        }
    }

    pub(super) fn append_next(&mut self, xid: i32, out: &mut Vec<u8>) -> bool {
        let number = match &mut self.order {
            Order::Any { dice, before } => dice.roll(*before),
            Order::Each { next, step, before } => {
                if next >= before {
                    return false;
                }
                let number = *next;
                *next += *step;
                number
            }
        };
        self.frame.append(number, xid, out);
        true
    }
}

#[cfg(test)]
mod tests {
    use treekeeper_protocol::ReadRequest;

    use super::*;

    fn get(path: &str) -> Request {
        Request::GetData(ReadRequest {
            path: path.to_owned(),
            watch: false,
        })
    }

    fn get_frame(number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        Frame::new(&get(&Creates::spread_path("/population", number))).append(7, &mut out);
        out
    }

    #[test]
    fn each_znode_is_asked_for_once() {
        let mut gets = Spread::each(get, "/population", 999, 1000, 2500);
        for number in [999, 1999] {
            let mut out = Vec::new();
            assert!(gets.append_next(7, &mut out));
            assert_eq!(out, get_frame(number));
        }
        assert!(!gets.append_next(7, &mut Vec::new()));
    }

    #[test]
    fn any_znode_of_the_population_is_asked_for_and_no_other() {
        let mut gets = Spread::any(get, "/population", 3, 1);
        let population: Vec<Vec<u8>> = (0..3).map(get_frame).collect();
        let mut seen = [0; 3];
        for _ in 0..300 {
            let mut out = Vec::new();
            assert!(gets.append_next(7, &mut out));
            let at = population.iter().position(|frame| *frame == out);
            seen[at.expect("one of the population")] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
    }
}
