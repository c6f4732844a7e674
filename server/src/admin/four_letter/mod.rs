//! What the server answers to four-letter words.
//!
//! In: a word, and a [`View`] of the server. Out: the text, byte for byte in the shape of ZooKeeper's, which is
//! written to the socket before it is closed. Not here: finding the word among the bytes (`protocol`), the socket.

mod configuration;
mod connections;
mod dump;
mod summary;
mod watches;

use super::NOT_SERVING;
use super::environment::environment;
use super::gauges::Number;
use super::monitor::{self, Value};
use super::view::{ServerMode, View};
use treekeeper_protocol::FourLetterWord;

/// The answer to `word`, if the whitelist of the server's settings allows it; else a sentence that says so.
/// `extra` are the eight bytes behind the word, which only `stmk` reads. May touch the disk, to measure folders.
#[must_use]
pub fn answer(word: FourLetterWord, extra: [u8; 8], view: &dyn View) -> String {
    if !view.config().four_letter_words.contains(word) {
        return format!(
            "{} is not executed because it is not in the whitelist.\n",
            word.name()
        );
    }
    let serving = view.is_serving();
    match word {
        FourLetterWord::Ruok => "imok".to_owned(),
        FourLetterWord::Isro => match (serving, view) {
            (false, _) => "null".to_owned(),
            (true, view) if view.server().mode == ServerMode::ReadOnly => "ro".to_owned(),
            (true, _) => "rw".to_owned(),
        },
        FourLetterWord::Envi => lines("Environment:\n", environment().into_iter()),
        FourLetterWord::Gtmk => view.trace_mask().get().to_string(),
        FourLetterWord::Stmk => {
            view.trace_mask().set(i64::from_be_bytes(extra));
            view.trace_mask().get().to_string()
        }
        FourLetterWord::TelnetClose => String::new(),
        _ if !serving => format!("{NOT_SERVING}\n"),
        FourLetterWord::Srvr => summary::srvr(view),
        FourLetterWord::Stat => summary::stat(view),
        FourLetterWord::Cons => connections::cons(view),
        FourLetterWord::Conf => configuration::conf(view),
        FourLetterWord::Mntr => mntr(view),
        FourLetterWord::Dump => dump::dump(view),
        FourLetterWord::Wchs => watches::wchs(view),
        FourLetterWord::Wchc => watches::wchc(view),
        FourLetterWord::Wchp => watches::wchp(view),
        FourLetterWord::Dirs => format!(
            "datadir_size: {}\nlogdir_size: {}\n",
            view.data_dir_size(),
            view.log_dir_size()
        ),
        FourLetterWord::Hash => view
            .digests()
            .iter()
            .map(|digest| format!("{:x}: {}\n", digest.zxid, digest.digest))
            .collect(),
        FourLetterWord::Crst => {
            view.reset_connection_stats();
            "Connection stats reset.\n".to_owned()
        }
        FourLetterWord::Srst => {
            view.reset_server_stats();
            "Server stats reset.\n".to_owned()
        }
    }
}

/// `key=value` lines.
fn lines(heading: &str, pairs: impl Iterator<Item = (&'static str, String)>) -> String {
    pairs.fold(heading.to_owned(), |text, (key, value)| {
        text + key + "=" + &value + "\n"
    })
}

fn mntr(view: &dyn View) -> String {
    let line = |(name, value): (String, Value)| match value {
        Value::Text(text) => format!("zk_{name}\t{text}\n"),
        Value::Number(Number::Whole(number)) => format!("zk_{name}\t{number}\n"),
        Value::Number(Number::Decimal(number)) => format!("zk_{name}\t{number:?}\n"),
    };
    monitor::monitor(view).into_iter().map(line).collect()
}

#[cfg(test)]
mod tests;
