//! Numbers as people read them.

/// Three digits and a letter for the thousands: `0.0123`, `1.23`, `123`, `12.3 k`, `1 M`. The space does not break a line.
pub fn compact(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let (scaled, letter) = [(1e9, "G"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        // What rounds up to a thousand is one: 999 600 is 1.00 M.
        .find(|(thousands, _)| value.abs() >= thousands * 0.9995)
        .map_or((value, ""), |(thousands, letter)| {
            (value / thousands, letter)
        });
    let digits = three_digits(scaled);
    if letter.is_empty() {
        digits
    } else {
        format!("{digits}\u{a0}{letter}")
    }
}

fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        size if size >= 0.09995 => 3,
        _ => 4,
    };
    let digits = format!("{value:.decimals$}");
    let short = digits.trim_end_matches('0').trim_end_matches('.');
    // 10 is 10, but 9.999 is 10.0.
    match short.parse::<f64>() {
        Ok(exact) if decimals > 0 && exact.total_cmp(&value).is_eq() => short.to_owned(),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_kept() {
        let texts = [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (0.5, "0.5"),
            (9.999, "10.0"),
            (10.0, "10"),
            (131.4, "131"),
            (-42.42, "-42.4"),
        ];
        for (value, text) in texts {
            assert_eq!(compact(value), text);
        }
    }

    #[test]
    fn thousands_have_a_letter() {
        let texts = [
            (999.4, "999"),
            (999.6, "1.00\u{a0}k"),
            (1000.0, "1\u{a0}k"),
            (12_345.0, "12.3\u{a0}k"),
            (10_000_000.0, "10\u{a0}M"),
            (2.5e9, "2.5\u{a0}G"),
        ];
        for (value, text) in texts {
            assert_eq!(compact(value), text);
        }
    }
}
