//! What a hook returns, and what a script throws.

use rhai::{Expr, FnCallExpr, Position};

use super::kinds::{Kinds, Type};
use super::source::Function;
use super::walk::Walk;
use crate::config::nearest;
use crate::script::Hook;

impl Walk<'_> {
    /// Checks the result of a hook. `last` is the value at the end of its function.
    pub(super) fn hook_result(&mut self, function: &Function, last: Type) {
        let is_library = self
            .source()
            .is_none_or(|source| source.file.starts_with("lib/"));
        let Some(hook) = Hook::named(&function.name).filter(|_| !is_library) else {
            return;
        };
        let due = due(hook);
        if function.parameters.len() != hook.parameters().len() || due.is_any() {
            return;
        }
        self.last_value(hook, function, last.kinds);
        let returned = self.returned().kinds;
        if !returned.is_never() && !returned.overlaps(due) {
            let (name, due, said) = (hook.name(), due.said(), returned.said());
            self.error(
                function.place,
                format!("{name} must return {due}, but returns {said}"),
            );
        }
    }

    /// Checks the value at the end of a hook.
    fn last_value(&mut self, hook: Hook, function: &Function, last: Kinds) {
        let (name, due) = (hook.name(), due(hook));
        let place = place_of_last(function);
        if last.is_never() || last.is_any() {
        } else if last == Kinds::UNIT && !due.overlaps(last) {
            let due = due.said();
            self.error(
                function.end,
                format!("{name} must return {due}, but ends with (); end the hook with `true`"),
            );
        } else if !last.overlaps(due) {
            let (due, said) = (due.said(), last.said());
            self.error(
                place,
                format!("{name} must return {due}, but ends with {said}"),
            );
        } else if last.overlaps(Kinds::UNIT) && !due.overlaps(Kinds::UNIT) {
            self.warning(
                place,
                format!(
                    "{name} returns () when no branch of this `if` or `switch` applies; end the hook with `true`"
                ),
            );
        }
    }

    /// Checks a thrown value.
    pub(super) fn thrown(&mut self, value: Option<&Expr>, place: Position) {
        match value {
            // A value that the script catches itself can be anything.
            _ if self.tries > 0 || self.catches() => {}
            Some(Expr::StringConstant(text, _)) => self.warning(
                place,
                format!(
                    "a thrown text is a fault of the script, and the client gets 500 server_error; to reject the \
                     request, throw #{{ error: \"invalid_client_metadata\", error_description: \"{text}\" }}"
                ),
            ),
            Some(Expr::Map(map, _)) => {
                let members = map.0.iter().map(|(name, value)| (name.as_str(), value));
                let members: Vec<(&str, &Expr)> = members.collect();
                self.thrown_map(&members, place);
            }
            _ => {}
        }
    }

    /// Returns whether a `catch` of this file may catch what a function throws.
    fn catches(&self) -> bool {
        self.source().is_some_and(|source| source.catches)
    }

    fn thrown_map(&mut self, members: &[(&str, &Expr)], place: Position) {
        let mut has_error = false;
        let mut is_answer = false;
        for &(name, value) in members {
            match name {
                "error" | "error_description" => {
                    has_error |= name == "error";
                    is_answer |= name != "error";
                    self.thrown_member(name, value, Kinds::TEXT);
                }
                "status" => {
                    is_answer = true;
                    self.error_status(value, "`status` of a thrown map");
                }
                "retry_after" => self.thrown_member(name, value, Kinds::INT),
                name => is_answer |= self.misnamed(name, value, members),
            }
        }
        if is_answer && !has_error {
            self.error(
                place,
                "a thrown map needs `error`, as in throw #{ error: \"invalid_client_metadata\", error_description: \"..\" }",
            );
        }
    }

    /// Checks the type of a member of a thrown map.
    fn thrown_member(&mut self, name: &str, value: &Expr, due: Kinds) {
        let of = self.expression(value).kinds;
        // An absent description is left out.
        if !of.is_never() && !of.overlaps(due | Kinds::UNIT) {
            let (due, said) = (due.said(), of.said());
            self.error(
                value.start_position(),
                format!("`{name}` of a thrown map must be {due}, not {said}"),
            );
        }
    }

    /// Warns of a member of a thrown map that was meant to be another one, which the map lacks. Returns whether there
    /// is one.
    fn misnamed(&mut self, name: &str, value: &Expr, members: &[(&str, &Expr)]) -> bool {
        let has = |name: &str| members.iter().any(|(of, _)| *of == name);
        let known = ["error", "error_description", "status", "retry_after"];
        let meant = match (name, value) {
            ("code" | "statusCode", Expr::IntegerConstant(400..=599, _)) => Some("status"),
            ("description" | "message" | "msg" | "detail", _) if has("error") => {
                Some("error_description")
            }
            _ => nearest(name, known),
        };
        let Some(meant) = meant.filter(|meant| !has(meant)) else {
            return false;
        };
        let message =
            format!("a thrown map has no member `{name}` with a meaning; did you mean `{meant}`?");
        self.warning(value.start_position(), message);
        true
    }

    /// Checks a status that is sent to a client instead of a decision.
    fn error_status(&mut self, value: &Expr, what: &str) {
        let place = value.start_position();
        match value {
            Expr::IntegerConstant(status, _) if !(400..=599).contains(status) => {
                self.error(
                    place,
                    format!("{what} must be from 400 to 599, not {status}"),
                );
            }
            Expr::IntegerConstant(..) => {}
            value => {
                let of = self.expression(value).kinds;
                if !of.is_never() && !of.overlaps(Kinds::INT) {
                    let said = of.said();
                    self.error(
                        place,
                        format!("{what} must be a whole number from 400 to 599, not {said}"),
                    );
                }
            }
        }
    }

    /// Checks the status of a response that a script sets.
    pub(super) fn status(&mut self, name: &str, call: &FnCallExpr) {
        if name == "createWebApplicationException"
            && let Some(status) = call.args.first()
        {
            self.error_status(status, "the status of a response");
        }
    }
}

/// Returns the types that a hook can return; any, when its result has no meaning.
fn due(hook: Hook) -> Kinds {
    match hook {
        Hook::AdaptRequest
        | Hook::CreateClient
        | Hook::UpdateClient
        | Hook::DeleteClient
        | Hook::ModifyPostResponse
        | Hook::ModifyPutResponse
        | Hook::ModifyReadResponse => Kinds::BOOL,
        Hook::GetSoftwareStatementJwks | Hook::GetDcrJwks => Kinds::MAP | Kinds::TEXT | Kinds::UNIT,
        Hook::GetSoftwareStatementHmacSecret | Hook::GetDcrHmacSecret | Hook::GetEvidenceNonce => {
            Kinds::TEXT | Kinds::UNIT
        }
        Hook::VerifyEvidence => Kinds::BOOL | Kinds::MAP | Kinds::UNIT,
        Hook::IsCertValidForClient | Hook::MayFetchDocument => Kinds::BOOL | Kinds::UNIT,
        Hook::ClientCreated
        | Hook::ClientUpdated
        | Hook::ClientDeleted
        | Hook::RegistrationPending => Kinds::ANY,
    }
}

fn place_of_last(function: &Function) -> Position {
    function
        .body
        .last()
        .map_or(function.end, rhai::Stmt::position)
}
