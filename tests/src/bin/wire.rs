//! The wire conformance suite as a program: see `treekeeper_tests::wire`.

fn main() -> std::process::ExitCode {
    treekeeper_tests::wire::run()
}
