//! The running digest of the tree (ZooKeeper's `DigestCalculator`, version 2): members compare it.

use crate::tree::Znode;

/// Version of the digest's layout.
pub const DIGEST_VERSION: u32 = 2;

/// What one znode adds to the digest: a CRC-32 of its path, data and stored stat; nothing below `/zookeeper/`.
#[must_use]
pub(super) fn of(path: &str, znode: &Znode) -> u64 {
    if path.starts_with("/zookeeper/") {
        return 0;
    }
    let mut crc = crc32fast::Hasher::new();
    // The root counts as "".
    crc.update(if path == "/" { b"" } else { path.as_bytes() });
    crc.update(znode.data.as_deref().unwrap_or_default());
    let mut stat = [0; 60];
    let long = [
        znode.czxid,
        znode.mzxid,
        znode.pzxid,
        znode.ctime,
        znode.mtime,
    ];
    let int = [znode.version, znode.child_creations, znode.aversion];
    for (slot, value) in stat[..40].chunks_exact_mut(8).zip(long) {
        slot.copy_from_slice(&value.to_be_bytes());
    }
    for (slot, value) in stat[40..52].chunks_exact_mut(4).zip(int) {
        slot.copy_from_slice(&value.to_be_bytes());
    }
    stat[52..].copy_from_slice(&znode.owner.to_raw().to_be_bytes());
    crc.update(&stat);
    u64::from(crc.finalize())
}
