//! Says what would be right where a script cannot be parsed, above all to those that know other languages.

use rhai::{LexError, ParseError, ParseErrorType, Position};

use super::foreign;
use crate::config::nearest;
use crate::script::{TEST_FUNCTIONS, host_functions};

/// Returns the message for a script that cannot be parsed, with what would be right if that is known.
pub(in crate::script) fn explained_parse_error(error: &ParseError, text: &str) -> String {
    let said = error.err_type().to_string();
    let place = Place::new(text, error.position());
    match advice(error.err_type(), &place) {
        Some(advice) => format!("{said}; {advice}"),
        None => said,
    }
}

/// The position of an error.
struct Place<'a> {
    text: &'a str,
    /// The text of the line before and from the position.
    before: &'a str,
    from: &'a str,
}

impl<'a> Place<'a> {
    fn new(text: &'a str, position: Position) -> Self {
        let line = position.line().unwrap_or(1).saturating_sub(1);
        let line = text.lines().nth(line).unwrap_or_default();
        let column = position.position().unwrap_or(1).saturating_sub(1);
        let at = line
            .char_indices()
            .nth(column)
            .map_or(line.len(), |(at, _)| at);
        let (before, from) = line.split_at_checked(at).unwrap_or((line, ""));
        Self { text, before, from }
    }

    /// Returns the word at the position.
    fn word(&self) -> &'a str {
        let end = self
            .from
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        self.from
            .get(..end.unwrap_or(self.from.len()))
            .unwrap_or_default()
    }

    /// Returns the word before the position, in the same line.
    fn previous_word(&self) -> &'a str {
        let before = self.before.trim_end();
        let begin = before.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_');
        before
            .get(begin.map_or(0, |at| at + 1)..)
            .unwrap_or_default()
    }

    /// Returns the line with the comment in which the text ends, if the position is at its end.
    fn open_comment(&self) -> Option<usize> {
        let is_last =
            self.from.trim().is_empty() && self.text.trim_end().ends_with(self.before.trim_end());
        let begin = self.text.rfind("/*").filter(|_| is_last)?;
        let (before, comment) = self.text.split_at_checked(begin)?;
        (!comment.contains("*/"))
            .then(|| before.lines().count().max(1) + usize::from(before.ends_with('\n')))
    }

    /// Returns what follows the word at the position.
    fn after(&self) -> &'a str {
        let word = self.word().len();
        self.from.get(word..).unwrap_or_default().trim_start()
    }

    /// Returns what precedes the position, in this line or in the one before.
    fn preceding(&self) -> &'a str {
        let before = self.before.trim_end();
        if !before.is_empty() {
            return before;
        }
        let start = self
            .before
            .as_ptr()
            .addr()
            .saturating_sub(self.text.as_ptr().addr());
        self.text.get(..start).unwrap_or_default().trim_end()
    }
}

const MAP: &str = "a map begins with `#{`, as in `#{ error: \"invalid_client_metadata\" }`";
const EQUALS: &str = "`=` assigns a value; compare with `==`";
const NO_TYPES: &str = "variables, parameters and functions have no types; remove it";
const CLOSURE: &str = "a function without a name is written `|value| value + 1`";
const IF: &str = "write `if condition { .. } else { .. }`; the braces are required";

fn advice(error: &ParseErrorType, place: &Place<'_>) -> Option<String> {
    if let Some(line) = place.open_comment() {
        return Some(format!(
            "the comment that begins in line {line} never ends; close it with `*/`"
        ));
    }
    advice_for(error, place).or_else(|| foreign_word(place.word()))
}

/// Says what to do about a word of another language.
fn foreign_word(word: &str) -> Option<String> {
    let advice = foreign::word(word)?;
    Some(if advice.starts_with("write") {
        format!("instead of `{word}` {advice}")
    } else {
        format!("`{word}`: {advice}")
    })
}

fn advice_for(error: &ParseErrorType, place: &Place<'_>) -> Option<String> {
    match error {
        _ if place.before.ends_with('<') && place.from.starts_with('>') => {
            Some("write `!=`".to_owned())
        }
        ParseErrorType::BadInput(error) => bad_input(error),
        ParseErrorType::VariableUndefined(name) => unknown_variable(name, place),
        ParseErrorType::ModuleUndefined(name) => Some(unknown_module(name, place.text)),
        ParseErrorType::MissingToken(token, _) => missing(token, place),
        error => fixed_advice(error, place).map(str::to_owned),
    }
}

fn fixed_advice(error: &ParseErrorType, place: &Place<'_>) -> Option<&'static str> {
    match error {
        ParseErrorType::Reserved(word) | ParseErrorType::UnknownOperator(word) => {
            match word.as_str() {
                "#" => Some("a comment begins with `//`, and a map with `#{`"),
                "?" => Some("write `if condition { one } else { two }`"),
                "++" => Some("write `value += 1`"),
                "--" => Some("write `value -= 1`; a comment begins with `//`"),
                "print" | "debug" => Some("write `log::info(text)`, with parentheses"),
                word => foreign::word(word),
            }
        }
        ParseErrorType::FnMissingBody(_) => Some(NO_TYPES).filter(|_| is_type(place)),
        ParseErrorType::VariableExpected if place.before.contains("for") => {
            Some("write `for number in 0..3 { .. }` or `for item in list { .. }`")
        }
        ParseErrorType::VariableExpected if place.before.trim_end().ends_with("export") => Some(
            "remove `export` before `fn`: a function is exported unless `private` is before it",
        ),
        ParseErrorType::PropertyExpected => Some("put strings together with `+`"),
        ParseErrorType::UnexpectedEOF => Some("a `{`, `(`, `[`, `/*` or quote is never closed"),
        ParseErrorType::MismatchedType(wanted, _) if wanted.contains("boolean") => {
            Some("compare the value, as in `value != ()`")
        }
        _ => None,
    }
}

fn bad_input(error: &LexError) -> Option<String> {
    match error {
        LexError::MalformedChar(text) => Some(format!(
            "a string is written in double quotes: \"{text}\"; single quotes are for one character"
        )),
        LexError::ImproperSymbol(symbol, _) if symbol == "=" => Some(EQUALS.to_owned()),
        LexError::ImproperSymbol(symbol, _) if symbol == "===" => Some("write `==`".to_owned()),
        LexError::ImproperSymbol(symbol, _) if symbol == "!==" => Some("write `!=`".to_owned()),
        LexError::MalformedEscapeSequence(_) => Some(
            "write two backslashes for one, or write the string between backticks, as in `\\d+`".to_owned(),
        ),
        LexError::UnexpectedInput(text) => unexpected(text),
        LexError::UnterminatedString => Some(
            "close it with `\"` in the same line; a string of several lines is written in backticks".to_owned(),
        ),
        _ => None,
    }
}

/// Explains a character that editors and web pages write instead of the one that was meant.
fn unexpected(text: &str) -> Option<String> {
    let letter = text.chars().next()?;
    match letter {
        '\u{201c}'..='\u{201f}' | '\u{2018}'..='\u{201b}' | '«' | '»' => {
            Some("a string is written in straight double quotes (\"), not in curly ones".to_owned())
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => {
            Some("write the minus of the keyboard (-)".to_owned())
        }
        letter if letter.is_whitespace() || is_invisible(letter) => Some(format!(
            "this is not a plain space but the character U+{:04X}, which looks like one or is invisible; type a space",
            u32::from(letter)
        )),
        _ => None,
    }
}

/// Returns whether a character is one that is copied from web pages without being seen.
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn is_type(place: &Place<'_>) -> bool {
    place.from.starts_with(':') || place.from.starts_with("->")
}

/// Returns what would be right where `token` is missing.
fn missing(token: &str, place: &Place<'_>) -> Option<String> {
    let word = place.word();
    if let Some(advice) = foreign_word(word).or_else(|| foreign_word(place.previous_word())) {
        return Some(advice);
    }
    let advice = match (token, word) {
        (_, "is") => "compare with `==`",
        (_, "instanceof") => "compare `type_of(value)` with the name of the type",
        ("in", "of") => "write `in`",
        ("catch", _) => "write `try { .. } catch (error) { .. }`",
        ("=>", _) => "write `\"one\" => value,` for each case, and `_ => value` for all others",
        (";", "if") => "write `if condition { one } else { two }`",
        (token, _) => return missing_symbol(token, place).map(str::to_owned),
    };
    Some(advice.to_owned())
}

fn missing_symbol(token: &str, place: &Place<'_>) -> Option<&'static str> {
    let is_arrow = place.from.starts_with("=>");
    let is_assignment = place.from.starts_with('=') && !is_arrow;
    match token {
        "{" if place.before.contains("catch") => Some("write `catch (error) { .. }`"),
        ";" | "{" if is_arrow => Some(CLOSURE),
        "{" if place.before.contains("if") => Some(IF),
        ";" | "," | ")" if is_type(place) => Some(NO_TYPES),
        ")" if is_assignment => Some(EQUALS),
        ":" if is_assignment => Some("a map is written `#{ name: value }`"),
        ";" if place.preceding().ends_with("throw") => Some(MAP),
        ";" if place.from.starts_with('"') && !place.previous_word().is_empty() => {
            Some("the arguments of a function are in parentheses, as in `name(\"text\")`")
        }
        ";" => Some("a statement ends with `;`"),
        _ => None,
    }
}

fn unknown_variable(name: &str, place: &Place<'_>) -> Option<String> {
    if place.preceding().ends_with('{')
        && place.after().starts_with(':')
        && !place.after().starts_with("::")
    {
        return Some(MAP.to_owned());
    }
    if place.after().starts_with("=>") || place.after().starts_with(") =>") {
        return Some(CLOSURE.to_owned());
    }
    if name == "f" && place.after().starts_with('"') {
        return Some("values are put into a string in backticks, as in `name: ${name}`".to_owned());
    }
    if let Some(advice) = foreign::word(name) {
        return Some(advice.to_owned());
    }
    let declared = declared_elsewhere(name, place.text);
    if declared.is_none() && modules().any(|module| module == name) {
        return Some(format!(
            "the functions of a module are called with `::`, as in {name}::name(..)"
        ));
    }
    declared
}

/// Explains a name that is declared where it is not visible, or is similar to one that is.
fn declared_elsewhere(name: &str, text: &str) -> Option<String> {
    let outside = |keyword: &str| {
        text.lines().any(|line| {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let rest = line
                .strip_prefix(keyword)
                .and_then(|rest| rest.trim_start().strip_prefix(name));
            rest.is_some_and(|rest| {
                !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
            })
        })
    };
    if outside("const ") {
        return Some(format!(
            "a function reads a constant of the script as global::{name}"
        ));
    }
    if outside("let ") {
        return Some(format!(
            "a function cannot see the variables outside it; declare it with `const {name}`, and read it as \
             global::{name}"
        ));
    }
    if text.contains(&format!("fn {name}(")) {
        return Some(format!("call the function as {name}(..)"));
    }
    if name == "context" {
        return Some(
            "a function cannot see the parameters of another one; pass `context` to it".to_owned(),
        );
    }
    let near = nearest(name, declared(text).filter(|known| *known != name))?;
    Some(format!("did you mean '{near}'?"))
}

/// Returns the names of the variables and parameters that a script declares.
fn declared(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |letter: char| !letter.is_alphanumeric() && letter != '_';
    text.lines().flat_map(move |line| {
        let mut words = line.split(is_end).filter(|word| !word.is_empty());
        let is_function = line.trim_start().starts_with("fn ");
        let mut names: Vec<&str> = Vec::new();
        while let Some(word) = words.next() {
            match word {
                "let" | "const" | "for" => names.extend(words.next()),
                "fn" => {
                    let _name = words.next();
                }
                word if is_function => names.push(word),
                _ => {}
            }
        }
        names
    })
}

fn modules() -> impl Iterator<Item = &'static str> {
    let functions = host_functions().into_iter().chain(TEST_FUNCTIONS);
    functions
        .map(|function| function.module)
        .filter(|module| !module.is_empty())
}

fn unknown_module(name: &str, text: &str) -> String {
    let mut aliases: Vec<&str> = modules().collect();
    for line in text
        .lines()
        .filter(|line| line.trim_start().starts_with("import "))
    {
        let alias = line.rsplit(" as ").next().unwrap_or_default();
        aliases.push(alias.trim().trim_end_matches(';'));
    }
    aliases.dedup();
    match nearest(name, aliases.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!(
            "the modules are {}; a file below lib/ is imported with `import \"lib/{name}\" as {name};`",
            aliases.join(", ")
        ),
    }
}
