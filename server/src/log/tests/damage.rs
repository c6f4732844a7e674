//! Bytes that are not what was written.

use super::segment::{HEADER_BLOCK_LEN, HEADER_LEN, MARK_LEN};
use super::*;

/// Opens and reads everything.
fn contents(disk: &SimulatedDisk) -> Result<Vec<Record>, LogError> {
    read_all(&open(disk, SMALL)?)
}

/// A log of three batches in one file that was killed, the file's bytes, and where the last batch begins.
fn killed_log() -> (SimulatedDisk, PathBuf, Vec<u8>, usize) {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..5)).unwrap();
    append(&mut log, numbered(5..8)).unwrap();
    let path = newest_segment(&disk);
    let before = disk.read(&path);
    append(&mut log, numbered(8..12)).unwrap();
    let disk = disk.kill();
    drop(log);
    let bytes = disk.read(&path);
    let last_batch = before
        .iter()
        .zip(&bytes)
        .position(|(before, after)| before != after)
        .unwrap();
    (disk, path, bytes, last_batch / 8 * 8)
}

#[test]
fn a_batch_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let (mut disk, path, bytes, last_batch) = killed_log();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for torn in last_batch..end {
        for rest in [0, 0xa5] {
            let mut damaged = bytes.clone();
            damaged[torn..end].fill(rest);
            disk.overwrite(&path, &damaged);
            let mut log = open(&disk, SMALL).unwrap();
            let kept = read_all(&log).unwrap();
            assert!(
                (8..=12).contains(&kept.len()),
                "torn at {torn}: {} entries",
                kept.len()
            );
            assert_eq!(kept, numbered(0..kept.len() as u64), "torn at {torn}");
            // What comes next takes the place of what was cut, also where its remains could be read on from.
            let next = kept.len() as u64;
            append(&mut log, vec![record(next, 2, "after the cut")]).unwrap();
            disk = disk.kill();
            drop(log);
            let mut expected = numbered(0..next);
            expected.push(record(next, 2, "after the cut"));
            assert_eq!(contents(&disk).unwrap(), expected, "torn at {torn}");
        }
    }
}

#[test]
fn remains_of_a_torn_batch_are_not_read_behind_what_replaces_it() {
    let (disk, path, bytes, last_batch) = killed_log();
    // Entry 8 is lost, entries 9 to 11 lie where they were.
    let mut damaged = bytes.clone();
    damaged[last_batch + MARK_LEN..][..40].fill(0);
    disk.overwrite(&path, &damaged);
    let mut log = open(&disk, SMALL).unwrap();
    assert_eq!(read_all(&log).unwrap(), numbered(0..8));
    // The replacement has the same length: its end meets the old entry 9, were there no mark between.
    append(&mut log, vec![record(8, 2, "payload of entry 8")]).unwrap();
    let disk = disk.kill();
    drop(log);
    assert_eq!(contents(&disk).unwrap().len(), 9);
}

#[test]
fn a_flipped_bit_below_the_durable_point_stops_with_file_and_offset() {
    let (disk, path, bytes, last_batch) = killed_log();
    for at in (0..HEADER_LEN).chain(HEADER_BLOCK_LEN..last_batch) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        disk.overwrite(&path, &damaged);
        match contents(&disk) {
            Err(LogError::Damaged { file, offset, .. }) => {
                assert_eq!(file, path);
                let at = at as u64;
                assert!(
                    offset <= at && at < offset + 512,
                    "flipped {at}, reported {offset}"
                );
            }
            other => panic!("flipped {at}: {other:?}"),
        }
    }
    disk.overwrite(&path, &bytes);
    assert_eq!(contents(&disk).unwrap(), numbered(0..12));
}

#[test]
fn a_clean_end_tells_damage_from_a_torn_write_in_the_last_batch_too() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..5)).unwrap();
    log.close().unwrap();
    let path = newest_segment(&disk);
    let bytes = disk.read(&path);
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 8 * 8;
    for at in HEADER_BLOCK_LEN..end - MARK_LEN {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        disk.overwrite(&path, &damaged);
        assert!(
            matches!(contents(&disk), Err(LogError::Damaged { .. })),
            "flipped {at}"
        );
    }
}

#[test]
fn damage_in_an_older_segment_is_found_when_it_is_read() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..1000)).unwrap();
    log.close().unwrap();
    let oldest = segments(&disk)[0].clone();
    let bytes = disk.read(&oldest);
    for at in [
        HEADER_BLOCK_LEN + 3,
        HEADER_BLOCK_LEN + MARK_LEN + 50,
        HEADER_BLOCK_LEN + 3000,
    ] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        disk.overwrite(&oldest, &damaged);
        let log = open(&disk, SMALL).unwrap();
        let reader = log.reader();
        match reader.read(0..1, 1) {
            Err(LogError::Damaged { file, offset, .. }) => {
                assert_eq!(file, oldest);
                assert!(
                    offset <= at as u64 && at as u64 <= offset + 128,
                    "flipped {at}, reported {offset}"
                );
            }
            other => panic!("flipped {at}: {other:?}"),
        }
        assert_eq!(
            reader.read(999..1000, 1).unwrap(),
            numbered(999..1000),
            "the others are as they were"
        );
    }
}

#[test]
fn a_missing_segment_is_named() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..1000)).unwrap();
    log.close().unwrap();
    let missing = segments(&disk)[1].clone();
    let bytes = disk.read(&missing);
    disk.remove(&missing).unwrap();
    for _ in 0..2 {
        let error = contents(&disk).unwrap_err();
        assert!(
            matches!(&error, LogError::Missing { file, .. } if *file == missing),
            "{error}"
        );
    }
    // Nothing was removed in consequence: with the file put back, all is there.
    disk.create(&missing).unwrap();
    disk.overwrite(&missing, &bytes);
    assert_eq!(contents(&disk).unwrap(), numbered(0..1000));
}

#[test]
fn a_segment_of_a_later_release_is_refused() {
    let (disk, path, mut bytes, _) = killed_log();
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..512]);
    bytes[12..16].copy_from_slice(&hasher.finalize().to_le_bytes());
    disk.overwrite(&path, &bytes);
    let error = contents(&disk).unwrap_err();
    assert!(
        matches!(&error, LogError::NewerVersion { file, found: 2, supported: 1 } if *file == path),
        "{error}"
    );
}

#[test]
fn a_damaged_vote_is_an_error() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    log.save_vote(
        Bytes::from("vote"),
        Box::new(|durable| durable.result.unwrap()),
    );
    log.close().unwrap();
    let path = dir().join("vote");
    let bytes = disk.read(&path);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        disk.overwrite(&path, &damaged);
        assert!(contents(&disk).is_err(), "flipped {at}");
    }
}

#[test]
fn the_reader_takes_any_bytes() {
    let (_, _, bytes, _) = killed_log();
    let header = segment::SegmentHeader::decode(&bytes).unwrap();
    for cut in (0..bytes.len()).step_by(13) {
        // Whatever comes of it, it comes without a panic.
        let _ = segment::scan(&bytes[..cut], &header, None);
        let _ = segment::scan(&bytes[..cut], &header, Some(100));
        let _ = segment::SegmentHeader::decode(&bytes[cut..]);
    }
}

/// A segment is begun with one write of its header and its first mark; a power cut may leave either alone.
#[test]
fn a_mark_that_a_power_cut_left_in_a_prepared_file_is_not_taken_for_that_of_its_next_beginning() {
    let disk = SimulatedDisk::new();
    let mut log = open(&disk, SMALL).unwrap();
    append(&mut log, numbered(0..5)).unwrap();
    log.close().unwrap();
    let prepared = segments(&disk).pop().unwrap();
    let before = disk.read(&prepared);

    // Begun after entry 3, and cut: the mark is there, the header is not.
    let mut log = open(&disk, SMALL).unwrap();
    log.truncate_after(Some(numbered(3..4)[0].position));
    log.close().unwrap();
    let begun = disk.read(&prepared);
    let mark = HEADER_BLOCK_LEN..HEADER_BLOCK_LEN + MARK_LEN;
    let mut cut = before.clone();
    cut[mark.clone()].copy_from_slice(&begun[mark.clone()]);
    assert_ne!(cut, before);
    for path in segments(&disk) {
        if path > prepared {
            disk.remove(&path).unwrap();
        }
    }
    disk.overwrite(&prepared, &cut);

    // Begun again after entry 2, and cut: the header is there, and of the mark what was there before.
    let mut log = open(&disk, SMALL).unwrap();
    let found = disk.read(&prepared)[mark.clone()].to_vec();
    log.truncate_after(Some(numbered(2..3)[0].position));
    log.close().unwrap();
    let mut cut = disk.read(&prepared);
    assert_ne!(
        cut[..HEADER_LEN],
        before[..HEADER_LEN],
        "the prepared file was used"
    );
    // What followed was written later.
    cut[mark.end..].fill(0);
    cut[mark].copy_from_slice(&found);
    disk.overwrite(&prepared, &cut);
    assert_eq!(contents(&disk).unwrap(), numbered(0..3));
}
