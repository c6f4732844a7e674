//! The command line of `treekeeper serve`, and how it joins the files.

use super::error::ConfigError;
use super::keys;
use super::notice::Notice;
use super::properties::{self, Property};
use super::settings::{Base, Settings};
use std::fs;
use std::path::{Path, PathBuf};

/// What the command line may say about the settings. Flags go over the file, the file over the defaults.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The config file, `--config`.
    pub config: Option<PathBuf>,
    /// The data folder, `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// The client port, `--client-port`.
    pub client_port: Option<u16>,
    /// The file with the join token, `--join-token-file`.
    pub join_token_file: Option<PathBuf>,
    /// Where the other members reach this server, `--peer-address`.
    pub peer_address: Option<String>,
    /// `key=value` pairs, `--set`; of a key given twice the last one wins.
    pub set: Vec<String>,
    /// ZooKeeper's arguments in place of a file: `<clientPort> <dataDir> [tickTime] [maxClientCnxns]`.
    pub legacy: Vec<String>,
}

/// Everything that was given, before anything is checked.
pub(super) struct Sources {
    pub(super) settings: Settings,
    pub(super) notices: Vec<Notice>,
    /// The config file's text, secrets blanked.
    pub(super) text: String,
}

/// The keys of ZooKeeper's arguments, in their order.
const LEGACY_KEYS: [&str; 4] = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];

impl Flags {
    pub(super) fn sources(&self) -> Result<Sources, ConfigError> {
        let base = if self.config.is_none() && self.legacy.is_empty() {
            Base::Embedded
        } else {
            Base::ZooKeeper
        };
        let mut sources = Sources {
            settings: Settings::new(base),
            notices: Vec::new(),
            text: String::new(),
        };
        if let Some(path) = &self.config {
            sources.add_files(path)?;
        }
        self.add_legacy(&mut sources.settings)?;
        self.add_flags(&mut sources.settings)?;
        Ok(sources)
    }

    fn add_legacy(&self, settings: &mut Settings) -> Result<(), ConfigError> {
        if self.legacy.is_empty() {
            return Ok(());
        }
        if self.config.is_some() || !(2..=LEGACY_KEYS.len()).contains(&self.legacy.len()) {
            let usage =
                "give either --config FILE or <clientPort> <dataDir> [tickTime] [maxClientCnxns]";
            return Err(ConfigError::Flags(usage.to_owned()));
        }
        for (key, value) in LEGACY_KEYS.into_iter().zip(&self.legacy) {
            settings.set_flag(key, value.clone(), "the command line".to_owned());
        }
        Ok(())
    }

    fn add_flags(&self, settings: &mut Settings) -> Result<(), ConfigError> {
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(ConfigError::Flags(format!("--set {pair}: give key=value")));
            };
            settings.set_flag(key.trim(), value.trim().to_owned(), format!("--set {pair}"));
        }
        if let Some(data_dir) = &self.data_dir {
            let value = data_dir.display().to_string();
            settings.set_flag("dataDir", value.clone(), format!("--data-dir {value}"));
        }
        if let Some(file) = &self.join_token_file {
            let value = file.display().to_string();
            let typed = format!("--join-token-file {value}");
            settings.set_flag("treekeeper.joinTokenFile", value, typed);
        }
        if let Some(address) = &self.peer_address {
            let typed = format!("--peer-address {address}");
            settings.set_flag("treekeeper.peerAddress", address.clone(), typed);
        }
        if let Some(port) = self.client_port {
            settings.set_flag(
                "clientPort",
                port.to_string(),
                format!("--client-port {port}"),
            );
        }
        Ok(())
    }
}

impl Sources {
    /// Adds a config file, and the dynamic one it may point to.
    fn add_files(&mut self, path: &Path) -> Result<(), ConfigError> {
        let (text, properties) = read(path)?;
        self.text = without_secrets(&text);
        self.settings.add_file(path, properties, &mut self.notices);
        let Some(dynamic) = self.settings.get("dynamicConfigFile").cloned() else {
            return Ok(());
        };
        if let Some((key, setting)) = self
            .settings
            .iter()
            .find(|(key, _)| keys::is_membership(key))
        {
            let problem = format!(
                "{key} must stand in {}, since dynamicConfigFile is given",
                dynamic.value
            );
            return Err(ConfigError::Conflict {
                origin: setting.origin.clone(),
                problem,
            });
        }
        let dynamic_path = PathBuf::from(&dynamic.value);
        let (_, properties) = read(&dynamic_path)?;
        if let Some(property) = properties
            .iter()
            .find(|property| !keys::is_membership(&property.key))
        {
            let problem = format!(
                "{} does not belong into a dynamic config file: only server.N, group.N and weight.N do",
                property.key
            );
            let origin = super::Origin::File {
                path: dynamic_path,
                line: property.line,
            };
            return Err(ConfigError::Conflict { origin, problem });
        }
        self.settings
            .add_file(&dynamic_path, properties, &mut self.notices);
        Ok(())
    }
}

/// A file's text (bytes that are not UTF-8 can only stand in comments or names, so they are replaced) and properties.
fn read(path: &Path) -> Result<(String, Vec<Property>), ConfigError> {
    let bytes = fs::read(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let properties = properties::parse(&text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.line,
        problem: error.problem,
    })?;
    Ok((text, properties))
}

/// The text with the values of passwords and digests blanked, since HTTP shows it to anybody.
fn without_secrets(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find(['=', ':']) {
        Some(separator) if is_secret(&line[..separator]) => format!("{}***", &line[..=separator]),
        _ => line.to_owned(),
    });
    lines.fold(String::with_capacity(text.len()), |text, line| {
        text + &line + "\n"
    })
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.contains("password") || key.contains("superdigest")
}
