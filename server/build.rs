//! Has the linker lay the functions that a start runs side by side.
//!
//! The kernel maps 64 KB of a program around each page that it touches. What a start runs of RocksDB is 2 MB, which lay
//! scattered over 8 MB; of an idle server's memory that was a fifth. `link/start.order` names these functions;
//! `link/make-order` makes it, for a new version of RocksDB. A name in it that is gone does no harm.

use std::env;

/// The target that Rust links with its own LLD unless it is told otherwise; other linkers do not know the option.
const LINKED_WITH_LLD: &str = "x86_64-unknown-linux-gnu";

fn main() {
    println!("cargo:rerun-if-changed=link/start.order");
    let target = env::var("TARGET").expect("cargo sets it");
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let other_linker = env::var_os("RUSTC_LINKER").is_some()
        || [
            "fuse-ld",
            "linker=",
            "linker-features",
            "link-self-contained",
        ]
        .iter()
        .any(|flag| flags.contains(flag));
    if target == LINKED_WITH_LLD && !other_linker {
        println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={folder}/link/start.order");
        println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}
