//! Only root can read the memory of the server, which contains its keys and secrets.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::process::Registrar;

/// A user without rights, for tests that run as root.
const NOBODY: u32 = 65534;

/// The `/proc` files of a process that must not be dumped belong to root (proc(5)). Other processes of the
/// same user can then neither trace it nor read its memory, and it leaves no core file.
#[test]
fn another_process_of_the_same_user_cannot_read_the_memory_of_the_server() {
    let is_root = std::fs::metadata("/proc/self")
        .expect("its own folder")
        .uid()
        == 0;
    let registrar = Registrar::start_prepared("", |command| {
        if is_root {
            become_nobody(command);
        }
    });
    for file in ["mem", "environ", "maps"] {
        let path = format!("/proc/{}/{file}", registrar.id());
        assert_eq!(
            std::fs::metadata(&path).expect("a running process").uid(),
            0,
            "{path}"
        );
    }
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", registrar.id())).expect("a status");
    assert!(
        !status.contains("\nUid:\t0\t"),
        "the server runs as root, so this test proves nothing"
    );
}

/// Runs a copy of the binary as [`NOBODY`] in its folder, since that user may have no access to the original.
fn become_nobody(command: &mut std::process::Command) {
    let configuration = command.get_args().nth(2).expect("--config FILE").to_owned();
    let folder = Path::new(&configuration).parent().expect("a folder");
    let binary = folder.join("registrar");
    std::fs::copy(command.get_program(), &binary).expect("a copy");
    std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).expect("a program");
    std::fs::create_dir(folder.join("scripts")).expect("a folder for scripts");
    chown(folder, Some(NOBODY), Some(NOBODY)).expect("the owner of the folder is changed");
    let mut copy = std::process::Command::new(&binary);
    copy.args(command.get_args())
        .current_dir(folder)
        .env_clear()
        .uid(NOBODY)
        .gid(NOBODY);
    *command = copy;
}
