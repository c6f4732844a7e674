//! The four-letter words that are answered.

use super::error::ConfigError;
use super::notice::Notice;
use super::settings::Settings;
use std::collections::BTreeSet;
use treekeeper_protocol::FourLetterWord;

/// A set of four-letter words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whitelist {
    words: BTreeSet<FourLetterWord>,
}

impl Whitelist {
    /// Whether `word` is answered.
    #[must_use]
    pub fn contains(&self, word: FourLetterWord) -> bool {
        self.words.contains(&word)
    }

    /// `4lw.commands.whitelist`: a list with commas, `*` for all. `srvr` is always in it, since ZooKeeper's own
    /// scripts need it; read-only mode adds `isro`, by which its clients find a server that writes.
    pub(super) fn read(
        settings: &Settings,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        let mut words = BTreeSet::from([FourLetterWord::Srvr]);
        if let Some(setting) = settings.get("4lw.commands.whitelist") {
            for given in setting
                .value
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
            {
                match FourLetterWord::from_name(given) {
                    Some(word) => words.extend([word]),
                    None if given == "*" => words.extend(FourLetterWord::ALL),
                    None => {
                        let text = format!(
                            "4lw.commands.whitelist names {given}, which is no four-letter word"
                        );
                        notices.push(Notice::warning(&setting.origin, text));
                    }
                }
            }
        }
        if settings.flag("readonlymode.enabled", false)? {
            words.insert(FourLetterWord::Isro);
        }
        Ok(Self { words })
    }
}
