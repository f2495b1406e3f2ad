use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use super::watch;

const QUIET: Duration = Duration::from_millis(20);

async fn told(changes: &mut Receiver<()>) {
    let signal = tokio::time::timeout(Duration::from_secs(10), changes.recv()).await;
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
