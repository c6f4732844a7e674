//! The client against a server that does exactly what each test says, over TCP on the loopback.

mod calls;
mod failures;
mod server;
mod sessions;
mod watches;
