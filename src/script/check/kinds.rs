//! The types that values of a script can have, as far as the text alone shows them.

use std::any::TypeId;
use std::ops::BitOr;

use rhai::{Array, Blob, Dynamic, Expr, ImmutableString, Map as ScriptMap};
use serde_json::Value;

use crate::client::MemberKind;
use crate::script::{Bytes, HookContext, Members};

/// A set of types. The value has one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u16);

/// Each type, with its name in messages.
const NAMES: [(Kinds, &str); 11] = [
    (Kinds::UNIT, "()"),
    (Kinds::BOOL, "true or false"),
    (Kinds::INT, "a whole number"),
    (Kinds::FLOAT, "a number"),
    (Kinds::CHAR, "a character"),
    (Kinds::TEXT, "a string"),
    (Kinds::LIST, "an array"),
    (Kinds::MAP, "a map"),
    (Kinds::BYTES, "bytes"),
    (Kinds::CONTEXT, "context"),
    (Kinds::CLIENT, "a client"),
];

impl Kinds {
    /// No value at all: the script never gets here.
    pub(super) const NEVER: Self = Self(0);
    pub(super) const UNIT: Self = Self(1);
    pub(super) const BOOL: Self = Self(1 << 1);
    pub(super) const INT: Self = Self(1 << 2);
    pub(super) const FLOAT: Self = Self(1 << 3);
    pub(super) const CHAR: Self = Self(1 << 4);
    pub(super) const TEXT: Self = Self(1 << 5);
    pub(super) const LIST: Self = Self(1 << 6);
    pub(super) const MAP: Self = Self(1 << 7);
    pub(super) const BYTES: Self = Self(1 << 8);
    pub(super) const CONTEXT: Self = Self(1 << 9);
    /// The client, the request or the response.
    pub(super) const CLIENT: Self = Self(1 << 10);
    /// A type that no rule needs: a function, a range, a point in time.
    pub(super) const OTHER: Self = Self(1 << 11);
    /// Any value.
    pub(super) const ANY: Self = Self((1 << 12) - 1);
    pub(super) const NUMBER: Self = Self(Self::INT.0 | Self::FLOAT.0);
    /// Values with parts, which a log line shows as a whole.
    pub(super) const STRUCTURE: Self =
        Self(Self::LIST.0 | Self::MAP.0 | Self::CONTEXT.0 | Self::CLIENT.0);

    pub(super) const fn is_any(self) -> bool {
        self.0 == Self::ANY.0
    }

    pub(super) const fn is_never(self) -> bool {
        self.0 == 0
    }

    /// Returns whether a value can have both one of these types and one of `other`.
    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns whether every type is one of `other`. A value that never exists is not.
    pub(super) const fn is_within(self, other: Self) -> bool {
        self.0 != 0 && self.0 & !other.0 == 0
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the types without `()`, unless that is the only one.
    pub(super) fn when_present(self) -> Self {
        match self.without(Self::UNIT) {
            _ if self.is_any() => self,
            Self::NEVER => self,
            present => present,
        }
    }

    /// Returns the types one by one.
    fn each(self) -> impl Iterator<Item = Self> {
        (0..12)
            .map(|bit| Self(1 << bit))
            .filter(move |kind| self.overlaps(*kind))
    }

    /// Returns whether a value of these types can be compared with a value of `other`.
    pub(super) fn compares_with(self, other: Self) -> bool {
        self.each()
            .any(|one| other.each().any(|two| one.compares_with_kind(two)))
    }

    fn compares_with_kind(self, other: Self) -> bool {
        let both = |kinds: Self| self.is_within(kinds) && other.is_within(kinds);
        self == other || both(Self::NUMBER) || both(Self::TEXT | Self::CHAR)
    }

    /// Describes the types, for messages.
    pub(super) fn said(self) -> String {
        if self.is_any() {
            return "a value of any type".to_owned();
        }
        let mut names = Vec::new();
        for (kind, name) in NAMES {
            if self.overlaps(kind) {
                names.push(name);
            }
        }
        match names.as_slice() {
            [] => "a value of another type".to_owned(),
            names => names.join(" or "),
        }
    }

    /// Returns the types of an argument of a function that was registered with the type `id`.
    pub(super) fn of_parameter(id: TypeId) -> Self {
        let plain = [
            (TypeId::of::<()>(), Self::UNIT),
            (TypeId::of::<bool>(), Self::BOOL),
            (TypeId::of::<i64>(), Self::INT),
            (TypeId::of::<f64>(), Self::FLOAT),
            (TypeId::of::<char>(), Self::CHAR),
            (TypeId::of::<ImmutableString>(), Self::TEXT),
        ];
        let mut known = plain.into_iter().chain(structures());
        let found = known.find(|(of, _)| *of == id);
        found.map_or(Self::OTHER, |(_, kinds)| kinds)
    }

    /// Returns the types of the result of a host function whose signature ends with `name`.
    pub(super) fn documented(name: &str) -> Self {
        match name {
            "string" => Self::TEXT,
            "int" => Self::INT,
            "bool" => Self::BOOL,
            "map" => Self::MAP,
            "array" => Self::LIST,
            "bytes" => Self::BYTES,
            _ => Self::ANY,
        }
    }

    /// Returns the types of a member of a client that is present.
    pub(super) const fn of_member(kind: MemberKind) -> Self {
        match kind {
            MemberKind::Text
            | MemberKind::Label
            | MemberKind::Page
            | MemberKind::Picture
            | MemberKind::Link
            | MemberKind::Url
            | MemberKind::Uri => Self::TEXT,
            MemberKind::Uris | MemberKind::Texts => Self::LIST,
            MemberKind::Flag => Self::BOOL,
            MemberKind::Count => Self::INT,
            MemberKind::Object | MemberKind::Jwks => Self::MAP,
        }
    }

    /// Returns the type of a value of the configuration.
    pub(super) fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::UNIT,
            Value::Bool(_) => Self::BOOL,
            Value::Number(number) if number.is_i64() => Self::INT,
            Value::Number(_) => Self::FLOAT,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::MAP,
        }
    }

    /// Returns the type of a constant of a script.
    pub(super) fn of_constant(constant: &Expr) -> Self {
        match constant {
            Expr::BoolConstant(..) => Self::BOOL,
            Expr::IntegerConstant(..) => Self::INT,
            Expr::FloatConstant(..) => Self::FLOAT,
            Expr::CharConstant(..) => Self::CHAR,
            Expr::StringConstant(..) => Self::TEXT,
            Expr::Unit(_) => Self::UNIT,
            _ => Self::ANY,
        }
    }
}

/// Returns the types of the values that have parts, and the one that stands for all types.
const fn structures() -> [(TypeId, Kinds); 7] {
    [
        (TypeId::of::<Dynamic>(), Kinds::ANY),
        (TypeId::of::<Array>(), Kinds::LIST),
        (TypeId::of::<ScriptMap>(), Kinds::MAP),
        (TypeId::of::<Blob>(), Kinds::BYTES),
        (TypeId::of::<Bytes>(), Kinds::BYTES),
        (TypeId::of::<HookContext>(), Kinds::CONTEXT),
        (TypeId::of::<Members>(), Kinds::CLIENT),
    ]
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How a script may use the members of a client, a request or a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberUse {
    /// Read and write client metadata.
    Metadata,
    /// Read client metadata.
    ReadOnly,
    /// Read what the client sent, which no rule may have checked yet.
    Sent,
    /// The request of `adaptRequest`, which can have members of any name.
    Request,
    /// A response, which can have members of any name.
    Response,
}

/// What is known of the members of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `context`; `context.client` is read-only or not.
    Context(MemberUse),
    /// A client, a request or a response.
    Members(MemberUse),
    /// The map that the member of `context` with this name is.
    Record(&'static str),
    /// The map that a function of a module returns, by the names of both.
    Result(&'static str, &'static str),
    /// The headers of a request or an answer.
    Headers,
    /// The value of the client metadata with this name, without members of its own.
    Metadata(&'static str),
}

impl Shape {
    /// Returns whether the value has members.
    const fn has_members(self) -> bool {
        !matches!(self, Self::Metadata(_))
    }
}

/// The type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) kinds: Kinds,
    pub(super) shape: Option<Shape>,
}

impl Type {
    pub(super) const ANY: Self = Self::of(Kinds::ANY);
    pub(super) const NEVER: Self = Self::of(Kinds::NEVER);
    /// The headers of a request or an answer.
    pub(super) const HEADERS: Self = Self {
        kinds: Kinds::MAP,
        shape: Some(Shape::Headers),
    };

    pub(super) const fn of(kinds: Kinds) -> Self {
        Self { kinds, shape: None }
    }

    pub(super) const fn context(client: MemberUse) -> Self {
        Self {
            kinds: Kinds::CONTEXT,
            shape: Some(Shape::Context(client)),
        }
    }

    pub(super) const fn members(access: MemberUse) -> Self {
        Self {
            kinds: Kinds::CLIENT,
            shape: Some(Shape::Members(access)),
        }
    }

    /// Returns whether it is known which members the value has.
    pub(super) fn has_known_members(self) -> bool {
        self.shape.is_some_and(Shape::has_members)
    }

    /// Returns the name of the client metadata whose value this is.
    pub(super) const fn metadata(self) -> Option<&'static str> {
        match self.shape {
            Some(Shape::Metadata(name)) => Some(name),
            _ => None,
        }
    }

    /// Returns the type of a statement that evaluates a value of this type and has no value of its own.
    pub(super) const fn unit_unless_never(self) -> Self {
        if self.kinds.is_never() {
            self
        } else {
            Self::of(Kinds::UNIT)
        }
    }

    /// Returns the type of a value that has this type or `other`.
    pub(super) fn or(self, other: Self) -> Self {
        if self.kinds.is_never() {
            return other;
        }
        if other.kinds.is_never() {
            return self;
        }
        let is_same = self.shape == other.shape;
        Self {
            kinds: self.kinds | other.kinds,
            shape: self.shape.filter(|_| is_same),
        }
    }
}
