//! Reads and compiles a folder of scripts. It loads all scripts, or none and reports all errors.

pub(in crate::script) mod library;
pub(in crate::script) mod runtime;
pub(in crate::script) mod secrets;
pub(in crate::script) mod set;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use rhai::{AST, Engine, EvalAltResult, Module, Position, Scope, Shared};

use self::library::Libraries;
use super::hook::Hook;
use super::modules::readable;
use super::run::current_call;
use super::run::cycles;
use super::run::engine::SharedModules;
use super::value::message;
use crate::base::sha256_hex;
use crate::client::ScriptRef;
use crate::config::nearest;

/// The size limit of one file, in bytes.
const MAXIMUM_BYTES: u64 = 1 << 20;
/// The maximum number of files.
const MAXIMUM_FILES: usize = 256;
/// The maximum depth of nested folders below `lib/`.
const MAXIMUM_DEPTH: usize = 8;

/// An error in the scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file, relative to the folder of the scripts.
    pub file: String,
    /// The line, from 1; 0 when there is none.
    pub line: usize,
    /// The column, from 1; 0 when there is none.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The text of the line.
    pub text: String,
}

impl LoadError {
    pub(super) fn new(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
            text: String::new(),
        }
    }

    /// Creates an error at a position in `source`, the text of `file`.
    pub(super) fn at(
        file: &str,
        source: &str,
        position: Position,
        message: impl Into<String>,
    ) -> Self {
        let line = position.line().unwrap_or(0);
        let text = line
            .checked_sub(1)
            .and_then(|line| source.lines().nth(line))
            .unwrap_or("")
            .trim_end();
        let column = position.position().unwrap_or(0);
        Self {
            line,
            column,
            text: text.to_owned(),
            ..Self::new(file, message)
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.message);
        }
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )?;
        if self.text.is_empty() {
            return Ok(());
        }
        let margin = " ".repeat(self.column.saturating_sub(1));
        write!(f, "\n    {}\n    {margin}^", self.text)
    }
}

/// All errors in the scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<LoadError>);

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&errors.join("\n"))
    }
}

impl std::error::Error for LoadErrors {}

/// The texts of the files in a folder.
#[derive(Clone, Default)]
pub(super) struct Texts {
    /// Scripts by file name, which determines their order.
    pub(super) scripts: BTreeMap<String, String>,
    /// Libraries by the name under which they are imported.
    pub(super) libraries: BTreeMap<String, String>,
}

/// Reads all scripts of `directory` and all files below its `lib/`.
pub(super) fn read(directory: &Path) -> Result<Texts, LoadErrors> {
    let mut texts = Texts::default();
    let mut errors = Vec::new();
    if !directory.is_dir() {
        let missing = LoadError::new(
            &directory.display().to_string(),
            "folder not found; create it, or set scripts.directory to another folder",
        );
        return Err(LoadErrors(vec![missing]));
    }
    read_folder(directory, "", 0, &mut texts.scripts, &mut errors);
    let library = directory.join("lib");
    if library.is_dir() {
        read_folder(&library, "lib/", 1, &mut texts.libraries, &mut errors);
    }
    let libraries = std::mem::take(&mut texts.libraries);
    for (name, text) in libraries {
        texts.libraries.insert(name.replace(".rhai", ""), text);
    }
    if texts.scripts.len() + texts.libraries.len() > MAXIMUM_FILES {
        errors.push(LoadError::new(
            "",
            format!("too many files; the limit is {MAXIMUM_FILES}"),
        ));
    }
    if errors.is_empty() {
        Ok(texts)
    } else {
        Err(LoadErrors(errors))
    }
}

/// Reads the tests of `directory`, which are the files directly in its `tests/`.
pub(super) fn read_tests(directory: &Path) -> Result<BTreeMap<String, String>, LoadErrors> {
    let (mut texts, mut errors) = (BTreeMap::new(), Vec::new());
    let folder = directory.join("tests");
    if folder.is_dir() {
        read_folder(&folder, "tests/", 0, &mut texts, &mut errors);
    }
    if errors.is_empty() {
        Ok(texts)
    } else {
        Err(LoadErrors(errors))
    }
}

fn read_folder(
    folder: &Path,
    prefix: &str,
    depth: usize,
    texts: &mut BTreeMap<String, String>,
    errors: &mut Vec<LoadError>,
) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return errors.push(LoadError::new(prefix, error.to_string())),
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Editors and Kubernetes use hidden files for their own purposes.
        if name.starts_with('.') {
            continue;
        }
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        let is_script = path.extension().is_some_and(|suffix| suffix == "rhai");
        if path.is_dir() {
            if (1..MAXIMUM_DEPTH).contains(&depth) {
                read_folder(&path, &format!("{name}/"), depth + 1, texts, errors);
            }
        } else if is_script {
            match read_file(&path) {
                Ok(text) => drop(texts.insert(name, text)),
                Err(message) => errors.push(LoadError::new(&name, message)),
            }
        }
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > MAXIMUM_BYTES {
        return Err(format!("the file is larger than {MAXIMUM_BYTES} bytes"));
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    // Many programs empty a file before they write it. An empty script would be valid and decide nothing,
    // so for a moment every client could register.
    if text.trim().is_empty() {
        return Err(
            "the file is empty, perhaps because it is being written; delete it if it is not needed"
                .to_owned(),
        );
    }
    Ok(readable(&text))
}

/// A script that is ready to be called.
pub(super) struct Script {
    pub(super) id: ScriptRef,
    pub(super) hooks: Vec<Hook>,
    /// The engine that calls it.
    pub(super) engine: Engine,
    /// One function for each hook, which calls the function of the module.
    pub(super) dispatch: AST,
    /// Warnings about function names that are similar to those of hooks.
    pub(super) warnings: Vec<String>,
}

/// A script whose top level has run.
pub(super) struct Compiled {
    id: ScriptRef,
    hooks: Vec<Hook>,
    module: Shared<Module>,
    dispatch: AST,
    warnings: Vec<String>,
    has_closures: bool,
}

impl Compiled {
    /// Returns the script with an engine for its calls, which can no longer import files.
    pub(super) fn ready(self, modules: &SharedModules, libraries: &Libraries) -> Script {
        let Self {
            id,
            hooks,
            module,
            dispatch,
            warnings,
            has_closures,
        } = self;
        let mut engine = modules.engine(current_call::over);
        if has_closures || libraries.have_closures() {
            modules.top_levels().watch_calls(&mut engine);
        }
        engine.register_static_module(SCRIPT_MODULE, module);
        Script {
            id,
            hooks,
            engine,
            dispatch,
            warnings,
        }
    }
}

/// The name under which the dispatch functions know the script.
pub(super) const SCRIPT_MODULE: &str = "script";

/// Compiles one script and runs its top level.
pub(super) fn compile(
    engine: &mut Engine,
    name: &str,
    text: &str,
) -> Result<Compiled, Vec<LoadError>> {
    let ast = parse(engine, name, text).map_err(|error| vec![error])?;
    let hooks = hooks(&ast, name, text)?;
    let warnings = near_hooks(&ast);
    let module = evaluate(engine, &ast, name, text).map_err(|error| vec![error])?;
    engine.register_static_module(SCRIPT_MODULE, Shared::clone(&module));
    let dispatch = engine
        .compile(dispatch(&hooks))
        .map_err(|error| vec![LoadError::new(name, error.to_string())])?;
    let id = ScriptRef {
        name: name.to_owned(),
        hash: sha256_hex(text.as_bytes()),
    };
    Ok(Compiled {
        id,
        hooks,
        module,
        dispatch,
        warnings,
        has_closures: cycles::has_closures(&ast),
    })
}

/// Compiles the text of one file.
pub(super) fn parse(engine: &Engine, name: &str, text: &str) -> Result<AST, LoadError> {
    let mut ast = engine.compile(text).map_err(|error| {
        LoadError::at(name, text, error.position(), error.err_type().to_string())
    })?;
    ast.set_source(name);
    Ok(ast)
}

/// Runs the top level of a file.
pub(super) fn evaluate(
    engine: &Engine,
    ast: &AST,
    name: &str,
    text: &str,
) -> Result<Shared<Module>, LoadError> {
    let module = Module::eval_ast_as_new(Scope::new(), ast, engine);
    module
        .map(Into::into)
        .map_err(|error| failed(name, text, &error))
}

/// Returns the error of the top level of `name`.
fn failed(name: &str, text: &str, error: &EvalAltResult) -> LoadError {
    match error {
        EvalAltResult::ErrorInModule(library, inner, position) => {
            let place = inner.position();
            let message = format!("{library}:{place:?}: {}", message(inner.unwrap_inner()));
            LoadError::at(name, text, *position, message)
        }
        error => LoadError::at(name, text, error.position(), message(error.unwrap_inner())),
    }
}

/// Returns the hooks that a script has. A hook with the wrong number of parameters is an error.
fn hooks(ast: &AST, name: &str, text: &str) -> Result<Vec<Hook>, Vec<LoadError>> {
    let (mut hooks, mut errors) = (Vec::new(), Vec::new());
    for function in ast.iter_functions() {
        let Some(hook) = Hook::named(function.name) else {
            continue;
        };
        if function.params.len() == hook.parameters().len() {
            hooks.push(hook);
        } else {
            let due = hook.parameters().join(", ");
            let message = format!(
                "wrong number of parameters; the hook is {}({due})",
                hook.name()
            );
            errors.push(LoadError::at(
                name,
                text,
                declaration(text, function.name),
                message,
            ));
        }
    }
    hooks.sort_unstable();
    hooks.dedup();
    if errors.is_empty() {
        Ok(hooks)
    } else {
        Err(errors)
    }
}

/// Returns the position at which the function called `name` is declared.
pub(super) fn declaration(text: &str, name: &str) -> Position {
    let found = text.lines().enumerate().find_map(|(number, line)| {
        let at = line.find("fn ")?;
        let after = line.get(at + 3..)?.trim_start().strip_prefix(name)?;
        after.trim_start().starts_with('(').then_some((number, at))
    });
    let place = found.and_then(|(line, column)| {
        Some((
            u16::try_from(line + 1).ok()?,
            u16::try_from(column + 1).ok()?,
        ))
    });
    place.map_or(Position::NONE, |(line, column)| Position::new(line, column))
}

/// Returns warnings about functions that may have been meant as hooks and would silently never be called.
fn near_hooks(ast: &AST) -> Vec<String> {
    let names = Hook::ALL.map(Hook::name);
    let near = |name: &str| {
        let hook = nearest(name, names).filter(|_| !names.contains(&name) && name.len() > 6)?;
        Some(format!(
            "the function {name} is never called; did you mean the hook {hook}?"
        ))
    };
    ast.iter_functions()
        .filter_map(|function| near(function.name))
        .collect()
}

fn dispatch(hooks: &[Hook]) -> String {
    let function = |hook: &Hook| {
        let (name, parameters) = (hook.name(), hook.parameters().join(", "));
        format!("fn {name}({parameters}) {{ {SCRIPT_MODULE}::{name}({parameters}) }}\n")
    };
    hooks.iter().map(function).collect()
}
