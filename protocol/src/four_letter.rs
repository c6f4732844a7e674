//! Four-letter words: plain-text questions in place of a handshake.
//!
//! In: the first four bytes of a connection. Out: which word they are, if any; otherwise they are the length
//! of a frame.
//! Not here: the answers, and who may ask.

macro_rules! words {
    ($($(#[$meta:meta])* $variant:ident = $bytes:literal, $name:literal;)*) => {
        /// A question that a connection may begin with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FourLetterWord {
            $($(#[$meta])* $variant,)*
        }

        impl FourLetterWord {
            /// Every word.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that a connection begins with; `None` if it begins with a frame.
            #[must_use]
            pub const fn from_first_bytes(bytes: [u8; 4]) -> Option<Self> {
                match &bytes {
                    $($bytes => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The four bytes on the wire.
            #[must_use]
            pub const fn as_bytes(self) -> &'static [u8; 4] {
                match self {
                    $(Self::$variant => $bytes,)*
                }
            }

            /// The name in the whitelist and in messages.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The word of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// The configuration.
    Conf = b"conf", "conf";
    /// Details of every connection.
    Cons = b"cons", "cons";
    /// Resets the statistics of connections.
    Crst = b"crst", "crst";
    /// Sizes of the data folders.
    Dirs = b"dirs", "dirs";
    /// Sessions and ephemerals.
    Dump = b"dump", "dump";
    /// The environment of the process.
    Envi = b"envi", "envi";
    /// The trace mask.
    Gtmk = b"gtmk", "gtmk";
    /// Recent digests of the tree.
    Hash = b"hash", "hash";
    /// Whether the server is read-only.
    Isro = b"isro", "isro";
    /// Metrics.
    Mntr = b"mntr", "mntr";
    /// Whether the process runs.
    Ruok = b"ruok", "ruok";
    /// Resets the statistics of the server.
    Srst = b"srst", "srst";
    /// A summary of the server.
    Srvr = b"srvr", "srvr";
    /// A summary of the server and its connections.
    Stat = b"stat", "stat";
    /// Sets the trace mask, which follows as an `i64`.
    Stmk = b"stmk", "stmk";
    /// Watches by session.
    Wchc = b"wchc", "wchc";
    /// Watches by path.
    Wchp = b"wchp", "wchp";
    /// A summary of watches.
    Wchs = b"wchs", "wchs";
    /// What a telnet client sends when it is interrupted.
    TelnetClose = b"\xff\xf4\xff\xfd", "telnet close";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_their_bytes() {
        for &word in FourLetterWord::ALL {
            assert_eq!(
                FourLetterWord::from_first_bytes(*word.as_bytes()),
                Some(word)
            );
            assert_eq!(FourLetterWord::from_name(word.name()), Some(word));
        }
        assert_eq!(FourLetterWord::ALL.len(), 19);
    }

    #[test]
    fn other_bytes_are_no_word() {
        for bytes in [*b"GET ", *b"RUOK", [0, 0, 0, 45]] {
            assert_eq!(FourLetterWord::from_first_bytes(bytes), None);
        }
    }
}
