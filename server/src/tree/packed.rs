//! A znode in memory as it is stored, with its path, in one allocation.
//!
//! A fresh znode with a path of 48 bytes and 100 bytes of data takes 192 bytes; as structs, with a map's key and its
//! value each in an allocation of their own, it took 400. Reading it back costs less than a system call by far.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use triomphe::ThinArc;

use super::Znode;

/// From here on data are shared with who reads them, and not copied out.
const SHARED_DATA_BYTES_MIN: usize = 4096;

/// A znode and its path. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Packed(ThinArc<Header, u8>);

#[derive(Debug)]
struct Header {
    path_len: u32,
    /// Was it looked up since the cache last made room?
    touched: AtomicBool,
}

/// A znode's data, for whoever holds on to them.
struct Data {
    packed: Packed,
    start: usize,
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.packed.0.slice[self.start..]
    }
}

impl Packed {
    /// Packs a znode.
    #[must_use]
    pub fn new(path: &str, znode: &Znode) -> Self {
        let mut bytes = Vec::with_capacity(path.len() + znode.data_len() + 64);
        bytes.extend_from_slice(path.as_bytes());
        znode.encode(&mut bytes);
        let header = Header {
            path_len: u32::try_from(path.len()).expect("a path fits into a frame"),
            touched: AtomicBool::new(false),
        };
        Self(ThinArc::from_header_and_slice(header, &bytes))
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.parts().0
    }

    /// The stored form: [`Znode::encode`].
    #[must_use]
    pub fn stored(&self) -> &[u8] {
        self.parts().1
    }

    /// The znode.
    #[must_use]
    pub fn znode(&self) -> Arc<Znode> {
        let stored = self.stored();
        let copied_or_shared = |data: &[u8]| {
            if data.len() < SHARED_DATA_BYTES_MIN {
                return Bytes::copy_from_slice(data);
            }
            Bytes::from_owner(Data {
                packed: self.clone(),
                // Data stand at the end.
                start: self.0.slice.len() - data.len(),
            })
        };
        let znode = Znode::decode_with(stored, copied_or_shared);
        Arc::new(znode.expect("it was packed from a znode"))
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        // The count, the header and the length stand before the bytes.
        3 * size_of::<usize>() + self.0.slice.len()
    }

    /// Notes that it was looked up.
    pub(super) fn touch(&self) {
        let touched = &self.0.header.header.touched;
        // Most are touched already: nothing is written to a line that others read.
        if !touched.load(Ordering::Relaxed) {
            touched.store(true, Ordering::Relaxed);
        }
    }

    /// Was it looked up since this was last asked?
    pub(super) fn take_touched(&self) -> bool {
        self.0.header.header.touched.swap(false, Ordering::Relaxed)
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let path_len = usize::try_from(self.0.header.header.path_len).expect("at least 32 bits");
        self.0.slice.split_at(path_len)
    }
}
