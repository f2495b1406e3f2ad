//! Asks scripts, one after the other, on a thread that may wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::{CallFnOptions, Dynamic, EvalAltResult, Scope};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::context::Context;
use super::facts::Facts;
use super::hook::Hook;
use super::load::{SCRIPT_MODULE, Script};
use super::members::{Access, Members};
use super::outcome::{Decision, Fault, HookError};
use super::set::ScriptSet;
use super::value::message;
use crate::client::Metadata;
use crate::telemetry::meter::{self, ScriptOutcome};

impl ScriptSet {
    /// Asks every script that has `hook`, in their order, until one does not let the request
    /// pass. Each sees what the ones before it made of `client`.
    ///
    /// # Errors
    /// When a script refuses or fails, or none can be asked at present.
    pub async fn decide(
        self: &Arc<Self>,
        hook: Hook,
        facts: Arc<Facts>,
        client: Metadata,
    ) -> Result<Decision, HookError> {
        let access = if hook == Hook::DeleteClient { Access::ReadOnly } else { Access::Metadata };
        self.on_a_thread(hook, move |set, deadline| {
            let custom = Arc::new(facts.custom_attributes.iter().cloned().collect());
            let members = Members::new(client.into_object(), access, &custom);
            let mut decided_by = Vec::new();
            for script in set.with(hook) {
                let context = Context::new(&facts, &set.attributes, members.clone());
                let arguments = vec![Dynamic::from(context.clone())];
                if !set.counted_call(script, hook, (&context, arguments), deadline)? {
                    return Err(HookError::Refused { script: script.id.name.clone() });
                }
                decided_by.push(script.id.clone());
            }
            Ok(Decision { client: Metadata::new(members.take()), decided_by })
        })
        .await
    }

    /// Lets every script that has `hook` change `response`. What a script changed is kept when
    /// it returns `true`.
    ///
    /// # Errors
    /// When a script fails, or none can be asked at present.
    pub async fn modify_response(
        self: &Arc<Self>,
        hook: Hook,
        mut response: Map<String, Value>,
        facts: Arc<Facts>,
        client: Metadata,
    ) -> Result<Map<String, Value>, HookError> {
        self.on_a_thread(hook, move |set, deadline| {
            let custom = Arc::new(facts.custom_attributes.iter().cloned().collect());
            let client = Members::new(client.into_object(), Access::ReadOnly, &custom);
            for script in set.with(hook) {
                let members = Members::new(response.clone(), Access::Answer, &custom);
                let context = Context::new(&facts, &set.attributes, client.clone());
                let arguments = vec![Dynamic::from(members.clone()), Dynamic::from(context.clone())];
                if set.counted_call(script, hook, (&context, arguments), deadline)? {
                    response = members.take();
                }
            }
            Ok(response)
        })
        .await
    }

    /// Runs `work` where it may take its time. Scripts take turns; who waits past the deadline
    /// is told so.
    async fn on_a_thread<T: Send + 'static>(
        self: &Arc<Self>,
        hook: Hook,
        work: impl FnOnce(&Self, Instant) -> Result<T, HookError> + Send + 'static,
    ) -> Result<T, HookError> {
        let time = Duration::from_millis(self.limits.deadline_ms);
        let deadline = Instant::now() + time;
        let permit = tokio::time::timeout(time, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(HookError::Busy) };
        if deadline <= Instant::now() {
            return Err(HookError::Busy);
        }
        let set = Arc::clone(self);
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let _held_until_done = permit;
            span.in_scope(|| work(&set, deadline))
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(error) => Err(HookError::Fault(fault("", hook, error.to_string()))),
        }
    }

    fn with(&self, hook: Hook) -> impl Iterator<Item = &Script> {
        self.scripts.iter().filter(move |script| script.hooks.contains(&hook))
    }

    /// Calls `hook` of one script and counts the call; whether it returned `true`.
    fn counted_call(
        &self,
        script: &Script,
        hook: Hook,
        call: (&Context, Vec<Dynamic>),
        deadline: Instant,
    ) -> Result<bool, HookError> {
        let started = Instant::now();
        let returned = self.call(script, hook, call, deadline);
        let passed = returned.and_then(|returned| pass(script, hook, &returned));
        let outcome = match &passed {
            Ok(true) => ScriptOutcome::Passed,
            Ok(false) | Err(HookError::Refused { .. }) => ScriptOutcome::Refused,
            Err(HookError::Answered { .. }) => ScriptOutcome::Answered,
            Err(HookError::Fault(_) | HookError::Busy) => ScriptOutcome::Fault,
        };
        meter::script_call(&script.id.name, hook.name(), outcome, started.elapsed());
        passed
    }

    /// Calls `hook` of one script. An answer that the script gave counts more than what it
    /// returned.
    fn call(
        &self,
        script: &Script,
        hook: Hook,
        (context, arguments): (&Context, Vec<Dynamic>),
        deadline: Instant,
    ) -> Result<Dynamic, HookError> {
        let mut engine = self.modules.engine(deadline);
        engine.register_static_module(SCRIPT_MODULE, rhai::Shared::clone(&script.module));
        let options = CallFnOptions::new().eval_ast(false).with_tag(context.clone());
        let name = hook.name();
        let returned: Result<Dynamic, Box<EvalAltResult>> =
            engine.call_fn_with_options(options, &mut Scope::new(), &script.dispatch, name, arguments);
        let answered = |Answer { status, entity }| HookError::Answered {
            script: script.id.name.clone(),
            status,
            entity,
        };
        match returned {
            Ok(returned) => context.take_answer().map_or(Ok(returned), |answer| Err(answered(answer))),
            Err(error) => Err(match Answer::thrown(&error) {
                Some(answer) => answered(answer),
                None => HookError::Fault(failed(script, hook, &error)),
            }),
        }
    }
}

/// Whether the script returned `true`.
fn pass(script: &Script, hook: Hook, returned: &Dynamic) -> Result<bool, HookError> {
    returned.as_bool().map_err(|found| {
        let message = format!("it must return true or false, not a value of the type {found}");
        HookError::Fault(fault(&script.id.name, hook, message))
    })
}

fn fault(script: &str, hook: Hook, message: String) -> Fault {
    let (script, hook) = (script.to_owned(), hook.name().to_owned());
    Fault { script, hook, message, line: 0, column: 0, calls: String::new() }
}

/// What went wrong, where, and who had called whom.
fn failed(script: &Script, hook: Hook, error: &EvalAltResult) -> Fault {
    let mut calls = Vec::new();
    let (mut inner, mut file) = (error, script.id.name.as_str());
    while let EvalAltResult::ErrorInFunctionCall(name, source, cause, position) = inner {
        // The dispatch function, which has no source, is not the operator's business.
        if !source.is_empty() {
            file = source;
            calls.push(format!("{name} ({source} {position})"));
        }
        inner = cause;
    }
    let position = inner.position();
    Fault {
        script: file.to_owned(),
        message: message(inner),
        line: position.line().unwrap_or(0),
        column: position.position().unwrap_or(0),
        calls: calls.join(" > "),
        ..fault("", hook, String::new())
    }
}
