//! Faults of the clock and the disk, by a small C library that is preloaded into a member (`tests/faults/preload.c`).
//!
//! In: what is to go wrong, written into a file that the member has mapped. Out: how often it did. The library is
//! compiled when a run starts, so nothing of it is in treekeeper.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SOURCE: &str = include_str!("../../faults/preload.c");
/// Bytes of a control file.
const CONTROL_LEN: u64 = 64 * NUMBER_LEN;
/// Bytes of a number in it.
const NUMBER_LEN: u64 = 8;

/// The compiled library.
#[derive(Clone, Debug)]
pub struct Preload {
    library: PathBuf,
}

impl Preload {
    /// Compiles it into a folder.
    ///
    /// # Errors
    /// When there is no C compiler, or it refuses.
    pub fn compile(folder: &Path) -> Result<Self, String> {
        let (source, library) = (folder.join("preload.c"), folder.join("preload.so"));
        fs::write(&source, SOURCE).map_err(|error| format!("{}: {error}", source.display()))?;
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .map_err(|error| format!("cc: {error}"))?;
        if compiled.status.success() {
            return Ok(Self { library });
        }
        Err(format!("cc: {}", String::from_utf8_lossy(&compiled.stderr)))
    }

    /// What a process's environment needs so that `control` has its clock, and its files below `folder`.
    #[must_use]
    pub fn environment(&self, control: &Control, folder: &Path) -> [(&'static str, PathBuf); 3] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("TREEKEEPER_FAULTS", control.path.clone()),
            ("TREEKEEPER_FAULTS_FOLDER", folder.to_owned()),
        ]
    }
}

/// What goes wrong, by its place in the control file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knob {
    ClockAhead = 0,
    SyncDelay = 1,
    Full = 2,
    SyncFails = 3,
}

/// What a process counts, by its place in the control file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Reads of the wall clock that were shifted.
    Clocks = 8,
    /// Syncs that took longer.
    Delayed = 9,
    /// Writes that were refused.
    Refused = 10,
    /// Syncs that failed.
    Failed = 11,
}

/// How full a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Not at all.
    No = 0,
    /// No file can become longer.
    ForMore = 1,
    /// Nothing can be written.
    ForAll = 2,
}

/// The control file of one process, which keeps its faults over restarts.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    file: File,
}

impl Control {
    /// A new one, without faults.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        file.set_len(CONTROL_LEN)?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    fn set(&self, knob: Knob, number: i64) -> io::Result<()> {
        let place = knob as u64 * NUMBER_LEN;
        self.file.write_all_at(&number.to_ne_bytes(), place)
    }

    /// Shifts the wall clock to so many milliseconds after the true time, or before it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn shift_clock(&self, ahead_ms: i64) -> io::Result<()> {
        self.set(Knob::ClockAhead, ahead_ms)
    }

    /// Makes every sync take so much longer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn delay_syncs(&self, delay: Duration) -> io::Result<()> {
        let delay = i64::try_from(delay.as_millis()).map_err(io::Error::other)?;
        self.set(Knob::SyncDelay, delay)
    }

    /// Fills the disk, or makes room again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn fill_disk(&self, full: Full) -> io::Result<()> {
        self.set(Knob::Full, full as i64)
    }

    /// Makes every sync fail, or succeed again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn fail_syncs(&self, fail: bool) -> io::Result<()> {
        self.set(Knob::SyncFails, i64::from(fail))
    }

    /// How often something went wrong.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self, count: Count) -> io::Result<i64> {
        let mut number = [0; 8];
        let place = count as u64 * NUMBER_LEN;
        self.file.read_exact_at(&mut number, place)?;
        Ok(i64::from_ne_bytes(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell command under the library; its output and exit code.
    fn run(
        preload: &Preload,
        control: &Control,
        folder: &Path,
        program: &[&str],
    ) -> (String, bool) {
        let output = Command::new(program[0])
            .args(&program[1..])
            .envs(preload.environment(control, folder))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (text, output.status.success())
    }

    #[test]
    fn the_clock_and_the_disk_of_a_process_go_wrong_and_right_again() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("data");
        fs::create_dir(&folder).unwrap();
        let preload = Preload::compile(temporary.path()).unwrap();
        let control = Control::create(&temporary.path().join("control")).unwrap();
        let seconds = |text: &str| text.trim().parse::<i64>().unwrap();
        let date = || seconds(&run(&preload, &control, &folder, &["date", "+%s"]).0);

        let before = date();
        control.shift_clock(-86_400_000).unwrap();
        assert!((before - 86_401..before - 86_000).contains(&date()));
        control.shift_clock(0).unwrap();
        assert!(date() >= before);
        assert!(control.count(Count::Clocks).unwrap() > 0);

        let inside = format!("of={}", folder.join("file").display());
        let outside = format!("of={}", temporary.path().join("file").display());
        let write = |to: &str| {
            let program = [
                "dd",
                "if=/dev/zero",
                "bs=512",
                "count=1",
                "conv=notrunc,fsync",
                to,
            ];
            run(&preload, &control, &folder, &program)
        };
        control.fill_disk(Full::ForMore).unwrap();
        let (text, succeeded) = write(&inside);
        assert!(!succeeded && text.contains("No space left"), "{text}");
        assert!(write(&outside).1, "it is not of the folder");
        control.fill_disk(Full::No).unwrap();
        assert!(write(&inside).1);
        control.fill_disk(Full::ForMore).unwrap();
        assert!(write(&inside).1, "nothing becomes longer");
        control.fill_disk(Full::ForAll).unwrap();
        assert!(!write(&inside).1);
        control.fill_disk(Full::No).unwrap();
        assert_eq!(control.count(Count::Refused).unwrap(), 2);

        control.fail_syncs(true).unwrap();
        let (text, succeeded) = write(&inside);
        assert!(!succeeded && text.contains("Input/output error"), "{text}");
        control.fail_syncs(false).unwrap();
        assert_eq!(control.count(Count::Failed).unwrap(), 1);
        control.delay_syncs(Duration::from_millis(300)).unwrap();
        let begun = std::time::Instant::now();
        assert!(write(&inside).1);
        assert!(begun.elapsed() >= Duration::from_millis(300));
        assert_eq!(control.count(Count::Delayed).unwrap(), 1);
    }
}
