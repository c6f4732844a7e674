//! The abuse suite as a program: see `treekeeper_tests::abuse`.

fn main() -> std::process::ExitCode {
    treekeeper_tests::abuse::run()
}
