//! The `treekeeper` command of a release that knows only the first rules of apply.

#[path = "main.rs"]
mod treekeeper;

fn main() -> std::process::ExitCode {
    treekeeper::main()
}
