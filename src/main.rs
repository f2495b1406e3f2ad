//! The binary: everything is in the library.

use std::process::ExitCode;

/// The system's allocator takes a fifth of a registration, this one a tenth.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    registrar::cli::main()
}
