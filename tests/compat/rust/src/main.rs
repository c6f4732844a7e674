//! The suite of the crate `zookeeper-client`: every case against the server at `TK_CONNECT`, one result line each.
//!
//! Names given as arguments choose cases; without any, all run.

mod acls;
mod control;
mod errors;
mod harness;
mod link;
mod locks;
mod modes;
mod multi;
mod operations;
mod scene;
mod sessions;
mod watches;

#[tokio::main]
async fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let groups = [
        operations::cases(),
        modes::cases(),
        errors::cases(),
        watches::cases(),
        acls::cases(),
        multi::cases(),
        locks::cases(),
        sessions::cases(),
    ];
    for case in groups.into_iter().flatten() {
        if only.is_empty() || only.iter().any(|name| name == case.name) {
            println!("{}", harness::outcome(case).await);
        }
    }
}
