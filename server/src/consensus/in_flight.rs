//! The room for proposals that are handed over and not applied yet.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// What a proposal costs beyond its payload.
const PROPOSAL_OVERHEAD: usize = 256;

/// Bytes of proposals in flight, bounded; a handle.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    free: Arc<Semaphore>,
    bytes_max: u32,
}

impl InFlight {
    pub(super) fn new(bytes_max: u32) -> InFlight {
        let permits = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        InFlight {
            free: Arc::new(Semaphore::new(permits)),
            bytes_max,
        }
    }

    /// Waits for room. The command is in flight until the permit is dropped.
    pub(super) async fn take(&self, command: &Bytes) -> Result<OwnedSemaphorePermit, AcquireError> {
        let cost = self.cost(command.len());
        Arc::clone(&self.free).acquire_many_owned(cost).await
    }

    /// The same without waiting.
    pub(super) fn try_take(
        &self,
        command: &Bytes,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let cost = self.cost(command.len());
        Arc::clone(&self.free).try_acquire_many_owned(cost)
    }

    /// Bytes in flight.
    pub(super) fn bytes(&self) -> usize {
        let bytes_max = usize::try_from(self.bytes_max).unwrap_or(usize::MAX);
        bytes_max.saturating_sub(self.free.available_permits())
    }

    /// Is nothing in flight but one command of so many bytes, or less?
    pub(super) fn is_alone(&self, bytes: usize) -> bool {
        self.bytes() <= usize::try_from(self.cost(bytes)).unwrap_or(usize::MAX)
    }

    /// Refuses everybody from now on.
    pub(super) fn close(&self) {
        self.free.close();
    }

    fn cost(&self, bytes: usize) -> u32 {
        u32::try_from(bytes + PROPOSAL_OVERHEAD)
            .unwrap_or(u32::MAX)
            .min(self.bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_is_alone_until_a_second_is_in_flight() {
        let in_flight = InFlight::new(1 << 20);
        let (first, second) = (Bytes::from(vec![0; 100]), Bytes::from(vec![0; 50]));
        let held = in_flight.try_take(&first).expect("there is room");
        assert!(in_flight.is_alone(100));
        let other = in_flight.try_take(&second).expect("there is room");
        assert!(!in_flight.is_alone(50) && !in_flight.is_alone(100));
        drop(held);
        assert!(in_flight.is_alone(50));
        drop(other);
        assert_eq!(in_flight.bytes(), 0);
    }

    #[test]
    fn there_is_room_for_one_that_is_too_large_and_for_nothing_beside_it() {
        let in_flight = InFlight::new(1000);
        let held = in_flight
            .try_take(&Bytes::from(vec![0; 5000]))
            .expect("it has all the room");
        assert!(in_flight.try_take(&Bytes::new()).is_err());
        drop(held);
        assert!(in_flight.try_take(&Bytes::new()).is_ok());
    }
}
