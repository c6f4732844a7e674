//! The zoo.cfg that a suite's server runs with.
//!
//! In: where it keeps its data, its ports, what the suite adds. Out: the file's text. Not here: starting it (`server`).

use std::path::Path;

/// Milliseconds between two looks at empty containers; short, so that a case need not wait a minute.
pub const CONTAINER_CHECK_INTERVAL_MS: u32 = 500;

/// The ports of one server.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Where clients connect.
    pub client: u16,
    /// Where the `AdminServer` answers HTTP.
    pub admin: u16,
}

/// What both servers understand, then the suite's own lines: of a key given twice the last one counts. The super
/// user is `super:secret`.
pub fn zoo_cfg(data_dir: &Path, ports: Ports, settings: &str) -> String {
    let Ports { client, admin } = ports;
    // Half a second a tick: the shortest session is then one second, and an expiry takes one to two.
    format!(
        "tickTime=500\n\
         maxSessionTimeout=60000\n\
         dataDir={}\n\
         clientPort={client}\n\
         clientPortAddress=127.0.0.1\n\
         admin.serverAddress=127.0.0.1\n\
         admin.serverPort={admin}\n\
         maxClientCnxns=0\n\
         4lw.commands.whitelist=*\n\
         extendedTypesEnabled=true\n\
         enforceQuota=true\n\
         DigestAuthenticationProvider.superDigest=super:lK75jTNcA+U9vtVEw5vB51mj/w4=\n\
         {settings}",
        data_dir.display()
    )
}
