//! Tests of scripts: every `fn test_*` of `tests/*.rhai`, each in its own world.
//!
//! Tests reach no other system, no store, and no secret of the configuration.

pub(crate) mod fake;
mod functions;
pub(in crate::script) mod given;
mod recording;
#[cfg(test)]
mod tests;
pub(crate) mod trial;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::Timestamp;
use crate::client::Metadata;
use rhai::{AST, CallFnOptions, Dynamic, Engine, Position, Scope};

use crate::config::ScriptSettings;
use functions::Scene;

use crate::script::{
    Frame, Hook, HookContext, HostResult, Libraries, LoadError, LoadErrors, MemberAccess, Members,
    Permit, Round, SCRIPT_MODULE, ScriptFault, SharedModules, Texts, cycles, during_call, load,
};
use fake::{FakeHost, FakeReply};
use recording::{ExecutableLines, Recorder};
use trial::{Given, Trial, Watch};
use world::responses;

pub(crate) use recording::{FileCoverage, FunctionProfile, Profile};
pub(in crate::script) use world::ScriptObserver;
pub(crate) use world::{Fakes, World, WorldSettings, fake_host, hook};

/// The limits of the test itself, apart from the hooks that it calls.
const TEST_OPERATIONS: u64 = 2_000_000;
const TEST_MILLISECONDS: u64 = 30_000;
const TEST_CALLS: u32 = 1_000;

/// A folder of scripts with its tests.
pub(crate) struct Suite {
    beginning: WorldSettings,
    texts: Arc<Texts>,
    files: BTreeMap<String, String>,
    tests: Vec<Test>,
    recorder: Option<Arc<Recorder>>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    /// Its file, relative to the folder of the scripts.
    pub(crate) file: String,
    /// Its function.
    pub(crate) name: String,
}

impl std::fmt::Display for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}::{}",
            self.file.strip_prefix("tests/").unwrap_or(&self.file),
            self.name
        )
    }
}

/// How long all tests may take when a server reloads its scripts.
const RELOAD_TIME: Duration = Duration::from_mins(1);

/// Runs all tests of the folder.
///
/// # Errors
/// The tests that fail, with file, line and column. A folder without tests passes.
pub(crate) async fn pass(beginning: WorldSettings) -> Result<(), String> {
    let suite = Suite::load(beginning)
        .map_err(|errors| format!("the tests cannot be loaded:\n{errors}"))?;
    let suite = Arc::new(suite);
    let (end, mut failed) = (Instant::now() + RELOAD_TIME, Vec::new());
    for test in suite.tests() {
        if end <= Instant::now() {
            let seconds = RELOAD_TIME.as_secs();
            return Err(format!(
                "the tests took more than {seconds} seconds (scripts.testsBeforeReload)"
            ));
        }
        if let Err(failure) = suite.run(test).await {
            failed.push(format!("{test}: {}", failure.error));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let (number, all, told) = (failed.len(), suite.tests().len(), failed.join("\n"));
    Err(format!(
        "{number} of {all} tests failed (scripts.testsBeforeReload):\n{told}"
    ))
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestFailure {
    /// The error and its position.
    pub(crate) error: LoadError,
    /// The call stack, with the outermost function first.
    pub(crate) calls: String,
    /// The log lines.
    pub(crate) log: Vec<String>,
}

impl TestFailure {
    /// A failure before any function was called.
    const fn early(error: LoadError, log: Vec<String>) -> Self {
        Self {
            error,
            calls: String::new(),
            log,
        }
    }
}

impl Suite {
    /// Reads the scripts of the folder, and compiles its tests.
    ///
    /// # Errors
    /// When a file cannot be read or a test does not compile.
    pub(crate) fn load(beginning: WorldSettings) -> Result<Self, LoadErrors> {
        let scripts = Arc::new(load::read(&beginning.settings.directory)?);
        let files = load::read_tests(&beginning.settings.directory)?;
        let world = Arc::new(World::new(&beginning));
        let modules = SharedModules::new(&world.runtime(generous));
        let mut engine = modules.engine(|| None);
        let scene = Scene {
            world,
            texts: Arc::clone(&scripts),
        };
        functions::register(&mut engine, &scene);
        let (mut tests, mut errors) = (Vec::new(), Vec::new());
        for (file, text) in &files {
            match load::parse(&engine, file, text) {
                Ok(ast) => tests_of(&ast, file, text, &mut tests, &mut errors),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(LoadErrors(errors));
        }
        Ok(Self {
            beginning,
            texts: scripts,
            files,
            tests,
            recorder: None,
        })
    }

    /// Records from now on what the scripts do while tests run.
    pub(crate) fn record(&mut self) {
        self.recorder = Some(Arc::default());
    }

    /// Returns the lines of each script and of each library that ran so far and that did not run.
    pub(crate) fn coverage(&self) -> Vec<FileCoverage> {
        let Some(recorder) = &self.recorder else {
            return Vec::new();
        };
        recorder.coverage(&self.lines(), |file| !self.files.contains_key(file))
    }

    /// Returns what each function of the scripts and of the libraries did so far.
    pub(crate) fn profile(&self) -> Profile {
        let Some(recorder) = &self.recorder else {
            return Profile::default();
        };
        recorder.profile(&self.lines(), |file| !self.files.contains_key(file))
    }

    /// Returns the executable lines of all files. A file that does not compile has none.
    fn lines(&self) -> BTreeMap<String, ExecutableLines> {
        let modules = SharedModules::new(&World::new(&self.beginning).runtime(generous));
        let engine = modules.engine(|| None);
        let mut texts = self.texts.scripts.clone();
        for (name, text) in &self.texts.libraries {
            texts.insert(format!("{name}.rhai"), text.clone());
        }
        texts.extend(self.files.clone());
        let mut lines = BTreeMap::new();
        for (file, text) in &texts {
            if let Ok(ast) = load::parse(&engine, file, text) {
                lines.insert(file.clone(), ExecutableLines::of(&ast));
            }
        }
        lines
    }

    /// Returns the tests, file by file, in the order in which they are written.
    pub(crate) fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// Runs one test. Its limits guarantee that it ends.
    ///
    /// # Errors
    /// When the test fails.
    pub(crate) async fn run(self: &Arc<Self>, test: &Test) -> Result<(), Box<TestFailure>> {
        let (suite, test, world) = (Arc::clone(self), test.clone(), self.world());
        let runtime = world.runtime(generous);
        let permit = runtime.permits.take(false).await;
        let file = test.file.clone();
        let task = tokio::task::spawn_blocking(move || {
            let Some(permit) = permit else {
                return Err(suite.failed(&test, &world, "no slot was free to run the test"));
            };
            permit.begin();
            let modules = SharedModules::new(&runtime);
            cycles::freed(|| suite.run_in(&test, &world, &modules, &permit))
        });
        match task.await {
            Ok(done) => done,
            Err(error) => {
                let error = LoadError::new(&file, error.to_string());
                Err(Box::new(TestFailure::early(error, Vec::new())))
            }
        }
    }

    /// Creates the world of one test.
    fn world(&self) -> Arc<World> {
        Arc::new(World::recorded(&self.beginning, self.recorder.clone()))
    }

    fn run_in(
        &self,
        test: &Test,
        world: &Arc<World>,
        modules: &SharedModules,
        permit: &Arc<Permit>,
    ) -> Result<(), Box<TestFailure>> {
        let mut engine = self.engine(world, modules, permit);
        let dispatch = match self.prepare(&mut engine, test) {
            Ok(dispatch) => dispatch,
            Err(error) => return Err(Box::new(TestFailure::early(error, world.log()))),
        };
        let context = context(&test.file, modules, permit, world.now());
        match called(&engine, &dispatch, &test.name, &context) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.placed(ScriptFault::of(&test.file, &test.name, &error), world)),
        }
    }

    /// Creates the engine of one test.
    fn engine(&self, world: &Arc<World>, modules: &SharedModules, permit: &Arc<Permit>) -> Engine {
        let over = Arc::clone(permit);
        let mut engine = modules.engine(move || over.over());
        engine.set_module_resolver(Libraries::new(self.texts.libraries.clone()));
        let scene = Scene {
            world: Arc::clone(world),
            texts: Arc::clone(&self.texts),
        };
        functions::register(&mut engine, &scene);
        modules.top_levels().watch_calls(&mut engine);
        engine
    }

    /// Runs the top level of the file, and creates the function that calls the test.
    fn prepare(&self, engine: &mut Engine, test: &Test) -> Result<AST, LoadError> {
        let source = self.text(&test.file);
        let ast = load::parse(engine, &test.file, source)?;
        let module = load::evaluate(engine, &ast, &test.file, source)?;
        engine.register_static_module(SCRIPT_MODULE, module);
        let name = &test.name;
        engine
            .compile(format!("fn {name}() {{ {SCRIPT_MODULE}::{name}() }}"))
            .map_err(|error| LoadError::new(&test.file, error.to_string()))
    }

    fn failed(&self, test: &Test, world: &World, message: &str) -> Box<TestFailure> {
        let fault = ScriptFault::nowhere(&test.file, &test.name, message.to_owned());
        self.placed(fault, world)
    }

    /// Returns `fault` with the text of its line.
    fn placed(&self, fault: ScriptFault, world: &World) -> Box<TestFailure> {
        let number = |number: usize| u16::try_from(number).unwrap_or(0);
        let position = match fault.line {
            0 => Position::NONE,
            line => Position::new(number(line).max(1), number(fault.column)),
        };
        let error = LoadError::at(
            &fault.script,
            self.text(&fault.script),
            position,
            fault.message,
        );
        Box::new(TestFailure {
            error,
            calls: fault.calls,
            log: world.log(),
        })
    }

    /// Returns the text of a test or of a library.
    fn text(&self, file: &str) -> &str {
        let library = file.trim_end_matches(".rhai");
        match self.files.get(file) {
            Some(text) => text,
            None => self.texts.libraries.get(library).map_or("", String::as_str),
        }
    }
}

/// Calls one hook of the scripts of `beginning` in `world`: `registrar script call`.
///
/// # Errors
/// When the scripts do not load, or no script has the hook.
pub(crate) async fn call(
    beginning: &WorldSettings,
    world: &World,
    script: Option<&str>,
    hook: Hook,
    given: Given,
) -> Result<Trial, String> {
    let texts = load::read(&beginning.settings.directory).map_err(|errors| errors.to_string())?;
    world.call(&texts, script, hook, given).await
}

/// Calls the function of `dispatch` that calls a test.
fn called(
    engine: &Engine,
    dispatch: &AST,
    name: &str,
    context: &HookContext,
) -> HostResult<Dynamic> {
    let options = CallFnOptions::new()
        .eval_ast(false)
        .with_tag(context.clone());
    let mut scope = Scope::new();
    during_call(context, || {
        engine.call_fn_with_options(options, &mut scope, dispatch, name, ())
    })
}

/// Raises the limits, because a test does more than a hook.
fn generous(settings: &mut ScriptSettings) {
    settings.limits.operations = TEST_OPERATIONS;
    settings.limits.deadline_ms = TEST_MILLISECONDS;
    settings.limits.http_ms = TEST_MILLISECONDS;
    settings.limits.http_calls = TEST_CALLS;
    settings.limits.store_calls = TEST_CALLS;
}

/// Returns the context of a test for host functions, which treat it as a hook without a request.
fn context(
    file: &str,
    modules: &SharedModules,
    permit: &Arc<Permit>,
    now: Timestamp,
) -> HookContext {
    let (facts, ..) = Given::default().into_parts(&[], now);
    let frame = Arc::new(Frame {
        bytes: modules.result_bytes(),
        ..Frame::default()
    });
    let client = Members::new(Metadata::default(), MemberAccess::ReadOnly, &frame);
    let round = Round {
        facts: Arc::new(facts),
        frame,
        attributes: Arc::default(),
        permit: Arc::clone(permit),
        attestation: Arc::default(),
        reservations: Arc::default(),
        held: Arc::default(),
    };
    HookContext::new(file, &round, client, None)
}

/// Collects the tests of one file. A test with parameters is an error.
fn tests_of(ast: &AST, file: &str, text: &str, tests: &mut Vec<Test>, errors: &mut Vec<LoadError>) {
    let mut found: Vec<(Position, &str, usize)> = Vec::new();
    for function in ast.iter_functions() {
        let name = function.name;
        if name.starts_with("test_") {
            found.push((load::declaration(text, name), name, function.params.len()));
        }
    }
    found.sort_by_key(|(place, name, _)| (place.line(), place.position(), name.to_owned()));
    for (place, name, parameters) in found {
        if parameters == 0 {
            tests.push(Test {
                file: file.to_owned(),
                name: name.to_owned(),
            });
        } else {
            errors.push(LoadError::at(
                file,
                text,
                place,
                "a test must not have parameters",
            ));
        }
    }
}
