//! A znode's stored form: what the store gets, and what stays in memory.
//!
//! Reading it back costs less than a system call by far.

use std::sync::Arc;

use bytes::Bytes;

use super::Znode;

/// From here on data are shared with who reads them, and not copied out.
const SHARED_DATA_BYTES_MIN: usize = 4096;

/// The stored form of a znode: [`Znode::encode`]. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stored(Arc<[u8]>);

/// A znode's data, for whoever holds on to them.
struct Data {
    stored: Stored,
    start: usize,
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.stored.0[self.start..]
    }
}

impl Stored {
    /// Encodes a znode, by way of a buffer that can be used again.
    #[must_use]
    pub fn new(znode: &Znode, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        znode.encode(scratch);
        Self(scratch.as_slice().into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The znode. Large data are shared with this, not copied.
    #[must_use]
    pub fn znode(&self) -> Arc<Znode> {
        let copied_or_shared = |data: &[u8]| {
            if data.len() < SHARED_DATA_BYTES_MIN {
                return Bytes::copy_from_slice(data);
            }
            Bytes::from_owner(Data {
                stored: self.clone(),
                // Data stand at the end.
                start: self.0.len() - data.len(),
            })
        };
        let znode = Znode::decode_with(&self.0, copied_or_shared);
        Arc::new(znode.expect("it was encoded from a znode"))
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        // Two counts stand before the bytes.
        2 * size_of::<usize>() + self.0.len()
    }
}
