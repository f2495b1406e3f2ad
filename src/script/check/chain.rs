//! Chains of properties, indexes and methods, such as `context.client.redirect_uris[0].len()`.

use rhai::{ASTFlags, Expr, FnCallExpr, Position};

use super::foreign;
use super::kinds::{Kinds, MemberUse, Shape, Type};
use super::known::{context_names, instead, record_names};
use super::walk::Walk;
use crate::client::{MEMBERS, Member, SetBy, member};
use crate::config::nearest;

/// One step of a chain.
#[derive(Clone, Copy)]
pub(super) enum Step<'b> {
    Property(&'b str, Position),
    Index(&'b Expr),
    Method(&'b FnCallExpr, Position),
}

impl<'b> Step<'b> {
    /// Returns the name of the member that the step reads or sets, if it is constant.
    fn name(self) -> Option<(&'b str, Position)> {
        match self {
            Self::Property(name, place) => Some((name, place)),
            Self::Index(Expr::StringConstant(name, place)) => Some((name, *place)),
            _ => None,
        }
    }
}

/// Returns the beginning of a chain and its steps.
pub(super) fn steps(chain: &Expr) -> (&Expr, Vec<Step<'_>>) {
    let mut steps = Vec::new();
    let (Expr::Dot(pair, flags, _) | Expr::Index(pair, flags, _)) = chain else {
        return (chain, steps);
    };
    add_steps(
        matches!(chain, Expr::Dot(..)),
        &pair.rhs,
        *flags,
        &mut steps,
    );
    (&pair.lhs, steps)
}

fn add_steps<'b>(is_dot: bool, rest: &'b Expr, flags: ASTFlags, steps: &mut Vec<Step<'b>>) {
    if !flags.contains(ASTFlags::BREAK)
        && let Expr::Dot(pair, flags, _) | Expr::Index(pair, flags, _) = rest
    {
        steps.extend(step(is_dot, &pair.lhs));
        return add_steps(matches!(rest, Expr::Dot(..)), &pair.rhs, *flags, steps);
    }
    steps.extend(step(is_dot, rest));
}

fn step(is_dot: bool, expression: &Expr) -> Option<Step<'_>> {
    match expression {
        _ if !is_dot => Some(Step::Index(expression)),
        Expr::Property(property, place) => Some(Step::Property(&property.2, *place)),
        Expr::MethodCall(call, place) => Some(Step::Method(call, *place)),
        _ => None,
    }
}

/// Where the value of a chain is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// In a variable, or nowhere.
    Here,
    /// In a copy that `context` has made of this member.
    Copy(&'static str),
    /// In members that cannot be changed here.
    ReadOnly,
}

impl Walk<'_> {
    pub(super) fn chain(&mut self, chain: &Expr) -> Type {
        let (root, steps) = steps(chain);
        let mut of = self.value(root);
        let mut kept = Holder::Here;
        for step in steps {
            kept = kept_by(kept, of, step);
            of = self.step(of, step, kept);
        }
        of
    }

    fn step(&mut self, of: Type, step: Step<'_>, kept: Holder) -> Type {
        match step {
            Step::Property(name, place) => self.property(of, name, place),
            Step::Index(index) => {
                self.value(index);
                match step.name() {
                    Some((name, place)) if of.has_known_members() => self.member(of, name, place),
                    _ if of.kinds.is_within(Kinds::TEXT) => Type::of(Kinds::CHAR),
                    _ => Type::ANY,
                }
            }
            Step::Method(call, place) => {
                let result = self.method(of, call, place);
                if result.kinds == Kinds::UNIT && of.kinds != Kinds::ANY {
                    self.changed_in_place(kept, &call.name, place);
                }
                result
            }
        }
    }

    /// Reports a method that changes something that does not keep the change.
    fn changed_in_place(&mut self, kept: Holder, name: &str, place: Position) {
        match kept {
            Holder::Here => {}
            Holder::Copy(member) => self.error(place, copied(member, name)),
            Holder::ReadOnly => {
                self.error(
                    place,
                    format!("`{name}` changes members that are read-only here"),
                );
            }
        }
    }

    fn property(&mut self, of: Type, name: &str, place: Position) -> Type {
        if of.has_known_members() {
            return self.member(of, name, place);
        }
        let kinds = of.kinds.when_present();
        if kinds.is_never() || kinds.overlaps(Kinds::MAP | Kinds::OTHER | Kinds::CLIENT) {
            return Type::ANY;
        }
        if kinds == Kinds::UNIT {
            let message = format!("the value before `.{name}` is always (), so it has no members");
            self.error(place, message);
            return Type::ANY;
        }
        let mut result = Kinds::NEVER;
        for form in self.known.forms(&format!("get${name}")) {
            let first = form.parameters.first();
            if first.is_some_and(|first| first.overlaps(kinds)) {
                result = result | form.result;
            }
        }
        if result.is_never() {
            let advice = self.advice_for_property(kinds, name);
            let message = format!("{} has no property `{name}`{advice}", kinds.said());
            self.error(place, message);
            return Type::ANY;
        }
        Type::of(result)
    }

    fn advice_for_property(&self, kinds: Kinds, name: &str) -> String {
        if let Some(advice) = foreign::method(name) {
            return format!("; {advice}");
        }
        match nearest(name, self.methods(kinds)) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        }
    }

    /// Returns the type of a member of a value whose members are known.
    fn member(&mut self, of: Type, name: &str, place: Position) -> Type {
        match of.shape {
            Some(Shape::Context(client)) => self.context_member(client, name, place),
            Some(Shape::Members(access)) => self.client_member(access, name, place),
            Some(Shape::Record("configurationAttributes")) => self.attribute(name, place),
            Some(Shape::Record(record)) => self.record_member(record, name, place),
            Some(Shape::Result(module, function)) => {
                self.result_member((module, function), name, place)
            }
            Some(Shape::Headers) => {
                self.header(name, place);
                Type::of(Kinds::TEXT | Kinds::UNIT)
            }
            Some(Shape::Metadata(_)) | None => Type::ANY,
        }
    }

    fn context_member(&mut self, client: MemberUse, name: &str, place: Position) -> Type {
        let Some(known) = context_names().find(|known| *known == name) else {
            let advice = match nearest(name, context_names()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("it has {}", context_names().collect::<Vec<_>>().join(", ")),
            };
            self.error(
                place,
                format!("context has no member called '{name}'; {advice}"),
            );
            return Type::ANY;
        };
        context_type(client, known)
    }

    fn client_member(&mut self, access: MemberUse, name: &str, place: Position) -> Type {
        let found = member::find(name);
        if access == MemberUse::Response {
            return Type::ANY;
        }
        if found.is_none() && !self.known.custom.contains(name) {
            self.unknown_metadata(access, name, place);
        }
        // Nothing is known yet of the values in a request that the rules have not checked.
        match found {
            Some(found) if access != MemberUse::Request => Type {
                kinds: Kinds::of_member(found.kind) | Kinds::UNIT,
                shape: (access != MemberUse::Sent).then_some(Shape::Metadata(found.name)),
            },
            _ => Type::ANY,
        }
    }

    fn unknown_metadata(&mut self, access: MemberUse, name: &str, place: Position) {
        let custom = self.known.custom.iter().map(String::as_str);
        let near = nearest(name, MEMBERS.iter().map(|member| member.name).chain(custom));
        let said = format!("unknown metadata '{name}'");
        match (access, near) {
            // A request can have any name, so only a likely mistake is worth a line.
            (MemberUse::Request, Some(near)) => {
                self.warning(place, format!("{said}; did you mean '{near}'?"));
            }
            (MemberUse::Request, None) => {}
            (_, Some(near)) => self.error(place, format!("{said}; did you mean '{near}'?")),
            (_, None) => self.error(
                place,
                format!("{said}; add a custom name to dynamicRegistrationCustomAttributes"),
            ),
        }
    }

    fn record_member(&mut self, record: &str, name: &str, place: Position) -> Type {
        let Some(names) = record_names(record) else {
            return Type::ANY;
        };
        if names.contains(&name) {
            return match (record, name) {
                ("httpRequest", "method" | "path") => Type::of(Kinds::TEXT),
                ("httpRequest", "headers") => Type::HEADERS,
                ("httpRequest", "ipAddress") => Type::of(Kinds::TEXT | Kinds::UNIT),
                _ => Type::ANY,
            };
        }
        let advice = instead(name, &names);
        self.error(
            place,
            format!("context.{record} has no member called '{name}'; {advice}"),
        );
        Type::ANY
    }

    /// Follows the target of an assignment. `of` is the type of the value if it replaces the previous value.
    pub(super) fn assigned(&mut self, target: &Expr, value: &Expr, of: Option<Type>) {
        let (root, steps) = steps(target);
        let Some((last, before)) = steps.split_last() else {
            return;
        };
        let mut owner = self.value(root);
        let mut kept = Holder::Here;
        for step in before {
            kept = kept_by(kept, owner, *step);
            owner = self.step(owner, *step, kept);
        }
        if let Step::Index(index) = last {
            self.value(index);
        }
        if let Some((name, place)) = last.name() {
            self.set((owner, kept), name, (place, value), of);
        }
    }

    /// Checks an assignment of `value` to a member of `owner`, whose name is at `place`.
    fn set(
        &mut self,
        (owner, kept): (Type, Holder),
        name: &str,
        (place, value): (Position, &Expr),
        of: Option<Type>,
    ) {
        match (owner.shape, kept) {
            (_, Holder::Copy(member)) => self.error(place, copied(member, name)),
            (_, Holder::ReadOnly) => self.error(place, format!("'{name}' is read-only here")),
            (Some(Shape::Context(_)), _) if name != "attestation" => self.set_context(name, place),
            (Some(Shape::Members(access)), _) => self.set_member(access, name, (place, value), of),
            _ => {}
        }
    }

    fn set_context(&mut self, name: &str, place: Position) {
        if context_names().any(|known| known == name) {
            self.error(place, format!("context.{name} cannot be set"));
        } else {
            self.context_member(MemberUse::ReadOnly, name, place);
        }
    }

    /// Checks an assignment of `value` to a member of a client, a request or a response, whose name is at `place`.
    fn set_member(
        &mut self,
        access: MemberUse,
        name: &str,
        (place, value): (Position, &Expr),
        of: Option<Type>,
    ) {
        self.client_member(access, name, place);
        let Some(found) = member::find(name) else {
            return;
        };
        let fault = match (access, found.set_by) {
            (MemberUse::ReadOnly | MemberUse::Sent, _) => "is read-only here",
            (MemberUse::Metadata | MemberUse::Request, SetBy::Server) => {
                "is set by the server and cannot be changed"
            }
            (MemberUse::Request, SetBy::Operator) => {
                "must not be sent by a client; set it in createClient and updateClient"
            }
            _ => return self.set_value(access, found, value, of),
        };
        self.error(place, format!("'{name}' {fault}"));
    }

    fn set_value(&mut self, access: MemberUse, found: &Member, value: &Expr, of: Option<Type>) {
        let due = Kinds::of_member(found.kind);
        let Some(of) = of.filter(|_| access != MemberUse::Response) else {
            return;
        };
        self.set_to(found.name, value);
        if of.kinds.is_never() || of.kinds.overlaps(due | Kinds::UNIT) {
            return;
        }
        let example = match due {
            Kinds::LIST => ", as in [\"one\", \"two\"]",
            Kinds::TEXT => ", as in \"text\"",
            Kinds::MAP => ", as in #{ keys: [] }",
            _ => "",
        };
        let (name, due, said) = (found.name, due.said(), of.kinds.said());
        self.error(
            value.start_position(),
            format!("'{name}' must be {due}{example}, not {said}"),
        );
    }
}

fn copied(member: &str, name: &str) -> String {
    format!(
        "this changes a copy: `context.{member}` cannot be changed, and `{name}` would keep its value; use a \
         variable, as in `let copy = context.{member};`"
    )
}

/// Returns where the value is kept after `step` of a value of the type `of`.
fn kept_by(kept: Holder, of: Type, step: Step<'_>) -> Holder {
    match (of.shape, step.name()) {
        (Some(Shape::Context(_)), Some((name, _))) => {
            match context_names().find(|known| *known == name) {
                // A change of the attestation is written back.
                None | Some("client" | "stored" | "registerRequest" | "attestation" | "shared") => {
                    kept
                }
                Some(copy) => Holder::Copy(copy),
            }
        }
        (Some(Shape::Members(MemberUse::ReadOnly | MemberUse::Sent)), _) => Holder::ReadOnly,
        _ => kept,
    }
}

/// Returns the type of a member of `context`.
pub(super) fn context_type(client: MemberUse, name: &'static str) -> Type {
    match name {
        "client" => Type::members(client),
        "registerRequest" => Type::members(MemberUse::Sent),
        "stored" => Type {
            kinds: Kinds::CLIENT | Kinds::UNIT,
            ..Type::members(MemberUse::ReadOnly)
        },
        // Like a response, it can have members of any name.
        "shared" => Type::members(MemberUse::Response),
        "time" => Type::of(Kinds::INT),
        "initialAccessTokenId" | "initialAccessTokenNote" => Type::of(Kinds::TEXT | Kinds::UNIT),
        "trustLevel" => Type::of(Kinds::TEXT),
        "httpRequest" | "configurationAttributes" => Type {
            kinds: Kinds::MAP,
            shape: Some(Shape::Record(name)),
        },
        _ if record_names(name).is_some() => Type {
            kinds: Kinds::MAP | Kinds::UNIT,
            shape: Some(Shape::Record(name)),
        },
        _ => Type::ANY,
    }
}
