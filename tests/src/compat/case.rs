//! What a suite says about one case.
//!
//! In: a line of a suite's standard output. Out: the case's name and its outcome, or nothing for any other line.
//! Not here: what the outcomes of all cases amount to (`matrix`).

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server did what the case asks.
    Passed,
    /// The server did something else; the text says what.
    Failed(String),
    /// The case does not apply to this server; the text says why.
    Skipped(String),
}

/// Reads `ok NAME`, `not ok NAME # REASON` or `skip NAME # REASON`.
pub fn parse(line: &str) -> Option<(String, Outcome)> {
    let line = line.trim_end();
    if let Some(rest) = line.strip_prefix("not ok ") {
        let (name, reason) = split_reason(rest)?;
        return Some((name, Outcome::Failed(reason)));
    }
    if let Some(rest) = line.strip_prefix("skip ") {
        let (name, reason) = split_reason(rest)?;
        return Some((name, Outcome::Skipped(reason)));
    }
    let (name, _) = split_reason(line.strip_prefix("ok ")?)?;
    Some((name, Outcome::Passed))
}

/// Cuts `NAME # REASON`; a name is one word, so that ordinary output that begins with "ok" is no case.
fn split_reason(rest: &str) -> Option<(String, String)> {
    let (name, reason) = rest.split_once('#').unwrap_or((rest, ""));
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    Some((name.to_owned(), reason.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_of_line_are_cases() {
        assert_eq!(parse("ok create"), Some(("create".into(), Outcome::Passed)));
        assert_eq!(
            parse("not ok create # expected 1 # but was 2"),
            Some((
                "create".into(),
                Outcome::Failed("expected 1 # but was 2".into())
            ))
        );
        assert_eq!(
            parse("skip create # not in this version\n"),
            Some((
                "create".into(),
                Outcome::Skipped("not in this version".into())
            ))
        );
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "okay then",
            "ok",
            "ok two words",
            "  ok indented",
            "not ok",
            "Downloading ok x",
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
