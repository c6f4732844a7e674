//! The cases by topic.

mod acl;
mod admin;
mod auth;
mod change;
mod create;
mod framing;
mod handshake;
mod headers;
mod multi;
mod path;
mod quota;
mod read;
mod removal;
mod restart;
mod sequence;
mod session;
mod set_watches;
mod standalone;
mod watch_once;
mod watch_ops;
mod watch_order;
mod watch_reach;
mod watch_table;
mod words;

use super::suite::Suite;

/// Lists every case.
pub(crate) fn register(suite: &mut Suite) {
    handshake::register(suite);
    framing::register(suite);
    headers::register(suite);
    create::register(suite);
    path::register(suite);
    sequence::register(suite);
    change::register(suite);
    read::register(suite);
    multi::register(suite);
    watch_table::register(suite);
    watch_once::register(suite);
    watch_order::register(suite);
    watch_reach::register(suite);
    set_watches::register(suite);
    watch_ops::register(suite);
    session::register(suite);
    removal::register(suite);
    acl::register(suite);
    auth::register(suite);
    quota::register(suite);
    words::register(suite);
    admin::register(suite);
    standalone::register(suite);
    restart::register(suite);
}
