//! JSON as Jackson's pretty printer writes it, since scripts search ZooKeeper's answers for `"error" : null`.
//!
//! In: a [`Json`] value, whose objects keep their order. Out: its text. Not here: parsing.

use std::fmt::{self, Write};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Whole(i64),
    Unsigned(u64),
    Decimal(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn object<K: Into<String>>(fields: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(
            fields
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }

    /// Writes the value; objects break lines and indent, lists do not.
    fn write(&self, out: &mut impl Write, depth: usize) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Whole(value) => write!(out, "{value}"),
            Self::Unsigned(value) => write!(out, "{value}"),
            Self::Decimal(value) => write!(out, "{value:?}"),
            Self::Text(text) => out.write_str(&quoted(text)),
            Self::List(items) => {
                out.write_str("[ ")?;
                for (index, item) in items.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { ", " })?;
                    item.write(out, depth)?;
                }
                out.write_str(if items.is_empty() { "]" } else { " ]" })
            }
            Self::Object(fields) if fields.is_empty() => out.write_str("{ }"),
            Self::Object(fields) => {
                out.write_str("{")?;
                for (index, (key, value)) in fields.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { "," })?;
                    write!(
                        out,
                        "\n{:indent$}{} : ",
                        "",
                        quoted(key),
                        indent = 2 * (depth + 1)
                    )?;
                    value.write(out, depth + 1)?;
                }
                write!(out, "\n{:indent$}}}", "", indent = 2 * depth)
            }
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always valid JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_jacksons() {
        let value = Json::object([
            ("empty", Json::List(vec![])),
            ("none", Json::object::<&str>([])),
            (
                "list",
                Json::List(vec![Json::Whole(1), Json::text("a\"\n")]),
            ),
            (
                "objects",
                Json::List(vec![
                    Json::object([("a", Json::Decimal(0.0))]),
                    Json::object([("b", Json::Null)]),
                ]),
            ),
            ("error", Json::Null),
        ]);
        let expected = "{\n  \"empty\" : [ ],\n  \"none\" : { },\n  \"list\" : [ 1, \"a\\\"\\n\" ],\n  \"objects\" : [ {\n    \
                        \"a\" : 0.0\n  }, {\n    \"b\" : null\n  } ],\n  \"error\" : null\n}";
        assert_eq!(value.to_string(), expected);
    }
}
