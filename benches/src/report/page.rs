//! A page of the documentation of which some sections are written by a program.

use std::path::Path;
use std::{fs, io};

/// A section between two lines that are comments in Markdown: `<!-- NAME: … -->` and `<!-- end of NAME -->`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// In its markers.
    pub name: &'static str,
    /// What writes it.
    pub command: &'static str,
}

/// A page whose markers are not in order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the markers of the section {0} must each stand once on the page, in their order")]
pub struct MarkersError(&'static str);

/// Why a page could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nobody could tell where the section goes.
    #[error(transparent)]
    Markers(#[from] MarkersError),
}

impl Section {
    /// `page` with `text` between the markers; what stands outside them is kept. Markers that are missing are added in
    /// the end.
    ///
    /// # Errors
    /// When only one marker is there, one of them several times, or the last first.
    pub fn put_into(self, page: &str, text: &str) -> Result<String, MarkersError> {
        let text = text.trim();
        let once = |marker: &str| match page.matches(marker).count() {
            0 => Ok(None),
            1 => Ok(page.find(marker)),
            _ => Err(MarkersError(self.name)),
        };
        let (begin, end) = (self.begin(), self.end());
        match (once(&self.begins())?, once(&end)?) {
            (None, None) => {
                let before = page.trim_end();
                let gap = if before.is_empty() { "" } else { "\n\n" };
                Ok(format!("{before}{gap}{begin}\n\n{text}\n\n{end}\n"))
            }
            (Some(first), Some(last)) if first < last => {
                let (before, after) = (&page[..first], &page[last..]);
                Ok(format!("{before}{begin}\n\n{text}\n\n{after}"))
            }
            _ => Err(MarkersError(self.name)),
        }
    }

    /// Writes `text` into the page in the file `path`, which is made if it is not there.
    ///
    /// # Errors
    /// [`PageError`]; then the file is as it was.
    pub fn write(self, path: &Path, text: &str) -> Result<(), PageError> {
        let page = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            page => page?,
        };
        Ok(fs::write(path, self.put_into(&page, text)?)?)
    }

    /// The line before the section.
    fn begin(self) -> String {
        let command = self.command;
        format!("{} written by `{command}`, not by hand -->", self.begins())
    }

    /// How that line begins, whatever else it says.
    fn begins(self) -> String {
        format!("<!-- {}:", self.name)
    }

    /// The line behind the section.
    fn end(self) -> String {
        format!("<!-- end of {} -->", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: Section = Section {
        name: "growth",
        command: "make bench",
    };
    const BEGIN: &str = "<!-- growth: written by `make bench`, not by hand -->";
    const END: &str = "<!-- end of growth -->";

    fn put(page: &str, text: &str) -> Result<String, MarkersError> {
        SECTION.put_into(page, text)
    }

    #[test]
    fn a_new_page_has_the_section_alone() {
        let page = put("", "## Growth\n").unwrap();
        assert_eq!(page, format!("{BEGIN}\n\n## Growth\n\n{END}\n"));
    }

    #[test]
    fn what_stands_outside_the_markers_is_kept() {
        let page = format!("# Title\n\ntext\n\n{BEGIN}\nold\n{END}\n\nlast words");
        let expected = format!("# Title\n\ntext\n\n{BEGIN}\n\nnew\n\n{END}\n\nlast words");
        assert_eq!(put(&page, "new\n\n").unwrap(), expected);
        assert_eq!(
            put(&expected, "new").unwrap(),
            expected,
            "writing it again changes nothing"
        );
    }

    #[test]
    fn a_page_without_markers_gets_them_in_the_end() {
        let page = put("# Title\n", "new").unwrap();
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
            assert_eq!(put(&page, "new"), Err(MarkersError("growth")), "{page}");
        }
    }
}
