//! `wchs`, `wchc` and `wchp`: how much is watched, by whom, and which paths.

use crate::admin::view::{View, sessions_by_path};

pub(super) fn wchs(view: &dyn View) -> String {
    let summary = view.watch_summary();
    format!(
        "{} connections watching {} paths\nTotal watches:{}\n",
        summary.connections, summary.paths, summary.watches
    )
}

pub(super) fn wchc(view: &dyn View) -> String {
    let groups = view
        .watches()
        .into_iter()
        .map(|watched| (format!("0x{:x}", watched.session_id), watched.paths));
    grouped(groups)
}

pub(super) fn wchp(view: &dyn View) -> String {
    let groups = sessions_by_path(&view.watches())
        .into_iter()
        .map(|(path, ids)| {
            (
                path,
                ids.into_iter().map(|id| format!("0x{id:x}")).collect(),
            )
        });
    grouped(groups)
}

/// A heading and indented lines for each group, and an empty line at the end.
fn grouped(groups: impl Iterator<Item = (String, Vec<String>)>) -> String {
    let mut text = String::new();
    for (heading, lines) in groups {
        text += &heading;
        text += "\n";
        text.extend(lines.into_iter().map(|line| format!("\t{line}\n")));
    }
    text + "\n"
}
