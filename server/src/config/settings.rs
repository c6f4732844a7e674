//! All given settings under one name each, the winning one of several, and typed access to them.

use super::error::ConfigError;
use super::notice::{Notice, Origin};
use super::properties::Property;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Which defaults hold for keys that are not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// Neither file nor legacy arguments: serve on this machine alone, data in `./data`.
    Embedded,
    /// As ZooKeeper does.
    ZooKeeper,
}

/// A value and where it was given.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) origin: Origin,
}

/// Given settings by key, without the prefix `zookeeper.`.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) base: Base,
    by_key: BTreeMap<String, Setting>,
}

/// The largest Java `int`, in which ZooKeeper keeps most numbers.
const INT_MAX: i64 = i32::MAX as i64;

impl Settings {
    pub(super) fn new(base: Base) -> Self {
        Self {
            base,
            by_key: BTreeMap::new(),
        }
    }

    /// Adds the properties of a file. Of a key given twice the last one wins, which is worth a warning.
    pub(super) fn add_file(
        &mut self,
        path: &Path,
        properties: Vec<Property>,
        notices: &mut Vec<Notice>,
    ) {
        for Property { key, value, line } in properties {
            let key = short_name(&key).to_owned();
            let origin = Origin::File {
                path: path.to_owned(),
                line,
            };
            let setting = Setting {
                value,
                origin: origin.clone(),
            };
            if let Some(earlier) = self.by_key.insert(key.clone(), setting) {
                let text = format!(
                    "{key} was already given at {}; this line wins",
                    earlier.origin
                );
                notices.push(Notice::warning(&origin, text));
            }
        }
    }

    /// Puts a setting of the command line over whatever a file says.
    pub(super) fn set_flag(&mut self, key: &str, value: String, typed: String) {
        self.by_key.insert(
            short_name(key).to_owned(),
            Setting {
                value,
                origin: Origin::Flag(typed),
            },
        );
    }

    pub(super) fn get(&self, key: &str) -> Option<&Setting> {
        self.by_key.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.by_key
            .iter()
            .map(|(key, setting)| (key.as_str(), setting))
    }

    /// The value of `key` as `parse` sees it; an empty one counts as not given, as in ZooKeeper's samples.
    ///
    /// # Errors
    /// When `parse` refuses; `allowed` then says what it takes.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(setting) = self.get(key).filter(|setting| !setting.value.is_empty()) else {
            return Ok(None);
        };
        match parse(&setting.value) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError::Value {
                origin: setting.origin.clone(),
                key: key.to_owned(),
                value: setting.value.clone(),
                allowed: allowed.to_owned(),
            }),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let flag = self.parsed(key, "true or false", |value| {
            match value.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }
        })?;
        Ok(flag.unwrap_or(default))
    }

    /// `yes` or `no`, which some of ZooKeeper's keys use.
    pub(super) fn yes_or_no(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let flag = self.parsed(key, "yes or no", |value| {
            match value.to_ascii_lowercase().as_str() {
                "yes" | "true" => Some(true),
                "no" | "false" => Some(false),
                _ => None,
            }
        })?;
        Ok(flag.unwrap_or(default))
    }

    /// A whole number from `min` to the largest `int`, in decimal or after `0x`; `what` says what is counted.
    pub(super) fn number(
        &self,
        key: &str,
        min: i64,
        what: &str,
    ) -> Result<Option<i64>, ConfigError> {
        let allowed = format!("a whole number{what} from {min} to {INT_MAX}");
        self.parsed(key, &allowed, |value| {
            whole_number(value).filter(|number| (min..=INT_MAX).contains(number))
        })
    }

    /// A number of which everything below 1 means "no limit".
    pub(super) fn limit(&self, key: &str, default: u32) -> Result<Option<u32>, ConfigError> {
        let limit = self
            .number(key, -1, "")?
            .unwrap_or_else(|| i64::from(default));
        Ok(u32::try_from(limit).ok().filter(|limit| *limit > 0))
    }

    /// A number of milliseconds, at least `min`.
    pub(super) fn millis(&self, key: &str, min: i64) -> Result<Option<Duration>, ConfigError> {
        let number = self.number(key, min, " of milliseconds")?;
        Ok(number.map(|number| Duration::from_millis(u64::try_from(number).unwrap_or(0))))
    }

    /// A TCP port; 0 lets the system choose one.
    pub(super) fn port(&self, key: &str) -> Result<Option<u16>, ConfigError> {
        self.parsed(key, "a port from 0 to 65535", |value| value.parse().ok())
    }

    /// A number of bytes, with `K`, `M`, `G` or `T` behind it for powers of 1024.
    pub(super) fn bytes(&self, key: &str, min: u64) -> Result<Option<u64>, ConfigError> {
        let allowed = format!("a number of bytes, at least {min}, as in 1073741824, 1024M or 1G");
        self.parsed(key, &allowed, |value| {
            size_in_bytes(value).filter(|bytes| *bytes >= min)
        })
    }
}

/// A key without the prefix that Java gives its system property.
fn short_name(key: &str) -> &str {
    key.strip_prefix("zookeeper.").unwrap_or(key)
}

fn whole_number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn size_in_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        "t" | "tb" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
