//! What a page shows. The templates render it, and escape every text in it.

use askama::Template;
use jiff::Timestamp as Moment;

use crate::console::chart::Chart;
use crate::console::difference::LineDifference;
pub(super) use crate::console::field::{FieldKind, FormField};

/// A page of the console, for an administrator who is signed in.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct ConsolePage {
    /// Its title.
    pub(super) title: String,
    /// The pages that the administrator can open.
    pub(super) menu: Vec<MenuEntry>,
    /// The name of the administrator.
    pub(super) administrator: String,
    /// The token that each form sends back.
    pub(super) form_token: String,
    /// Whether parts of it are kept up to date.
    pub(super) is_live: bool,
    /// The parts of the page.
    pub(super) blocks: Vec<Block>,
}

/// The page on which an administrator signs in.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    /// Why the administrator is not signed in, if an attempt failed.
    pub(super) problem: Option<String>,
    /// The identifier that was entered.
    pub(super) client_id: String,
    /// The page to open afterwards.
    pub(super) next: String,
    /// The token that the form sends back.
    pub(super) form_token: String,
    /// The provider at which people sign in, if there is one.
    pub(super) login: Option<LoginLink>,
}

/// The link to an OpenID Provider.
pub(super) struct LoginLink {
    /// The page that leads there.
    pub(super) href: String,
    /// Its host.
    pub(super) host: String,
}

/// The page at the end of a sign-in at an OpenID Provider.
#[derive(Template)]
#[template(path = "outcome.html")]
pub(super) struct OutcomePage {
    pub(super) title: &'static str,
    pub(super) text: String,
    pub(super) is_bad: bool,
    /// The page to open.
    pub(super) href: String,
    /// The text of the link to it.
    pub(super) link: &'static str,
}

/// A link in the menu.
pub(super) struct MenuEntry {
    pub(super) href: &'static str,
    pub(super) text: &'static str,
    pub(super) is_current: bool,
}

/// A part of a page.
pub(super) enum Block {
    /// What was done, or why it was not.
    Notice(Notice),
    /// A sentence of explanation.
    Text(String),
    /// Names with their values.
    Facts(FactList),
    /// A table.
    Table(PageTable),
    /// A form.
    Form(PageForm),
    /// Several forms beside each other, each a button.
    Buttons(Vec<PageForm>),
    /// Lines that were removed and added.
    Difference(LineDifference),
    /// Figures with their names.
    Figures(Vec<Figure>),
    /// A plot.
    Chart(Chart),
    /// A value that is shown once.
    Once(Once),
    /// A longer text in its own form, such as JSON.
    Source(LongText),
    /// The link to the next page of a list.
    Next(String),
    /// Links to pages that belong to this one.
    Links(Vec<(String, &'static str)>),
    /// The beginning of parts that are kept up to date, with their name in the page.
    LiveBegin(&'static str),
    /// Their end.
    LiveEnd,
}

/// Returns the parts, which the script of the page keeps up to date under this name.
pub(super) fn live(name: &'static str, parts: Vec<Block>) -> Vec<Block> {
    let mut all = vec![Block::LiveBegin(name)];
    all.extend(parts);
    all.push(Block::LiveEnd);
    all
}

/// Whether some of the parts are kept up to date.
pub(super) fn is_live(parts: &[Block]) -> bool {
    parts.iter().any(|part| matches!(part, Block::LiveBegin(_)))
}

/// How something that happened is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Plain,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }

    /// Whether a screen reader interrupts what it reads.
    pub(super) const fn role(self) -> &'static str {
        match self {
            Self::Bad => "alert",
            Self::Good | Self::Plain => "status",
        }
    }
}

/// What was done, or why it was not.
pub(super) struct Notice {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// Names with their values.
pub(super) struct FactList {
    pub(super) title: &'static str,
    pub(super) rows: Vec<(String, Cell)>,
}

/// A table, or why it is empty.
pub(super) struct PageTable {
    pub(super) title: String,
    pub(super) heads: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) empty: &'static str,
}

/// A value in a page.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Nothing,
    Text(String),
    /// An identifier, or another text that a machine reads.
    Code(String),
    Link {
        href: String,
        text: String,
    },
    /// A moment: for a machine, and for people.
    Time {
        exact: String,
        shown: String,
    },
    /// A word that stands out.
    Badge {
        tone: Tone,
        text: String,
    },
    /// Several values, one in a line.
    Many(Vec<Cell>),
    /// A button that is a form of its own.
    Button(Box<PageForm>),
}

/// A form. Without fields, it is a button.
#[derive(Debug, Clone, Default)]
pub(super) struct PageForm {
    pub(super) title: &'static str,
    pub(super) text: String,
    /// The page that it is sent to.
    pub(super) action: String,
    /// Whether it only searches: its fields are then in the address, and it has no token.
    pub(super) is_search: bool,
    pub(super) hidden: Vec<(String, String)>,
    pub(super) fields: Vec<FormField>,
    /// Fields that are used rarely. They are shown on request, or if one of them has a value.
    pub(super) more: Vec<FormField>,
    pub(super) button: &'static str,
    /// What its button says to a reader that does not see what the button is beside.
    pub(super) label: String,
    pub(super) is_dangerous: bool,
    /// Whether its fields are shown only on request.
    pub(super) is_folded: bool,
}

impl Block {
    /// A table with these heads and rows, or why it has none.
    pub(super) fn table(
        title: impl Into<String>,
        heads: &[&'static str],
        rows: Vec<Vec<Cell>>,
        empty: &'static str,
    ) -> Self {
        Self::Table(PageTable {
            title: title.into(),
            heads: heads.to_vec(),
            rows,
            empty,
        })
    }

    /// Names with their values.
    pub(super) const fn facts(title: &'static str, rows: Vec<(String, Cell)>) -> Self {
        Self::Facts(FactList { title, rows })
    }
}

/// Returns a name with its value.
pub(super) fn fact(name: &str, value: Cell) -> (String, Cell) {
    (name.to_owned(), value)
}

impl PageForm {
    /// A form that is sent to a page.
    pub(super) fn to(action: &str, button: &'static str) -> Self {
        Self {
            action: action.to_owned(),
            button,
            ..Self::default()
        }
    }

    /// A form that searches in a page.
    pub(super) fn search(action: &str) -> Self {
        Self {
            is_search: true,
            ..Self::to(action, "Search")
        }
    }

    /// Returns the form with a title and an explanation.
    pub(super) fn titled(self, title: &'static str, text: &str) -> Self {
        let text = text.to_owned();
        Self {
            title,
            text,
            ..self
        }
    }

    /// Returns the form, which is shown only on request.
    pub(super) fn folded(self) -> Self {
        Self {
            is_folded: true,
            ..self
        }
    }

    /// Returns the form, whose button stands out as dangerous.
    pub(super) fn dangerous(self) -> Self {
        Self {
            is_dangerous: true,
            ..self
        }
    }

    /// Returns the form as a button in a table, with what it says to a reader that does not see the row.
    pub(super) fn button(self, label: String) -> Cell {
        Cell::Button(Box::new(Self { label, ..self }))
    }

    /// Returns the form with a value that is not shown.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.hidden.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the form with another field that is used rarely.
    pub(super) fn rare_field(mut self, field: FormField) -> Self {
        self.more.push(field);
        self
    }

    /// Whether a field that is used rarely has a value.
    pub(super) fn has_more(&self) -> bool {
        self.more.iter().any(|field| !field.value.is_empty())
    }

    /// Returns the form with another field.
    pub(super) fn field(mut self, field: FormField) -> Self {
        self.fields.push(field);
        self
    }
}

/// A figure with its name.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: String,
    /// The page that lists what it counts.
    pub(super) href: String,
}

/// A value that is shown once.
pub(super) struct Once {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) text: &'static str,
}

/// A longer text in its own form.
pub(super) struct LongText {
    pub(super) title: String,
    pub(super) text: String,
}

impl Cell {
    /// Whether a text is a short word, which is not to be broken.
    fn is_word(text: &str) -> bool {
        text.len() <= 24 && !text.contains(char::is_whitespace)
    }

    /// A text, or nothing if it is empty.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::Nothing
        } else {
            Self::Text(text)
        }
    }

    /// An identifier, or nothing if it is empty.
    pub(super) fn code(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::Nothing
        } else {
            Self::Code(text)
        }
    }

    /// The moment `seconds` after 1970; nothing if there is none.
    pub(super) fn time(seconds: Option<u64>) -> Self {
        let Some(seconds) = seconds else {
            return Self::Nothing;
        };
        let moment = i64::try_from(seconds).ok().map(Moment::from_second);
        let Some(Ok(moment)) = moment else {
            return Self::Text(seconds.to_string());
        };
        let exact = moment.to_string();
        let shown = exact.replace('T', " ").replace('Z', " UTC");
        Self::Time { exact, shown }
    }

    /// A number.
    pub(super) fn number(number: u64) -> Self {
        Self::Text(number.to_string())
    }

    /// A link to a page.
    pub(super) fn link(href: String, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Link { href, text }
    }

    /// A good, bad or plain word.
    pub(super) fn badge(tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Badge { tone, text }
    }

    /// A link to the page of a client.
    pub(super) fn client(id: &str) -> Self {
        Self::Link {
            href: client_href(id),
            text: id.to_owned(),
        }
    }
}

/// Returns the address of the page of a client.
pub(super) fn client_href(id: &str) -> String {
    href("client", &[("id", id)])
}

/// Returns the address of a page with these parameters; those without a value are left out.
pub(super) fn href(page: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() {
        page.to_owned()
    } else {
        format!("{page}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_exact_for_machines_and_readable_for_people() {
        let Cell::Time { exact, shown } = Cell::time(Some(1_767_225_600)) else {
            panic!("not a time");
        };
        assert_eq!(exact, "2026-01-01T00:00:00Z");
        assert_eq!(shown, "2026-01-01 00:00:00 UTC");
        assert!(matches!(Cell::time(Some(u64::MAX)), Cell::Text(_)));
        assert!(matches!(Cell::time(None), Cell::Nothing));
    }

    #[test]
    fn a_parameter_is_encoded_and_left_out_without_a_value() {
        let shown = href(
            "client",
            &[("id", "https://a.example/x?y=1&z"), ("done", "")],
        );
        assert_eq!(shown, "client?id=https%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z");
        assert_eq!(href("clients", &[]), "clients");
    }
}
