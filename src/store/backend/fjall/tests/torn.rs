//! Damages the files of a store at random positions and opens it. Either everything is there, or the store
//! reports the loss. `REGISTRAR_CUTS` and `REGISTRAR_SEED` choose how many cuts and which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::*;
use crate::store::backend::embedded::database;
use crate::store::backend::{Backend, Change, Pair};

/// Size of a disk page in bytes.
const PAGE: u64 = 4096;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    /// Returns a number below `limit`, which is not 0.
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(all.len() as u64);
        &all[usize::try_from(at).unwrap()]
    }
}

/// Creates a store with a history: tables, a journal after them, and keys that were changed and removed.
async fn base(folder: &Path) -> Vec<Pair> {
    let mut content = BTreeMap::new();
    for turn in 0..4_u8 {
        let store = FjallStore::open(folder, 1 << 20).unwrap();
        for number in (0..300_u32).filter(|number| (number + u32::from(turn)) % 3 != 0) {
            let key = format!("c/{number:06}").into_bytes();
            let mut change = Change::default();
            if number % 7 == u32::from(turn) {
                content.remove(&key);
                change.delete.push(key);
            } else {
                let value = vec![turn; 30 + usize::try_from(number % 50).unwrap() * 20];
                content.insert(key.clone(), value.clone());
                change.put.push((key, value));
            }
            store.apply(change).await.unwrap();
        }
        drop(store);
        if turn < 3 {
            let database = database::Database::<Fjall>::open(folder, 1 << 20).unwrap();
            database
                .with(|db| db.keyspace.rotate_memtable_and_wait())
                .unwrap();
        }
    }
    content.into_iter().collect()
}

/// Returns the files that fjall and the mark have.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&place).unwrap();
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// Damages a file. Returns what was done.
fn damage(file: &Path, dice: &mut Dice) -> String {
    let mut bytes = fs::read(file).unwrap();
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last as u64 + 1);
    let name = file.display();
    let kind = dice.below(if used == 0 { 1 } else { 8 });
    match kind {
        0 => {
            fs::remove_file(file).unwrap();
            return format!("{name} removed");
        }
        1 => {
            let place = dice.below(used);
            bytes.truncate(usize::try_from(place).unwrap());
            fs::write(file, bytes).unwrap();
            return format!("{name} cut to {place}");
        }
        2 => {
            let from = dice.below(used.div_ceil(PAGE)) * PAGE;
            let zeroed = bytes
                .iter_mut()
                .skip(usize::try_from(from).unwrap())
                .take(4096);
            zeroed.for_each(|byte| *byte = 0);
            fs::write(file, bytes).unwrap();
            return format!("{name} zeroed from {from}");
        }
        _ => {}
    }
    let (place, bit) = (dice.below(used), dice.below(8));
    bytes[usize::try_from(place).unwrap()] ^= 1 << bit;
    fs::write(file, bytes).unwrap();
    format!("{name}: bit {bit} of byte {place} changed")
}

/// Opens a damaged store and compares all it has with `content`. Returns whether everything was there.
async fn judge(folder: &Path, content: &[Pair], note: &str) -> bool {
    let Ok(store) = FjallStore::open(folder, 1 << 20) else {
        return false;
    };
    let Ok(found) = store.scan(Vec::new()..vec![u8::MAX], usize::MAX).await else {
        return false;
    };
    assert!(found == content, "silently lost: {note}");
    for (key, value) in content {
        match store.get(key).await {
            Ok(found) => assert_eq!(found.as_ref(), Some(value), "silently lost: {note}"),
            Err(_) => return false,
        }
    }
    true
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test]
async fn a_torn_store_is_complete_or_rejected() {
    let (many, seed) = (number("REGISTRAR_CUTS", 80), number("REGISTRAR_SEED", 1));
    let whole = TempDir::new().unwrap();
    let content = base(whole.path()).await;
    assert!(judge(whole.path(), &content, "no damage").await);
    let mut dice = Dice(seed);
    let mut complete = 0;
    for cut in 0..many {
        let torn = TempDir::new().unwrap();
        copy(whole.path(), torn.path());
        let file = dice.one_of(&files(torn.path())).clone();
        let what = damage(&file, &mut dice);
        let note = format!("cut {cut} of seed {seed}: {what}");
        complete += u64::from(judge(torn.path(), &content, &note).await);
    }
    // The rest is rejected. A few bytes of the files have no meaning.
    assert!(complete < many, "{complete} of {many} stores were complete");
}

/// Returns the journals of a store, from the oldest on.
fn journals(folder: &Path) -> Vec<PathBuf> {
    let mut journals = files(folder);
    journals.retain(|file| file.extension().is_some_and(|ending| ending == "jnl"));
    journals.sort_by_key(|file| {
        file.file_stem()
            .unwrap()
            .to_string_lossy()
            .parse::<u64>()
            .unwrap()
    });
    journals
}

/// Creates a store with more than one journal. Returns its content.
async fn many_journals(folder: &Path) -> Vec<Pair> {
    let mut content = Vec::new();
    let store = FjallStore::open(folder, 1 << 20).unwrap();
    for number in 0_u32..200 {
        let pair = (format!("c/{number:06}").into_bytes(), vec![7; 1 << 20]);
        content.push(pair.clone());
        let change = Change {
            put: vec![pair],
            ..Change::default()
        };
        store.apply(change).await.unwrap();
        if journals(folder).len() > 1 {
            return content;
        }
    }
    panic!("fjall needed one journal only");
}

#[tokio::test]
#[ignore = "writes 70 MB for every cut: run it with REGISTRAR_CUTS"]
async fn a_store_with_several_journals_is_complete_or_rejected() {
    let (many, seed) = (number("REGISTRAR_CUTS", 40), number("REGISTRAR_SEED", 1));
    let whole = TempDir::new().unwrap();
    let content = many_journals(whole.path()).await;
    let mut dice = Dice(seed);
    for cut in 0..many {
        let torn = TempDir::new().unwrap();
        copy(whole.path(), torn.path());
        let oldest = journals(torn.path()).remove(0);
        let what = if cut == 0 {
            fs::remove_file(&oldest).unwrap();
            "the oldest journal removed".to_owned()
        } else {
            damage(&oldest, &mut dice)
        };
        let note = format!("cut {cut} of seed {seed}: {what}");
        let is_complete = judge(torn.path(), &content, &note).await;
        assert!(cut > 0 || !is_complete, "{note}");
    }
}
