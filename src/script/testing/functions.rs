//! The functions that only tests can call: assertions, fakes, and calls of hooks.

use std::sync::Arc;

use rhai::{Dynamic, Engine, ImmutableString, Module};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::script::{
    Functions, HostResult, Texts, failure, testing::World, testing::hook, testing::responses,
    to_json, to_script,
};

/// The state that the functions of one test use.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) world: Arc<World>,
    pub(super) texts: Arc<Texts>,
}

/// Registers the functions that only tests can call.
pub(super) fn register(engine: &mut Engine, scene: &Scene) {
    let mut module = assertions();
    calls(&mut module, scene);
    engine.register_global_module(module.into());
    engine.register_static_module("fake", fakes(&scene.world).into());
}

fn assertions() -> Module {
    let mut module = Functions::default();
    module.add1("assert", |_, condition: bool| {
        check(condition, "assertion failed")
    });
    module.add2("assert", |_, condition: bool, message: ImmutableString| {
        check(condition, &message)
    });
    module.add2("assert_eq", |_, left: Dynamic, right: Dynamic| {
        let (left, right) = (to_json(&left)?, to_json(&right)?);
        check(
            left == right,
            &format!("the two values are not equal\nleft:  {left}\nright: {right}"),
        )
    });
    module.into_module()
}

fn check(condition: bool, message: &str) -> HostResult<()> {
    if condition {
        Ok(())
    } else {
        Err(failure(message))
    }
}

fn calls(module: &mut Module, scene: &Scene) {
    let mut calls = Functions::default();
    let here = scene.clone();
    calls.add1("run", move |_, hook: ImmutableString| {
        here.call(None, &hook, &Dynamic::from_map(rhai::Map::new()))
    });
    let here = scene.clone();
    calls.add2("run", move |_, hook: ImmutableString, given: Dynamic| {
        here.call(None, &hook, &given)
    });
    let here = scene.clone();
    calls.add3(
        "run_script",
        move |_, script: ImmutableString, hook: ImmutableString, given: Dynamic| {
            here.call(Some(&script), &hook, &given)
        },
    );
    module.combine(calls.into_module());
}

impl Scene {
    fn call(&self, script: Option<&str>, name: &str, given: &Dynamic) -> HostResult<Dynamic> {
        let hook = hook(name).map_err(failure)?;
        let given = read(given, "invalid arguments of the hook")?;
        let trial = self.world.call(&self.texts, script, hook, given);
        // A test runs on a thread that may block.
        let trial = Handle::current().block_on(trial).map_err(failure)?;
        match serde_json::to_value(&trial) {
            Ok(trial) => to_script(&trial),
            Err(error) => Err(failure(error.to_string())),
        }
    }
}

fn fakes(world: &Arc<World>) -> Module {
    let mut module = Functions::default();
    let here = Arc::clone(world);
    module.add3(
        "http",
        move |_, method: ImmutableString, url: ImmutableString, answer: Dynamic| {
            let responses = responses(to_json(&answer)?)
                .map_err(|error| failure(format!("invalid response: {error}")))?;
            here.fake_http(&method, &url, responses).map_err(failure)
        },
    );
    let here = Arc::clone(world);
    module.add2(
        "secret",
        move |_, name: ImmutableString, text: ImmutableString| {
            here.fake_secret(&name, &text).map_err(failure)
        },
    );
    let here = Arc::clone(world);
    module.add1("client", move |_, members: Dynamic| {
        here.fake_client(read(&members, "invalid client")?);
        Ok(())
    });
    add_times(&mut module, world);
    module.into_module()
}

/// Adds the functions that set the time of day.
fn add_times(module: &mut Functions, world: &Arc<World>) {
    let here = Arc::clone(world);
    module.add1("now", move |_, seconds: i64| {
        here.fake_now(whole(seconds)?);
        Ok(())
    });
    let here = Arc::clone(world);
    module.add1("advance", move |_, seconds: i64| {
        here.advance(whole(seconds)?);
        Ok(())
    });
}

fn whole(seconds: i64) -> HostResult<u64> {
    u64::try_from(seconds).map_err(|_| failure("the number of seconds must be 0 or more"))
}

/// Converts `value` to the required type; error messages begin with `what`.
fn read<T: DeserializeOwned>(value: &Dynamic, what: &str) -> HostResult<T> {
    serde_json::from_value(to_json(value)?).map_err(|error| failure(format!("{what}: {error}")))
}
