//! The fields of forms.

/// A field of a form.
#[derive(Debug, Clone, Default)]
pub(super) struct FormField {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) kind: FieldKind,
    pub(super) value: String,
    pub(super) hint: &'static str,
    pub(super) is_required: bool,
}

/// How a value is entered.
#[derive(Debug, Clone, Default)]
pub(super) enum FieldKind {
    #[default]
    Text,
    Number,
    /// A day.
    Date,
    /// A long text.
    Area,
    /// One of these values, each with its text.
    Choice(Vec<(String, String)>),
}

impl FormField {
    /// A field for a short text.
    pub(super) fn text(name: &'static str, label: &str, value: impl Into<String>) -> Self {
        Self {
            name,
            label: label.to_owned(),
            value: value.into(),
            ..Self::default()
        }
    }

    /// A field with one of these values.
    pub(super) fn choice(
        name: &'static str,
        label: &str,
        value: impl Into<String>,
        choices: &[(&str, &str)],
    ) -> Self {
        let owned = |(value, text): &(&str, &str)| ((*value).to_owned(), (*text).to_owned());
        Self {
            kind: FieldKind::Choice(choices.iter().map(owned).collect()),
            ..Self::text(name, label, value)
        }
    }

    /// Returns the field with an explanation.
    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// Returns the field, which must have a value.
    pub(super) fn required(self) -> Self {
        Self {
            is_required: true,
            ..self
        }
    }

    /// Returns the field, with its value entered in another way.
    pub(super) fn of_kind(self, kind: FieldKind) -> Self {
        Self { kind, ..self }
    }

    /// The type of its `input`.
    pub(super) const fn input_type(&self) -> &'static str {
        match self.kind {
            FieldKind::Number => "number",
            FieldKind::Date => "date",
            FieldKind::Text | FieldKind::Area | FieldKind::Choice(_) => "text",
        }
    }
}
