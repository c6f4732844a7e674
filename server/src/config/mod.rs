//! Settings: zoo.cfg, flags and defaults become one checked struct, once, at start.
//!
//! In: [`Flags`] and the files they name. Out: a [`Config`] that nobody needs to check again, and [`Notice`]s, one
//! line each, on every key that is not used or not known. Not here: anything that acts on a setting; the only look
//! at the disk beyond the files themselves is [`check_data_dir`].
//!
//! Three rules decide on every key (the table is in `keys.rs`, the manual in `sample.cfg`):
//! * it is honoured, or it is reported as not used;
//! * neglecting it would weaken security or data: the server refuses to start;
//! * a wrong value is an error with its file and line, an unknown key a warning.

mod admin;
mod auth;
mod client;
mod containers;
mod data_dir;
mod error;
mod flags;
mod join;
mod keys;
mod listen;
mod membership;
mod memory;
mod metrics;
mod notice;
mod peer_tls;
mod properties;
mod replicated;
mod sessions;
mod settings;
mod storage;
mod whitelist;

pub use admin::AdminSettings;
pub use auth::{AuthSettings, DigestAlgorithm};
pub use client::{ClientSettings, LargeRequests};
pub use containers::ContainerSettings;
pub use data_dir::{DataDirError, check_data_dir};
pub use error::ConfigError;
pub use flags::Flags;
pub use join::{JoinRule, JoinSettings, Remembered};
pub use listen::ListenAddress;
pub use membership::{ClientEnd, Ensemble, Member, MemberRole, PeerAddress};
pub use metrics::MetricsProvider;
pub use notice::{Level, Notice, Origin};
pub use peer_tls::{ClientAuth, PeerTls, TlsVersions};
pub use replicated::ReplicatedSettings;
pub use sessions::SessionSettings;
pub use storage::StorageSettings;
pub use whitelist::Whitelist;

use crate::apply::{RULES_MAX, RULES_MIN, SupportedRules};
use membership::Membership;
use settings::{Base, Settings};
use std::time::Duration;

/// Everything the server was told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ensemble that the config names; none when this server stands alone.
    pub ensemble: Option<Ensemble>,
    /// TLS between the members; none when they talk without.
    pub peer_tls: Option<PeerTls>,
    /// Who may join it, and what this server remembers of having joined.
    pub join: JoinSettings,
    /// The base unit of time: sessions expire on its multiples.
    pub tick_time: Duration,
    /// What must be the same on every member, since it changes what a command does.
    pub replicated: ReplicatedSettings,
    /// The client port and the limits of connections and sessions.
    pub client: ClientSettings,
    /// Which sessions only this server knows.
    pub sessions: SessionSettings,
    /// How clients prove who they are.
    pub auth: AuthSettings,
    /// How often empty containers and expired TTL znodes are removed.
    pub containers: ContainerSettings,
    /// `treekeeper.rulesVersion`: the rules of apply that this server supports; fewer than its release where it is held back.
    pub rules: SupportedRules,
    /// Folders, the memory budget, and what is kept.
    pub storage: StorageSettings,
    /// The four-letter words that are answered.
    pub four_letter_words: Whitelist,
    /// The HTTP commands.
    pub admin: AdminSettings,
    /// Where metrics are exported.
    pub metrics: MetricsProvider,
    /// The text of the config file with its secrets blanked; empty without a file.
    pub initial_configuration: String,
}

impl Config {
    /// Reads the file that `flags` name, puts the flags over it, and checks everything. Notices are in the order of
    /// the file's lines.
    ///
    /// # Errors
    /// Whatever keeps the server from starting as it was told to, with file and line where there is one.
    pub fn load(flags: &Flags) -> Result<(Self, Vec<Notice>), ConfigError> {
        let sources = flags.sources()?;
        let mut notices = sources.notices;
        let settings = sources.settings;
        let remembered = match StorageSettings::read(&settings) {
            Ok(storage) => Remembered::read(&storage.data_folder())?,
            // Told below, in its turn.
            Err(_) => None,
        };
        keys::audit(&settings, remembered.is_some(), &mut notices)?;
        let config = Self::from_settings(&settings, sources.text, remembered, &mut notices)?;
        notices.sort_by(|a, b| a.origin.cmp(&b.origin));
        Ok((config, notices))
    }

    fn from_settings(
        settings: &Settings,
        text: String,
        remembered: Option<Remembered>,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        let tick_time = tick_time(settings)?;
        let storage = StorageSettings::read(settings)?;
        let peer_tls = PeerTls::read(settings, notices)?;
        let membership = Membership::read(
            settings,
            tick_time,
            &storage.data_dir,
            remembered.as_ref(),
            notices,
        )?;
        membership::check_election_algorithm(settings)?;
        Ok(Self {
            client: ClientSettings::read(settings, tick_time, membership.own.as_ref())?,
            sessions: SessionSettings::read(settings, membership.ensemble.is_some(), notices)?,
            join: JoinSettings::read(
                settings,
                membership.own.as_ref().map(|line| line.member.clone()),
                remembered.filter(|_| membership.is_remembered),
            )?,
            ensemble: membership.ensemble,
            peer_tls,
            tick_time,
            replicated: ReplicatedSettings::read(settings, notices)?,
            rules: rules(settings)?,
            auth: AuthSettings::read(settings)?,
            containers: ContainerSettings::read(settings)?,
            storage,
            four_letter_words: Whitelist::read(settings, notices)?,
            admin: AdminSettings::read(settings)?,
            metrics: MetricsProvider::read(settings)?,
            initial_configuration: text,
        })
    }
}

fn rules(settings: &Settings) -> Result<SupportedRules, ConfigError> {
    let allowed = format!("a version of the rules from {RULES_MIN} to {RULES_MAX}");
    let held = settings.parsed("treekeeper.rulesVersion", &allowed, |value| {
        let version = value.parse().ok()?;
        (RULES_MIN..=RULES_MAX)
            .contains(&version)
            .then_some(version)
    })?;
    Ok(held.map_or(SupportedRules::RELEASE, SupportedRules::up_to))
}

fn tick_time(settings: &Settings) -> Result<Duration, ConfigError> {
    let default = match settings.base {
        Base::Embedded => Duration::from_millis(2000),
        Base::ZooKeeper => Duration::from_millis(3000),
    };
    Ok(settings.millis("tickTime", 1)?.unwrap_or(default))
}

#[cfg(test)]
mod tests;
