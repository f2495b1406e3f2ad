use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use super::watch;

const QUIET: Duration = Duration::from_millis(20);

async fn told(changes: &mut Receiver<()>) {
    let signal = tokio::time::timeout(Duration::from_mins(1), changes.recv()).await;
    assert_eq!(signal.expect("a change is signalled"), Some(()));
}

#[tokio::test]
async fn a_change_below_a_folder_is_reported_however_it_is_made() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("lib")).unwrap();
    let (_guard, mut changes) = watch(&[folder.path().to_owned()], QUIET).unwrap();
    fs::write(path("a.rhai"), "1").unwrap();
    told(&mut changes).await;
    fs::write(path("lib/b.rhai"), "1").unwrap();
    told(&mut changes).await;
    fs::write(path(".a.rhai.swp"), "2").unwrap();
    fs::rename(path(".a.rhai.swp"), path("a.rhai")).unwrap();
    told(&mut changes).await;
    fs::remove_file(path("a.rhai")).unwrap();
    told(&mut changes).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_swapped_link_is_reported() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for version in ["..1", "..2"] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("a.rhai"), version).unwrap();
    }
    symlink("..1", path("..data")).unwrap();
    symlink("..data/a.rhai", path("a.rhai")).unwrap();
    let (_guard, mut changes) = watch(&[folder.path().to_owned()], QUIET).unwrap();
    symlink("..2", path("..next")).unwrap();
    fs::rename(path("..next"), path("..data")).unwrap();
    told(&mut changes).await;
    assert_eq!(fs::read_to_string(path("a.rhai")).unwrap(), "..2");
}

#[tokio::test]
async fn a_file_that_is_replaced_is_reported_each_time() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("registrar.toml");
    fs::write(&file, "").unwrap();
    let (_guard, mut changes) = watch(std::slice::from_ref(&file), QUIET).unwrap();
    for _ in 0..3 {
        let beside = folder.path().join("new");
        fs::write(&beside, "x").unwrap();
        fs::rename(&beside, &file).unwrap();
        told(&mut changes).await;
    }
}

#[tokio::test]
async fn a_busy_neighbour_folder_neither_reports_nor_hides_a_change() {
    let folder = TempDir::new().unwrap();
    let (file, log) = (
        folder.path().join("registrar.toml"),
        folder.path().join("log"),
    );
    fs::write(&file, "").unwrap();
    let (_guard, mut changes) = watch(std::slice::from_ref(&file), QUIET).unwrap();
    let busy = async {
        loop {
            fs::write(&log, "line").unwrap();
            tokio::time::sleep(QUIET / 4).await;
        }
    };
    let change = async {
        assert!(
            tokio::time::timeout(QUIET * 10, changes.recv())
                .await
                .is_err(),
            "the change of a neighbour was signalled"
        );
        fs::write(&file, "x").unwrap();
        told(&mut changes).await;
    };
    tokio::select! {
        () = busy => unreachable!("it never ends"),
        () = change => {}
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_swapped_link_of_the_whole_folder_is_reported_and_followed() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for release in ["1", "2", "3"] {
        fs::create_dir_all(path(release).join("scripts/lib")).unwrap();
        fs::write(path(release).join("scripts/a.rhai"), release).unwrap();
    }
    symlink("1/scripts", path("scripts")).unwrap();
    symlink("1", path("current")).unwrap();
    for (link, watched, below) in [
        ("scripts", "scripts", "/scripts"),
        ("current", "current/scripts", ""),
    ] {
        let (_guard, mut changes) = watch(&[path(watched)], QUIET).unwrap();
        for release in ["2", "3"] {
            symlink(format!("{release}{below}"), path("next")).unwrap();
            fs::rename(path("next"), path(link)).unwrap();
            told(&mut changes).await;
            let file = path(watched).join("a.rhai");
            assert_eq!(fs::read_to_string(&file).unwrap(), release);
            // The new folder is watched, with what is below it.
            fs::write(path(release).join("scripts/lib/b.rhai"), "1").unwrap();
            told(&mut changes).await;
        }
    }
}

#[tokio::test]
async fn a_folder_that_is_replaced_is_reported_and_followed() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("scripts")).unwrap();
    let (_guard, mut changes) = watch(&[path("scripts")], QUIET).unwrap();
    for _ in 0..2 {
        fs::create_dir(path("new")).unwrap();
        fs::rename(path("scripts"), path("old")).unwrap();
        fs::rename(path("new"), path("scripts")).unwrap();
        told(&mut changes).await;
        fs::write(path("scripts/a.rhai"), "1").unwrap();
        told(&mut changes).await;
        fs::remove_dir_all(path("old")).unwrap();
    }
}

#[tokio::test]
async fn a_neighbour_of_a_folder_is_not_reported() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("scripts")).unwrap();
    let (_guard, mut changes) = watch(&[path("scripts")], QUIET).unwrap();
    fs::write(path("log"), "line").unwrap();
    let signal = tokio::time::timeout(QUIET * 10, changes.recv()).await;
    assert!(signal.is_err(), "the change of a neighbour was signalled");
}
