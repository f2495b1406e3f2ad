//! Calls scripts, one after the other, on a thread that may block.

pub(in crate::script) mod ask;
mod comparisons;
pub(in crate::script) mod cycles;
pub(in crate::script) mod engine;
pub(in crate::script) mod inline;
pub(in crate::script) mod permits;
pub(in crate::script) mod statistics;
pub(in crate::script) mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rhai::{CallFnOptions, Dynamic, EvalAltResult, Scope};
use serde_json::{Map, Value};

use crate::client::Metadata;
use crate::script::{
    Adaptation, Decision, EndedCall, Facts, Frame, Hook, HookContext, HookError, HookRecorder,
    HostResult, MemberAccess, Members, Round, Script, ScriptAnswer, ScriptFault, ScriptSet,
    take_operations, value_of,
};
use crate::telemetry::{self, ScriptOutcome, meter, traces};
use engine::during_call;
use permits::Permit;

impl ScriptSet {
    /// Calls every script that has `hook`, in order, until one does not accept the request. Each script
    /// sees `client` as the previous scripts left it.
    ///
    /// # Errors
    /// When a script rejects the request or fails, or no slot for scripts is free.
    pub(crate) async fn decide(
        self: &Arc<Self>,
        hook: Hook,
        facts: Arc<Facts>,
        client: Metadata,
    ) -> Result<Decision, HookError> {
        let access = if hook == Hook::DeleteClient {
            MemberAccess::ReadOnly
        } else {
            MemberAccess::Metadata
        };
        self.on_a_thread(hook, facts, move |asking| asking.decide(client, access))
            .await
    }

    /// Lets every script that has `adaptRequest` change `request`, in order, until one does not accept it.
    /// Each script sees the request as the previous scripts left it.
    ///
    /// # Errors
    /// When a script rejects the request or fails, or no slot for scripts is free.
    pub(crate) async fn adapt(
        self: &Arc<Self>,
        request: Metadata,
        facts: Arc<Facts>,
        client: Metadata,
    ) -> Result<Adaptation, HookError> {
        let hook = Hook::AdaptRequest;
        self.on_a_thread(hook, facts, move |asking| {
            let client = asking.members(client, MemberAccess::ReadOnly);
            let request = asking.members(request, MemberAccess::Request);
            let (mut by, mut changed) = (Vec::new(), Vec::new());
            for (index, script) in asking.set.with(hook) {
                let argument = Some(Dynamic::from(request.clone()));
                if !asking.pass(script, &asking.call(index, script, argument, &client)?)? {
                    return Err(HookError::Refused {
                        script: script.id.name.clone(),
                    });
                }
                request.note_changed(&script.id.name, &mut changed);
                by.push(script.id.clone());
            }
            Ok(Adaptation {
                request: request.take(),
                by,
                changed,
            })
        })
        .await
    }

    /// Lets every script that has `hook` change `response`. The changes of a script are kept when it
    /// returns `true`.
    ///
    /// # Errors
    /// When a script fails, or no slot for scripts is free.
    pub(crate) async fn modify_response(
        self: &Arc<Self>,
        hook: Hook,
        response: Map<String, Value>,
        facts: Arc<Facts>,
        client: Metadata,
    ) -> Result<Map<String, Value>, HookError> {
        self.on_a_thread(hook, facts, move |asking| {
            let mut response = Metadata::new(response);
            let client = asking.members(client, MemberAccess::ReadOnly);
            for (index, script) in asking.set.with(hook) {
                let members = asking.members(response.clone(), MemberAccess::Answer);
                let argument = Some(Dynamic::from(members.clone()));
                if asking.pass(script, &asking.call(index, script, argument, &client)?)? {
                    response = members.take();
                }
            }
            Ok(response.into_object())
        })
        .await
    }

    /// Notifies the script at `index` of a change to `client`, if it has `hook`.
    pub(super) async fn tell_one(
        self: &Arc<Self>,
        index: usize,
        hook: Hook,
        facts: &Arc<Facts>,
        client: &Metadata,
    ) -> Result<(), HookError> {
        let mut with_hook = self.with(hook);
        if !with_hook.any(|(at, _)| at == index) {
            return Ok(());
        }
        let client = client.clone();
        self.on_a_thread(hook, Arc::clone(facts), move |asking| {
            let client = asking.members(client, MemberAccess::ReadOnly);
            if let Some(script) = asking.set.scripts.get(index) {
                // What a script returns has no meaning after the response.
                let _returned = asking.call(index, script, None, &client)?;
            }
            Ok(())
        })
        .await
    }

    /// Returns the number of scripts.
    pub(super) fn len(&self) -> usize {
        self.scripts.len()
    }

    /// Returns the index of the script with this file name.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.scripts
            .iter()
            .position(|script| *script.id.name == *name)
    }

    /// Returns the file name of the script at `index`.
    pub(super) fn name_at(&self, index: usize) -> Option<&str> {
        self.scripts
            .get(index)
            .map(|script| script.id.name.as_str())
    }

    /// Runs `work` on a script thread, or on this thread when the hook is known to be quick and holds up
    /// only this request. Scripts wait for a slot; a request that waits too long for one fails with
    /// [`HookError::Busy`].
    pub(super) async fn on_a_thread<T: Send + 'static>(
        self: &Arc<Self>,
        hook: Hook,
        facts: Arc<Facts>,
        work: impl FnOnce(&Asking) -> Result<T, HookError> + Send + 'static,
    ) -> Result<T, HookError> {
        let runtime = self.runtime();
        let is_quick = self.is_quick(hook, &facts);
        let Some(permit) = runtime.permits.take(is_quick).await else {
            return Err(HookError::Busy);
        };
        let asking = self.asking(hook, facts, permit);
        let outcome = if asking.round.permit.is_here() {
            asking.timed_here(work)
        } else {
            let work = observed_as_here(move || asking.timed(work));
            runtime.threads.run(work).await
        };
        match outcome {
            Ok(done) => done,
            Err(message) => Err(HookError::Fault(ScriptFault::new("", hook, message))),
        }
    }

    /// Returns whether the scripts can run on the thread of the request. A request that is only judged may wait for what
    /// the hook usually does not wait for.
    fn is_quick(&self, hook: Hook, facts: &Facts) -> bool {
        let is_judged = facts.request.recorder.is_some();
        !hook.shares_a_task() && !is_judged && self.pace(hook).is_quick()
    }

    /// Returns what all scripts that are called for one request at `hook` share.
    fn asking(self: &Arc<Self>, hook: Hook, facts: Arc<Facts>, permit: Arc<Permit>) -> Asking {
        let frame = Frame {
            custom: facts.request.custom_attributes.iter().cloned().collect(),
            settled: facts.settled.clone(),
            bytes: self.runtime().settings.limits.result_bytes,
        };
        let round = Round {
            facts,
            frame: Arc::new(frame),
            attributes: Arc::clone(&self.attributes),
            permit,
            attestation: Arc::default(),
            reservations: Arc::default(),
            held: Arc::default(),
        };
        Asking {
            set: Arc::clone(self),
            hook,
            round,
        }
    }

    /// Returns the scripts that have `hook`, with their indexes in the set.
    pub(super) fn with(&self, hook: Hook) -> impl Iterator<Item = (usize, &Script)> {
        self.scripts
            .iter()
            .enumerate()
            .filter(move |(_, script)| script.hooks.contains(&hook))
    }
}

/// One request at one hook.
pub(super) struct Asking {
    pub(super) set: Arc<ScriptSet>,
    pub(super) hook: Hook,
    pub(super) round: Round,
}

/// Returns `work`, to be done on another thread. What it logs and traces belongs to the request of this one.
fn observed_as_here<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let (traced, span) = (traces::current(), tracing::Span::current());
    telemetry::as_silent_as_here(move || traced.in_scope(|| span.in_scope(work)))
}

impl Asking {
    /// Calls the scripts in order, until one does not accept the request.
    fn decide(&self, client: Metadata, access: MemberAccess) -> Result<Decision, HookError> {
        let members = self.members(client, access);
        let (mut decided_by, mut changed) = (Vec::new(), Vec::new());
        for (index, script) in self.set.with(self.hook) {
            if !self.pass(script, &self.call(index, script, None, &members)?)? {
                return Err(HookError::Refused {
                    script: script.id.name.clone(),
                });
            }
            members.note_changed(&script.id.name, &mut changed);
            decided_by.push(script.id.clone());
        }
        Ok(Decision {
            client: members.take(),
            decided_by,
            attestation: self.round.attestation.said(),
            changed,
            reserved: self.round.reservations.take(),
            held: self.round.held.take(),
        })
    }

    /// Does `work`, and records how long the hook takes.
    fn timed<T>(&self, work: impl FnOnce(&Self) -> T) -> T {
        let begun = self.round.permit.begin();
        let done = cycles::freed(|| work(self));
        if self.recorder().is_none() {
            self.set
                .pace(self.hook)
                .note(begun.done(), !self.round.permit.waited().is_zero());
        }
        done
    }

    /// Does the same on this thread, which a panic must not end.
    fn timed_here<T>(&self, work: impl FnOnce(&Self) -> T) -> Result<T, String> {
        let done = catch_unwind(AssertUnwindSafe(|| self.timed(work)));
        done.map_err(|_| "a host function panicked".to_owned())
    }

    /// Wraps `values` for a script.
    pub(super) fn members(&self, values: Metadata, access: MemberAccess) -> Members {
        Members::new(values, access, &self.round.frame)
    }

    /// Returns the recorder of the request, if it is only judged.
    fn recorder(&self) -> Option<&Arc<HookRecorder>> {
        self.round.facts.request.recorder.as_ref()
    }

    /// Calls the hook, and records the call instead of counting it.
    fn call_recorded(
        &self,
        recorder: &HookRecorder,
        script: &Script,
        first: Option<Dynamic>,
        client: &Members,
    ) -> Result<Dynamic, HookError> {
        let first_members = first.clone().and_then(Dynamic::try_cast::<Members>);
        let members = first_members.unwrap_or_else(|| client.clone());
        let before = (!members.is_read_only()).then(|| members.values());
        take_operations();
        let begun = Instant::now();
        let outcome = self.call_uncounted(script, first, client);
        let ended = EndedCall {
            hook: self.hook,
            script: &script.id.name,
            outcome: &outcome,
            took: begun.elapsed(),
            operations: take_operations(),
            members: before.map(|before| (before, members.values())),
        };
        recorder.record(&ended, &self.set.runtime().secrets);
        outcome
    }

    /// Calls the hook of one script, with the argument `first` before the context, and counts the call.
    pub(super) fn call(
        &self,
        index: usize,
        script: &Script,
        first: Option<Dynamic>,
        client: &Members,
    ) -> Result<Dynamic, HookError> {
        if let Some(recorder) = self.recorder() {
            return self.call_recorded(recorder, script, first, client);
        }
        let (permit, name) = (&self.round.permit, &script.id.name);
        let (begun, waited) = (Instant::now(), permit.waited());
        let traced = traces::script(name, self.hook.name());
        let outcome = traced.in_scope(|| self.call_uncounted(script, first, client));
        if let Some(counters) = self.set.counters(index, self.hook) {
            let waited = permit.waited().saturating_sub(waited);
            counters.add(
                fault(&outcome),
                begun.elapsed().saturating_sub(waited),
                waited,
            );
        }
        meter::script_call(name, self.hook.name(), word(&outcome), begun.elapsed());
        outcome
    }

    /// Calls the hook. A response that the script has set takes precedence over its return value.
    fn call_uncounted(
        &self,
        script: &Script,
        first: Option<Dynamic>,
        client: &Members,
    ) -> Result<Dynamic, HookError> {
        let response = first.clone().and_then(Dynamic::try_cast::<Members>);
        let context = HookContext::new(&script.id.name, &self.round, client.clone(), response);
        let returned = self.returned(script, first, &context);
        let answer = match &returned {
            Ok(_) => context.take_answer(),
            Err(error) => ScriptAnswer::thrown(error),
        };
        if let Some(ScriptAnswer { status, mut entity }) = answer {
            // It goes to the client, and its description to the log.
            let secrets = &self.set.runtime().secrets;
            let values = entity.values_mut();
            values.for_each(|value| secrets.redact_value(value));
            return Err(HookError::Answered {
                script: script.id.name.clone(),
                status,
                entity,
            });
        }
        returned.map_err(|error| self.failed(script, &context, &error))
    }

    /// Returns what the function of the hook returns.
    fn returned(
        &self,
        script: &Script,
        first: Option<Dynamic>,
        context: &HookContext,
    ) -> HostResult<Dynamic> {
        let options = CallFnOptions::new()
            .eval_ast(false)
            .with_tag(context.clone());
        let mut arguments: Vec<Dynamic> = first.into_iter().collect();
        arguments.push(Dynamic::from(context.clone()));
        let (engine, dispatch) = (&script.engine, &script.dispatch);
        let (mut scope, name) = (Scope::new(), self.hook.name());
        during_call(context, || {
            engine.call_fn_with_options(options, &mut scope, dispatch, name, arguments)
        })
    }

    fn failed(&self, script: &Script, context: &HookContext, error: &EvalAltResult) -> HookError {
        if self.round.permit.gave_up() {
            return HookError::Busy;
        }
        let fault = ScriptFault::of(&script.id.name, self.hook.name(), error);
        // A thrown value appears in the log too, so secrets are removed from it.
        let message = context.conceal(&self.set.runtime().secrets.redact(&fault.message));
        self.placed(script, ScriptFault { message, ..fault })
    }

    /// Adds where the hook is declared to a fault without a position. The engine forgets where a limit was exceeded
    /// when the error passes a function.
    fn placed(&self, script: &Script, mut fault: ScriptFault) -> HookError {
        let mut declared = script.declared.iter();
        if fault.line == 0
            && let Some((_, position)) = declared.find(|(hook, _)| *hook == self.hook)
        {
            fault.line = position.line().unwrap_or(0);
            fault.column = position.position().unwrap_or(0);
        }
        HookError::Fault(fault)
    }

    /// Returns whether the script returned `true`.
    fn pass(&self, script: &Script, returned: &Dynamic) -> Result<bool, HookError> {
        returned
            .as_bool()
            .map_err(|found| self.mistyped(script, "true or false", found))
    }

    /// Creates the fault of a script that returned a value of the type `found`.
    pub(super) fn mistyped(&self, script: &Script, due: &str, found: &str) -> HookError {
        let advice = if found == "()" {
            ": end the hook with `true`"
        } else {
            ""
        };
        let message = format!(
            "{} must return {due}, not {}{advice}",
            self.hook.name(),
            value_of(found)
        );
        self.placed(
            script,
            ScriptFault::new(&script.id.name, self.hook, message),
        )
    }
}

/// Returns the fault of a call, if it has one.
fn fault(outcome: &Result<Dynamic, HookError>) -> Option<String> {
    match outcome {
        Err(HookError::Fault(fault)) => Some(fault.to_string()),
        _ => None,
    }
}

/// Returns the outcome of a call for the metrics.
fn word(outcome: &Result<Dynamic, HookError>) -> ScriptOutcome {
    match outcome {
        Ok(returned) if returned.as_bool() == Ok(false) => ScriptOutcome::Refused,
        Ok(_) => ScriptOutcome::Passed,
        Err(HookError::Refused { .. }) => ScriptOutcome::Refused,
        Err(HookError::Answered { .. }) => ScriptOutcome::Answered,
        Err(HookError::Fault(_)) => ScriptOutcome::Fault,
        Err(HookError::Busy) => ScriptOutcome::Busy,
    }
}
