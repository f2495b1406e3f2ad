//! The log of a sled database, intact and with various damage.

use sled::Batch;
use tempfile::TempDir;

use super::*;
use crate::store::backend::sled::Db;

type Database = crate::store::backend::embedded::database::Database<Db>;

type Content = std::collections::BTreeMap<Vec<u8>, Vec<u8>>;

/// Creates a database with a history: many batches, and values that change, grow and are removed.
fn made(folder: &Path) -> Content {
    let mut content = Content::new();
    for turn in 0..3_u8 {
        // Opened several times, so that there are snapshots and reused segments.
        let database = Database::open(folder, 1 << 20).unwrap();
        for number in 0..1_500_u32 {
            let mut batch = Batch::default();
            for kind in ["c/", "e/client/", "i/"] {
                let key =
                    format!("{kind}{:08x}", number.wrapping_mul(2_654_435_761) >> 4).into_bytes();
                let size = if number % 400 == 7 {
                    200_000
                } else {
                    40 + (number % 13) as usize * 30
                };
                if (number + u32::from(turn)) % 7 == 0 {
                    batch.remove(key.clone());
                    content.remove(&key);
                } else {
                    let value = vec![turn; size];
                    batch.insert(key.clone(), value.clone());
                    content.insert(key, value);
                }
            }
            database.with(|db| db.apply_batch(batch)).unwrap();
        }
        database.with(|db| db.flush()).unwrap();
    }
    content
}

fn all(log: &SledLog) -> (Content, Vec<String>) {
    let (mut content, mut lost) = (Content::new(), Vec::new());
    log.all(&[u8::MAX], &Work::default(), |met| match met {
        Met::Pair(key, value) => {
            assert!(
                content.insert(key.to_vec(), value.to_vec()).is_none(),
                "{} twice",
                key.escape_ascii()
            );
        }
        Met::Lost(what) => lost.push(what),
    })
    .unwrap();
    (content, lost)
}

fn read(folder: &Path) -> SledLog {
    SledLog::read(folder, &Work::default()).unwrap()
}

#[test]
fn an_intact_log_has_the_same_content_as_sled() {
    let folder = TempDir::new().unwrap();
    let content = made(folder.path());
    let log = read(folder.path());
    let (found, lost) = all(&log);
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(found.len(), content.len());
    assert!(found == content);
    for (key, value) in content.iter().step_by(97) {
        assert_eq!(log.get(key).as_ref(), Some(value));
    }
    assert_eq!(
        (log.get(b""), log.get(b"c/"), log.get(b"z")),
        (None, None, None)
    );
    // As after a start that never finished: the snapshot is not needed.
    for file in fs::read_dir(folder.path()).unwrap().flatten() {
        if file.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(file.path()).unwrap();
        }
    }
    assert!(all(&read(folder.path())).0 == content);
}

#[test]
fn everything_around_damage_is_read() {
    let folder = TempDir::new().unwrap();
    let content = made(folder.path());
    let path = folder.path().join(LOG);
    let whole = fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let holes = 12;
    for hole in 0..holes {
        let mut damaged = whole.clone();
        // In the middle of segments, and over their headers.
        let at = if hole % 4 == 3 {
            used * hole / holes / SEGMENT * SEGMENT
        } else {
            used * hole / holes
        };
        damaged[at..at + 4_096].fill(if hole % 2 == 0 { 0 } else { 0xA5 });
        fs::write(&path, damaged).unwrap();
        let (found, _) = all(&read(folder.path()));
        let right = content
            .iter()
            .filter(|(key, value)| found.get(*key) == Some(value))
            .count();
        assert!(
            right * 100 >= content.len() * 97,
            "{right} of {} are correct, hole at {at}",
            content.len()
        );
    }
}

#[test]
fn a_log_without_its_tail_has_the_earlier_records() {
    let folder = TempDir::new().unwrap();
    let content = made(folder.path());
    let path = folder.path().join(LOG);
    let length = fs::metadata(&path).unwrap().len();
    for percent in [90, 60, 30] {
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length * percent / 100)
            .unwrap();
        let (found, _) = all(&read(folder.path()));
        let there = content
            .keys()
            .filter(|key| found.contains_key(*key))
            .count();
        assert!(
            there * 100 > content.len() * usize::try_from(percent.min(50)).unwrap(),
            "{there} of {} found at {percent} %",
            content.len()
        );
    }
}

#[test]
fn anything_but_a_log_is_empty_and_reading_ends() {
    let folder = TempDir::new().unwrap();
    for content in [
        Vec::new(),
        vec![0; 3 << 20],
        (0..3 << 20)
            .map(|at: u32| at.wrapping_mul(at).to_be_bytes()[2])
            .collect(),
    ] {
        fs::write(folder.path().join(LOG), content).unwrap();
        let log = read(folder.path());
        assert!(log.is_empty() && all(&log).0.is_empty());
    }
}

#[test]
fn reading_ends_when_it_is_cancelled() {
    let folder = TempDir::new().unwrap();
    made(folder.path());
    let work = Work::default();
    work.end();
    assert!(matches!(
        SledLog::read(folder.path(), &work),
        Err(StoreError::Ended)
    ));
}
