//! The syntax of Java properties files, which zoo.cfg is written in.
//!
//! In: a file's text. Out: keys and values in order, unescaped and trimmed, with the line each key stands on.
//! Not here: what a key means; that a key may be given twice.
//!
//! A line is blank, a comment (`#` or `!`), or a key and a value parted by `=`, `:` or white space. A backslash at
//! the end of a line continues it, and elsewhere escapes: `\t`, `\n`, `\r`, `\f`, `\uXXXX`, or the character itself.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::character::complete::{anychar, char, line_ending, none_of, one_of};
use nom::combinator::{eof, map, map_opt, not, opt, peek, recognize, value};
use nom::multi::{fold_many0, many0_count};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) key: String,
    pub(super) value: String,
    /// Line of the key, counted from 1.
    pub(super) line: usize,
}

/// The text is no properties file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Line of the error, counted from 1.
    pub(super) line: usize,
    pub(super) problem: &'static str,
}

/// All properties of a file, in the order of the file.
pub(super) fn parse(text: &str) -> Result<Vec<Property>, SyntaxError> {
    let mut properties = Vec::new();
    let mut rest = text;
    loop {
        // Neither white space nor a comment can fail to parse; both may be absent.
        rest = skipped(rest).map_or(rest, |(after, ())| after);
        if rest.is_empty() {
            return Ok(properties);
        }
        let line = line_of(text, rest);
        // The grammar accepts any text but a broken `\uXXXX`.
        let (after, (key, value)) = property(rest).map_err(|_| SyntaxError {
            line,
            problem: "\\u must be followed by four hexadecimal digits",
        })?;
        properties.push(Property {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
            line,
        });
        rest = after;
    }
}

/// The line on which `rest`, the end of `text`, begins.
fn line_of(text: &str, rest: &str) -> usize {
    let before = &text[..text.len() - rest.len()];
    1 + before.matches('\n').count() + before.matches('\r').count() - before.matches("\r\n").count()
}

fn end_of_line(input: &str) -> IResult<&str, &str> {
    alt((line_ending, tag("\r"))).parse(input)
}

fn blank(input: &str) -> IResult<&str, char> {
    one_of(" \t\x0c").parse(input)
}

/// Blank lines, comments, and the white space before a key.
fn skipped(input: &str) -> IResult<&str, ()> {
    let comment = preceded(one_of("#!"), many0_count(none_of("\r\n")));
    value(
        (),
        many0_count(alt((
            value((), end_of_line),
            value((), blank),
            value((), comment),
        ))),
    )
    .parse(input)
}

fn property(input: &str) -> IResult<&str, (String, String)> {
    let key = text_of(" \t\x0c=:\r\n\\");
    let separator = (
        many0_count(alt((value((), blank), value((), continuation)))),
        opt(one_of("=:")),
        many0_count(alt((value((), blank), value((), continuation)))),
    );
    let end = alt((end_of_line, eof));
    (
        terminated(key, separator),
        terminated(text_of("\r\n\\"), end),
    )
        .parse(input)
}

/// Characters but those of `stop`, unless escaped.
fn text_of<'a>(
    stop: &'static str,
) -> impl Parser<&'a str, Output = String, Error = nom::error::Error<&'a str>> {
    let piece = alt((map(none_of(stop), Some), value(None, continuation), escaped));
    fold_many0(piece, String::new, |mut text, character| {
        text.extend(character);
        text
    })
}

/// A backslash at the end of a line, and the white space that the next one begins with.
fn continuation(input: &str) -> IResult<&str, &str> {
    recognize((char('\\'), alt((end_of_line, eof)), many0_count(blank))).parse(input)
}

/// An escaped character; none for half of a surrogate pair, which cannot stand alone in text.
fn escaped(input: &str) -> IResult<&str, Option<char>> {
    let unicode = map(
        preceded(
            char('u'),
            map_opt(
                take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit()),
                code_point,
            ),
        ),
        char::from_u32,
    );
    let named = alt((
        value('\t', char('t')),
        value('\n', char('n')),
        value('\r', char('r')),
        value('\x0c', char('f')),
    ));
    let itself = preceded(not(peek(char('u'))), anychar);
    preceded(char('\\'), alt((unicode, map(alt((named, itself)), Some)))).parse(input)
}

fn code_point(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        parse(text)
            .expect("valid")
            .into_iter()
            .map(|property| (property.key, property.value, property.line))
            .collect()
    }

    fn pair(text: &str) -> (String, String) {
        let [(key, value, _)] = &pairs(text)[..] else {
            panic!("one property in {text:?}")
        };
        (key.clone(), value.clone())
    }

    #[test]
    fn equals_colon_and_white_space_separate() {
        for text in [
            "a=b",
            "a:b",
            "a b",
            "a\tb",
            "  a = b  ",
            "a : b",
            "a   b",
            "a=b\n",
            "a=b\r\n",
            "a=b\r",
        ] {
            assert_eq!(pair(text), ("a".to_owned(), "b".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn only_the_first_separator_separates() {
        assert_eq!(
            pair("server.1=h:1:2;3"),
            ("server.1".to_owned(), "h:1:2;3".to_owned())
        );
        assert_eq!(pair("a==b"), ("a".to_owned(), "=b".to_owned()));
        assert_eq!(pair("a b=c"), ("a".to_owned(), "b=c".to_owned()));
    }

    #[test]
    fn a_value_may_be_empty() {
        assert_eq!(pair("a"), ("a".to_owned(), String::new()));
        assert_eq!(pair("a="), ("a".to_owned(), String::new()));
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_counted() {
        let text = "# one\n! two\n\n   # four \\\na=1\n \t\nb=2#no comment";
        assert_eq!(
            pairs(text),
            [
                ("a".into(), "1".into(), 5),
                ("b".into(), "2#no comment".into(), 7)
            ]
        );
    }

    #[test]
    fn a_backslash_continues_the_line_and_drops_the_white_space_of_the_next() {
        let text = "a=1,\\\n    2,\\\r\n\t3\nb=4";
        assert_eq!(
            pairs(text),
            [("a".into(), "1,2,3".into(), 1), ("b".into(), "4".into(), 4)]
        );
        assert_eq!(pair("a=1\\"), ("a".to_owned(), "1".to_owned()));
        assert_eq!(pair("a\\\n  b=1"), ("ab".to_owned(), "1".to_owned()));
        assert_eq!(pair("a\\\\=1"), ("a\\".to_owned(), "1".to_owned()));
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(
            pair("a=x\\ty\\u0041\\:\\q"),
            ("a".to_owned(), "x\tyA:q".to_owned())
        );
        assert_eq!(pair("a\\ b\\=c=d"), ("a b=c".to_owned(), "d".to_owned()));
    }

    #[test]
    fn a_broken_unicode_escape_is_an_error_with_its_line() {
        let error = parse("a=1\nb=\\u12x4\n").expect_err("broken escape");
        assert_eq!(
            error,
            SyntaxError {
                line: 2,
                problem: "\\u must be followed by four hexadecimal digits"
            }
        );
    }

    #[test]
    fn three_kinds_of_line_ends_count_as_one_line_each() {
        let lines: Vec<usize> = pairs("a=1\rb=2\r\nc=3\nd=4")
            .into_iter()
            .map(|(_, _, line)| line)
            .collect();
        assert_eq!(lines, [1, 2, 3, 4]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_properties_or_an_error(text in "\\PC*|[a\\\\u0=:# \t\r\n]{0,40}") {
            let lines = 1 + text.matches(['\r', '\n']).count();
            match parse(&text) {
                Ok(properties) => assert!(properties.iter().all(|property| (1..=lines).contains(&property.line))),
                Err(error) => assert!((1..=lines).contains(&error.line)),
            }
        }
    }
}
