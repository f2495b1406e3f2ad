//! The files that a script may import: those below `lib/`, read when the set is loaded, and no others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use crate::script::{cycles, explained_parse_error};

/// The files below `lib/`. A clone is another handle on the same files.
#[derive(Clone)]
pub(in crate::script) struct Libraries(Arc<Shelf>);

struct Shelf {
    /// The text of each file by the name under which it is imported.
    texts: BTreeMap<String, String>,
    loaded: Mutex<BTreeMap<String, Library>>,
    has_closures: AtomicBool,
}

/// A file below `lib/` that has been imported.
enum Library {
    /// Its top level is running, so an import of it now is a cycle.
    Loading,
    Ready(Shared<Module>),
}

impl Libraries {
    pub(in crate::script) fn new(texts: BTreeMap<String, String>) -> Self {
        Self(Arc::new(Shelf {
            texts,
            loaded: Mutex::default(),
            has_closures: AtomicBool::default(),
        }))
    }

    /// Returns the names that can be imported.
    pub(in crate::script) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.texts.keys().map(String::as_str)
    }

    /// Returns whether any imported file has closures.
    pub(in crate::script) fn have_closures(&self) -> bool {
        self.0.has_closures.load(Ordering::Relaxed)
    }

    fn loaded(&self) -> MutexGuard<'_, BTreeMap<String, Library>> {
        let loaded = self.0.loaded.lock();
        loaded.unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, name: &str, library: Library) {
        self.loaded().insert(name.to_owned(), library);
    }

    /// Returns the message for an import of a file that does not exist.
    fn not_found(&self, path: &str) -> String {
        let known: Vec<&str> = self.names().collect();
        let known = if known.is_empty() {
            "there are none".to_owned()
        } else {
            known.join(", ")
        };
        format!("'{path}' cannot be imported, only files below lib/: {known}")
    }

    fn load(
        &self,
        engine: &Engine,
        name: &str,
        text: &str,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        self.note(name, Library::Loading);
        let mut ast = engine.compile(text).map_err(|error| {
            let message = explained_parse_error(&error, text);
            Box::new(EvalAltResult::ErrorRuntime(
                message.into(),
                error.position(),
            ))
        })?;
        ast.set_source(format!("{name}.rhai"));
        self.0
            .has_closures
            .fetch_or(cycles::has_closures(&ast), Ordering::Relaxed);
        let module: Shared<Module> = Module::eval_ast_as_new(Scope::new(), &ast, engine)?.into();
        self.note(name, Library::Ready(Shared::clone(&module)));
        Ok(module)
    }
}

impl ModuleResolver for Libraries {
    fn resolve(
        &self,
        engine: &Engine,
        _importer: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let fail =
            |message: String| Box::new(EvalAltResult::ErrorRuntime(message.into(), position));
        match self.loaded().get(path) {
            Some(Library::Ready(module)) => return Ok(Shared::clone(module)),
            Some(Library::Loading) => return Err(fail(format!("'{path}' imports itself"))),
            None => {}
        }
        // Only names found below lib/ are known, so no other file can be imported.
        let Some(text) = self.0.texts.get(path) else {
            return Err(fail(self.not_found(path)));
        };
        self.load(engine, path, text).map_err(|error| {
            let file = format!("{path}.rhai");
            Box::new(EvalAltResult::ErrorInModule(file, error, position))
        })
    }
}
