//! Documentation of everything that scripts can use, for the manual and for editors. The texts about host
//! functions are in `modules`, beside the functions.
//!
//! One test compares these texts with the registered functions and runs every example. Another test
//! compares them with `scripts/README.md`.

mod context;
mod definitions;
mod hooks;
mod testing;

#[cfg(test)]
use std::fmt::Write;

#[cfg(test)]
use super::hook::Hook;
use super::modules;

pub(crate) use super::modules::HostFunction;
pub(crate) use context::CONTEXT_MEMBERS;
pub(crate) use definitions::definitions;
pub(crate) use testing::TEST_FUNCTIONS;

/// A member of `context`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContextMember {
    /// Its name, as in `client`, or a call, as in `createWebApplicationException(status, entity)`.
    pub name: &'static str,
    /// Janssen's spelling.
    pub spelling: &'static str,
    /// Its description.
    pub about: &'static str,
}

/// Returns all functions of all host modules, sorted by module.
pub(crate) fn host_functions() -> Vec<&'static HostFunction> {
    modules::FUNCTIONS.into_iter().flatten().collect()
}

/// Returns the reference part of `scripts/README.md`, for the test that compares them.
#[cfg(test)]
pub(crate) fn reference() -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = write_reference(&mut text);
    text
}

#[cfg(test)]
fn write_reference(text: &mut String) -> std::fmt::Result {
    text.write_str("### Hooks\n\n| Hook | When it is called, and what it returns |\n|---|---|\n")?;
    for hook in Hook::ALL {
        let parameters = hook.parameters().join(", ");
        writeln!(
            text,
            "| `{}({parameters})` | {} |",
            hook.name(),
            hook.about()
        )?;
    }
    text.write_str(
        "\n### `context`\n\n| Member | Janssen's spelling | What it is |\n|---|---|---|\n",
    )?;
    for member in CONTEXT_MEMBERS {
        writeln!(
            text,
            "| `{}` | `{}` | {} |",
            member.name, member.spelling, member.about
        )?;
    }
    text.write_str(
        "\n### Host functions\n\n| Function | What it does | Example that evaluates to `true` |\n\
         |---|---|---|\n",
    )?;
    write_functions(text, &host_functions())?;
    text.write_str(
        "\n### In tests only\n\n| Function | What it does | Example that passes |\n|---|---|---|\n",
    )?;
    write_functions(text, &TEST_FUNCTIONS.iter().collect::<Vec<_>>())
}

#[cfg(test)]
fn write_functions(text: &mut String, functions: &[&HostFunction]) -> std::fmt::Result {
    for function in functions {
        let example = function.example.replace('|', "\\|");
        writeln!(
            text,
            "| `{}` | {} | `{example}` |",
            function.call(),
            function.about
        )?;
    }
    Ok(())
}
