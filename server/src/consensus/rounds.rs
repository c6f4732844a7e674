//! One question for all who ask it, a round at a time: those who come while a round is on its way share the next, so each
//! gets an answer that was asked for after it came.

use tokio::sync::{mpsc, oneshot};

use super::error::{LinearizeError, Stopped};

/// Who may wait for the next round; further ones wait to be taken.
const ASKING_MAX: usize = 1024;

/// The index of the log up to which this member has applied everything.
type Answer = Result<u64, LinearizeError>;

/// Where to ask; a handle.
#[derive(Clone)]
pub struct Rounds {
    asking: mpsc::Sender<oneshot::Sender<Answer>>,
}

impl Rounds {
    /// Where to ask, and what answers: it runs until nobody can ask any more.
    pub fn new<F>(round: impl Fn() -> F) -> (Self, impl Future<Output = ()>)
    where
        F: Future<Output = Answer>,
    {
        let (asking, asked) = mpsc::channel(ASKING_MAX);
        (Self { asking }, run(asked, round))
    }

    /// Waits for the answer of a round that begins from now on.
    ///
    /// # Errors
    /// That of the round, or [`LinearizeError::Stopped`] when there is none any more.
    pub async fn ask(&self) -> Answer {
        let (sender, answer) = oneshot::channel();
        if self.asking.send(sender).await.is_err() {
            return Err(Stopped.into());
        }
        answer.await.unwrap_or(Err(Stopped.into()))
    }
}

async fn run<F>(mut asked: mpsc::Receiver<oneshot::Sender<Answer>>, round: impl Fn() -> F)
where
    F: Future<Output = Answer>,
{
    while let Some(first) = asked.recv().await {
        let mut all = vec![first];
        while let Ok(more) = asked.try_recv() {
            all.push(more);
        }
        let answer = round().await;
        for one in all {
            // Who has gone needs no answer.
            let _ = one.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod unit_tests {
    use std::cell::Cell;
    use std::pin::pin;

    use futures::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    #[test]
    fn who_comes_during_a_round_gets_the_next() {
        let (begun, goes_on) = (Cell::new(0), Notify::new());
        let (rounds, answering) = Rounds::new(|| {
            begun.set(begun.get() + 1);
            let number = begun.get();
            let goes_on = &goes_on;
            async move {
                goes_on.notified().await;
                Ok(number)
            }
        });
        let mut answering = pin!(answering);
        let mut asked = Vec::new();
        for expected in [1, 1, 1] {
            let mut one = Box::pin(rounds.ask());
            assert_eq!(one.as_mut().now_or_never(), None);
            assert_eq!(answering.as_mut().now_or_never(), None);
            assert_eq!(begun.get(), expected);
            asked.push(one);
        }
        goes_on.notify_one();
        assert_eq!(answering.as_mut().now_or_never(), None);
        assert_eq!(begun.get(), 2, "two share the second");
        assert_eq!(asked.remove(0).now_or_never(), Some(Ok(1)));
        goes_on.notify_one();
        assert_eq!(answering.as_mut().now_or_never(), None);
        for one in asked {
            assert_eq!(one.now_or_never(), Some(Ok(2)));
        }
    }
}
