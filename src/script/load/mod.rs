//! Reads and compiles a folder of scripts. It loads all scripts, or none and reports all errors.

mod ignored;
pub(in crate::script) mod library;
pub(in crate::script) mod runtime;
pub(in crate::script) mod secrets;
pub(in crate::script) mod set;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::string::FromUtf8Error;

use rhai::{AST, Engine, EvalAltResult, Module, Position, Scope, Shared};

use crate::base::sha256_hex;
use crate::client::ScriptRef;
use crate::script::{
    Hook, SharedModules, current_call_is_over, cycles, error_message, explained_parse_error,
    misspelled_hooks, readable,
};
use library::Libraries;

/// The size limit of one file, in bytes.
const MAXIMUM_BYTES: u64 = 1 << 20;
/// The maximum number of files.
const MAXIMUM_FILES: usize = 256;
/// The maximum depth of nested folders below `lib/`.
const MAXIMUM_DEPTH: usize = 8;

/// An error in the scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadError {
    /// The file, relative to the folder of the scripts.
    pub(crate) file: String,
    /// The line, from 1; 0 when there is none.
    pub(crate) line: usize,
    /// The column, from 1; 0 when there is none.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// The text of the line.
    pub(crate) text: String,
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
        let mut error = Self::new(file, message);
        if let Some(line) = position.line() {
            error.line = line;
            let text = source.lines().nth(line.saturating_sub(1));
            error.text = String::from(text.unwrap_or_default().trim_end());
        }
        if let Some(column) = position.position() {
            error.column = column;
        }
        error
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
pub(crate) struct LoadErrors(pub(crate) Vec<LoadError>);

impl LoadErrors {
    /// Sorts errors by their files: a file system lists files in any order.
    fn in_order(mut errors: Vec<LoadError>) -> Self {
        errors.sort_by(|one, other| one.file.cmp(&other.file));
        Self(errors)
    }
}

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
    /// Files that look like scripts but are not read, with the reason.
    pub(super) ignored: Vec<LoadError>,
}

/// Reads all scripts of `directory` and all files below its `lib/`.
pub(super) fn read(directory: &Path) -> Result<Texts, LoadErrors> {
    if !directory.is_dir() {
        let reason = if directory.exists() {
            "this is a file; name the folder with the scripts"
        } else {
            "folder not found; create it, or set scripts.directory to another folder"
        };
        let missing = LoadError::new(&directory.display().to_string(), reason);
        return Err(LoadErrors(vec![missing]));
    }
    let mut errors = Vec::new();
    let mut scripts = BTreeMap::new();
    read_folder(directory, "", 0, &mut scripts, &mut errors);
    let mut files = BTreeMap::new();
    let folder = directory.join("lib");
    if folder.is_dir() {
        read_folder(&folder, "lib/", 1, &mut files, &mut errors);
    }
    let mut libraries = BTreeMap::new();
    for (name, text) in files {
        libraries.insert(name.replace(".rhai", ""), text);
    }
    let texts = Texts {
        scripts,
        libraries,
        ignored: ignored::look_alikes(directory),
    };
    texts.check_number(&mut errors);
    if errors.is_empty() {
        Ok(texts)
    } else {
        Err(LoadErrors::in_order(errors))
    }
}

impl Texts {
    fn check_number(&self, errors: &mut Vec<LoadError>) {
        if self.scripts.len() + self.libraries.len() > MAXIMUM_FILES {
            let message = format!("too many files; the limit is {MAXIMUM_FILES}");
            errors.push(LoadError::new("", message));
        }
    }
}

/// Puts `files` into `texts`, by their names relative to the folder of the scripts. A file without a text is removed.
pub(super) fn put_files(
    texts: &mut Texts,
    files: BTreeMap<String, Option<String>>,
) -> Result<(), LoadErrors> {
    let mut errors = Vec::new();
    for (name, text) in files {
        let text = text.as_deref().map(usable).transpose();
        match (place(texts, &name), text) {
            (Ok((files, name)), Ok(Some(text))) => drop(files.insert(name, text)),
            (Ok((files, name)), Ok(None)) => drop(files.remove(&name)),
            (Err(message), _) | (_, Err(message)) => errors.push(LoadError::new(&name, message)),
        }
    }
    texts.check_number(&mut errors);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(LoadErrors(errors))
    }
}

/// Returns the files among which the file called `name` is, and its name there.
fn place<'a>(
    texts: &'a mut Texts,
    name: &str,
) -> Result<(&'a mut BTreeMap<String, String>, String), String> {
    const DUE: &str = "a file is named like 10-name.rhai or lib/name.rhai";
    let Some(stem) = name.strip_suffix(".rhai") else {
        return Err(DUE.to_owned());
    };
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
    match stem.strip_prefix("lib/") {
        Some(rest) if rest.split('/').all(is_part) && rest.split('/').count() <= MAXIMUM_DEPTH => {
            Ok((&mut texts.libraries, stem.to_owned()))
        }
        None if is_part(stem) && !stem.contains('/') => Ok((&mut texts.scripts, name.to_owned())),
        _ => Err(DUE.to_owned()),
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
        Err(LoadErrors::in_order(errors))
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
        if path.is_dir() {
            if (1..MAXIMUM_DEPTH).contains(&depth) {
                read_folder(&path, &format!("{name}/"), depth + 1, texts, errors);
            }
            continue;
        }
        match read_script(&path) {
            Some(Ok(text)) => drop(texts.insert(name, text)),
            Some(Err(message)) => errors.push(LoadError::new(&name, message)),
            None => {}
        }
    }
}

/// Reads a file if it is a script.
fn read_script(path: &Path) -> Option<Result<String, String>> {
    (path.extension()? == "rhai").then(|| read_file(path))
}

fn read_file(path: &Path) -> Result<String, String> {
    let bytes = read_bytes(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes.ok_or_else(too_large)?);
    usable(&text.map_err(|error| not_utf8(&error))?)
}

fn not_utf8(error: &FromUtf8Error) -> String {
    let valid = error.utf8_error().valid_up_to();
    let before = error.as_bytes().get(..valid).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    format!("the file is not UTF-8 in line {line}; save it in UTF-8")
}

fn too_large() -> String {
    format!("the file is larger than {MAXIMUM_BYTES} bytes")
}

/// Returns the text of a file as it is compiled, if it can be a script.
fn usable(text: &str) -> Result<String, String> {
    if text.len() as u64 > MAXIMUM_BYTES {
        return Err(too_large());
    }
    // Many programs empty a file before they write it. An empty script would be valid and decide nothing,
    // so for a moment every client could register.
    if text.trim().is_empty() {
        return Err(
            "the file is empty, perhaps because it is being written; delete it if it is not needed"
                .to_owned(),
        );
    }
    // Some editors of Windows begin a file with a byte order mark.
    Ok(readable(text.strip_prefix('\u{feff}').unwrap_or(text)))
}

/// Returns the content of a file; none if it is too large.
fn read_bytes(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    if fs::metadata(path)?.len() > MAXIMUM_BYTES {
        return Ok(None);
    }
    fs::read(path).map(Some)
}

/// A script that is ready to be called.
pub(super) struct Script {
    pub(super) id: ScriptRef,
    pub(super) hooks: Vec<Hook>,
    /// The engine that calls it.
    pub(super) engine: Engine,
    /// One function for each hook, which calls the function of the module.
    pub(super) dispatch: AST,
    /// Where each hook is declared, for faults whose position the engine does not know.
    pub(super) declared: Vec<(Hook, Position)>,
}

/// A script whose top level has run.
pub(super) struct Compiled {
    id: ScriptRef,
    hooks: Vec<Hook>,
    module: Shared<Module>,
    dispatch: AST,
    declared: Vec<(Hook, Position)>,
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
            declared,
            has_closures,
        } = self;
        let mut engine = modules.engine(current_call_is_over);
        if has_closures || libraries.have_closures() {
            modules.top_levels().watch_calls(&mut engine);
        }
        engine.register_static_module(SCRIPT_MODULE, module);
        Script {
            id,
            hooks,
            engine,
            dispatch,
            declared,
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
    let declared = hooks
        .iter()
        .map(|hook| (*hook, declaration(text, hook.name())));
    let declared = declared.collect();
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
        declared,
        has_closures: cycles::has_closures(&ast),
    })
}

/// Compiles the text of one file.
pub(super) fn parse(engine: &Engine, name: &str, text: &str) -> Result<AST, LoadError> {
    let mut ast = engine.compile(text).map_err(|error| {
        let message = explained_parse_error(&error, text);
        LoadError::at(name, text, error.position(), message)
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
    match Module::eval_ast_as_new(Scope::new(), ast, engine) {
        Ok(module) => Ok(module.into()),
        Err(error) => Err(failed(name, text, &error)),
    }
}

/// Returns the error of the top level of `name`.
fn failed(name: &str, text: &str, error: &EvalAltResult) -> LoadError {
    match error {
        EvalAltResult::ErrorInModule(library, inner, position) => {
            let place = inner.position();
            let message = format!(
                "{library}:{place:?}: {}",
                error_message(inner.unwrap_inner())
            );
            LoadError::at(name, text, *position, message)
        }
        error => LoadError::at(
            name,
            text,
            error.position(),
            error_message(error.unwrap_inner()),
        ),
    }
}

/// Returns the hooks that a script has. A hook with a wrong name or number of parameters is an error.
fn hooks(ast: &AST, name: &str, text: &str) -> Result<Vec<Hook>, Vec<LoadError>> {
    let (mut hooks, mut errors) = (Vec::new(), misspelled_hooks(ast, name, text));
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
    for (number, line) in (1..=u16::MAX).zip(text.lines()) {
        if let Some(column) = declared_at(line, name) {
            return Position::new(number, column);
        }
    }
    Position::NONE
}

/// Returns the column, from 1, at which a line declares the function called `name`.
fn declared_at(line: &str, name: &str) -> Option<u16> {
    let at = line.find("fn ")?;
    let after = line.get(at + 3..)?.trim_start().strip_prefix(name)?;
    if !after.trim_start().starts_with('(') {
        return None;
    }
    u16::try_from(at + 1).ok()
}

fn dispatch(hooks: &[Hook]) -> String {
    let mut functions = Vec::new();
    for hook in hooks {
        let (name, parameters) = (hook.name(), hook.parameters().join(", "));
        functions.push(format!(
            "fn {name}({parameters}) {{ {SCRIPT_MODULE}::{name}({parameters}) }}"
        ));
    }
    functions.join("\n")
}
