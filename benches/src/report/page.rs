//! A page of the documentation of which one section is written by a program.

/// The line before the section.
const BEGIN: &str =
    "<!-- growth: written by `make bench ARGS=\"growth --write-docs\"`, not by hand -->";
/// How that line begins, whatever else it says.
const BEGINS: &str = "<!-- growth:";
/// The line behind the section.
const END: &str = "<!-- end of growth -->";

/// A page whose markers are not in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the markers `{BEGINS} … -->` and `{END}` must each stand once on the page, in this order")]
pub struct MarkersError;

/// `page` with `section` between the markers; what stands outside them is kept. Markers that are missing are added in the
/// end.
///
/// # Errors
/// When only one marker is there, one of them several times, or the last first.
pub fn with_section(page: &str, section: &str) -> Result<String, MarkersError> {
    let section = section.trim();
    let once = |marker: &str| match page.matches(marker).count() {
        0 => Ok(None),
        1 => Ok(page.find(marker)),
        _ => Err(MarkersError),
    };
    match (once(BEGINS)?, once(END)?) {
        (None, None) => {
            let before = page.trim_end();
            let gap = if before.is_empty() { "" } else { "\n\n" };
            Ok(format!("{before}{gap}{BEGIN}\n\n{section}\n\n{END}\n"))
        }
        (Some(begin), Some(end)) if begin < end => {
            let (before, after) = (&page[..begin], &page[end..]);
            Ok(format!("{before}{BEGIN}\n\n{section}\n\n{after}"))
        }
        _ => Err(MarkersError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_page_has_the_section_alone() {
        let page = with_section("", "## Growth\n").unwrap();
        assert_eq!(page, format!("{BEGIN}\n\n## Growth\n\n{END}\n"));
    }

    #[test]
    fn what_stands_outside_the_markers_is_kept() {
        let page = format!("# Title\n\ntext\n\n{BEGIN}\nold\n{END}\n\nlast words");
        let expected = format!("# Title\n\ntext\n\n{BEGIN}\n\nnew\n\n{END}\n\nlast words");
        assert_eq!(with_section(&page, "new\n\n").unwrap(), expected);
        assert_eq!(
            with_section(&expected, "new").unwrap(),
            expected,
            "writing it again changes nothing"
        );
    }

    #[test]
    fn a_page_without_markers_gets_them_in_the_end() {
        let page = with_section("# Title\n", "new").unwrap();
        assert_eq!(page, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n"));
    }

    #[test]
    fn markers_out_of_order_are_no_place_for_a_section() {
        for page in [
            format!("{BEGIN}\n"),
            format!("{END}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{END}\n{BEGIN}\n{END}\n"),
        ] {
            assert_eq!(with_section(&page, "new"), Err(MarkersError), "{page}");
        }
    }
}
