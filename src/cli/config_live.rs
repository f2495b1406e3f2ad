//! `registrar config show`, `set`, `unset` and `patch`: the live configuration of a running server.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{
    Call, CommandFailure, Format, Needs, OutputForm, Remote, RemoteArguments, Table, cell,
    json_or_text, write_line,
};
use crate::config::Settings;
use crate::config::patch::LISTS;

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// Show only options that start with this prefix, such as dynamicRegistration, registration.dcr or store.
    #[arg(value_name = "OPTION")]
    option: Option<String>,
    /// Also show the origin of each value: default, file, patch, environment or flag.
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// A property of [registration], such as dynamicRegistrationEnabled, or scopes.
    #[arg(value_name = "PROPERTY")]
    property: String,
    /// The value: JSON, or text without quotes.
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    value: String,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(super) struct UnsetArguments {
    /// A property of [registration], such as dynamicRegistrationEnabled, or scopes.
    #[arg(value_name = "PROPERTY")]
    property: String,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(super) struct PatchArguments {
    /// The file of a JSON Patch (RFC 6902), or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    form: OutputForm,
    #[command(flatten)]
    remote: RemoteArguments,
}

const READ: Needs = |scopes| &scopes.config_read;
const WRITE: Needs = |scopes| &scopes.config_write;

/// The maximum number of bytes read from a patch. The limit of the server is lower.
const PATCH_BYTES: u64 = 16 * 1024 * 1024;

pub(super) async fn show(arguments: &ShowArguments) -> Result<(), CommandFailure> {
    let remote = arguments.remote.connect(&[READ]).await?;
    let document = remote.get(&remote.config, &[]).await?;
    let mut shown = options(&document);
    if let Some(prefix) = &arguments.option {
        shown.retain(|option| option.has_prefix(prefix));
        if shown.is_empty() {
            return Err(CommandFailure::Failed(format!(
                "no option starts with {prefix}"
            )));
        }
    }
    match arguments.form.format {
        data if data.is_data() && arguments.option.is_none() => data.write(&document),
        data @ (Format::Json | Format::Yaml) => {
            data.write(&shown.into_iter().map(ShownOption::into_json).collect())
        }
        Format::Table => write_table(shown, arguments.origin),
    }
}

fn write_table(shown: Vec<ShownOption>, has_origin: bool) -> Result<(), CommandFailure> {
    let rows = shown.into_iter().map(ShownOption::into_row);
    if has_origin {
        return Table::new(["OPTION", "VALUE", "ORIGIN"]).rows(rows.collect());
    }
    let short = rows.map(|[name, value, _]| [name, value]);
    Table::new(["OPTION", "VALUE"]).rows(short.collect())
}

/// An option with its value and the origin of the value.
struct ShownOption {
    name: String,
    value: Value,
    origin: String,
}

impl ShownOption {
    /// Returns the option of this name in `document`.
    fn new(document: &Value, name: String, value: Value) -> Self {
        let origin = origin(document, &name);
        Self {
            name,
            value,
            origin,
        }
    }

    /// Whether the name, or that of the property of `[registration]`, starts with `prefix`.
    fn has_prefix(&self, prefix: &str) -> bool {
        let property = self.name.strip_prefix("registration.").unwrap_or_default();
        self.name.starts_with(prefix) || property.starts_with(prefix)
    }

    fn into_json(self) -> Value {
        json!({"option": self.name, "value": self.value, "origin": self.origin})
    }

    fn into_row(self) -> [String; 3] {
        [self.name, cell(Some(&self.value)), self.origin]
    }
}

/// Returns the options of `document`, the live ones first.
fn options(document: &Value) -> Vec<ShownOption> {
    let mut shown = Vec::new();
    if let Some(Value::Object(properties)) = document.get("registration") {
        for (name, value) in properties {
            let name = format!("registration.{name}");
            shown.push(ShownOption::new(document, name, value.clone()));
        }
    }
    for name in LISTS {
        if let Some(list) = document.get(name) {
            shown.push(ShownOption::new(document, name.to_owned(), list.clone()));
        }
    }
    if let Some(Value::Object(sections)) = document.get("settings") {
        for (section, value) in sections {
            add_settings(document, section, value, &mut shown);
        }
    }
    shown
}

/// Adds the options under `key` to `shown`. An object with an origin of its own is one option.
fn add_settings(document: &Value, key: &str, value: &Value, shown: &mut Vec<ShownOption>) {
    match value {
        Value::Object(members) if !members.is_empty() && origin(document, key).is_empty() => {
            for (name, value) in members {
                add_settings(document, &format!("{key}.{name}"), value, shown);
            }
        }
        value => shown.push(ShownOption::new(document, key.to_owned(), value.clone())),
    }
}

/// Returns the origin of the option `key`, or an empty text if it has none.
fn origin(document: &Value, key: &str) -> String {
    let origins = document.get("origins");
    cell(origins.and_then(|origins| origins.get(key)))
}

pub(super) async fn set(arguments: &SetArguments) -> Result<(), CommandFailure> {
    let option = LiveOption::parse(&arguments.property)?;
    let value = json_or_text(&arguments.value);
    let operation = json!({"op": "add", "path": option.pointer, "value": value});
    let remote = arguments.remote.connect(&[WRITE]).await?;
    let document = patched(&remote, json!([operation]).to_string().into_bytes()).await?;
    let shown = option.find(&document);
    match arguments.form.format {
        data @ (Format::Json | Format::Yaml) => write_with_revision(shown, &document, data),
        Format::Table => write_line(&format!("{} = {}", shown.name, cell(Some(&shown.value)))),
    }
}

/// Removes a patched value; the value of the file or the default is in force again.
pub(super) async fn unset(arguments: &UnsetArguments) -> Result<(), CommandFailure> {
    let option = LiveOption::parse(&arguments.property)?;
    let operation = json!({"op": "remove", "path": option.pointer});
    let remote = arguments.remote.connect(&[WRITE]).await?;
    let document = patched(&remote, json!([operation]).to_string().into_bytes()).await?;
    let shown = option.find(&document);
    let format = arguments.form.format;
    if format.is_data() {
        return write_with_revision(shown, &document, format);
    }
    if shown.value.is_null() {
        return write_line(&format!("{} has no value", shown.name));
    }
    let [name, value, origin] = shown.into_row();
    write_line(&format!("{name} = {value} ({origin})"))
}

/// An option that can be changed at runtime.
struct LiveOption {
    /// The name, with its section.
    name: String,
    /// Where it is in the document of the live configuration (RFC 6901).
    pointer: String,
}

impl LiveOption {
    fn parse(text: &str) -> Result<Self, CommandFailure> {
        let property = text.strip_prefix("registration.").unwrap_or(text);
        // With these characters, the JSON Pointer would point elsewhere.
        if property.is_empty() || property.contains(['/', '~']) {
            let message = format!("'{property}' is not a property of [registration]");
            return Err(CommandFailure::Usage(message));
        }
        let sections = serde_json::to_value(Settings::default()).unwrap_or_default();
        let section = property.split('.').next().unwrap_or_default();
        if sections.get(section).is_some() {
            let message =
                format!("{property} needs a restart: change it in the configuration file");
            return Err(CommandFailure::Usage(message));
        }
        if LISTS.contains(&property) {
            return Ok(Self {
                name: property.to_owned(),
                pointer: format!("/{property}"),
            });
        }
        Ok(Self {
            name: format!("registration.{property}"),
            pointer: format!("/registration/{property}"),
        })
    }

    /// Returns this option of `document`, or null if it has no value there.
    fn find(self, document: &Value) -> ShownOption {
        let mut options = options(document).into_iter();
        match options.find(|option| option.name == self.name) {
            Some(option) => option,
            None => ShownOption {
                name: self.name,
                value: Value::Null,
                origin: String::new(),
            },
        }
    }
}

/// Writes an option as JSON, with the revision of the configuration.
fn write_with_revision(
    shown: ShownOption,
    document: &Value,
    format: Format,
) -> Result<(), CommandFailure> {
    let mut option = shown.into_json();
    if let Value::Object(members) = &mut option
        && let Some(revision) = document.get("revision")
    {
        members.insert("revision".to_owned(), revision.clone());
    }
    format.write(&option)
}

pub(super) async fn patch(arguments: &PatchArguments) -> Result<(), CommandFailure> {
    let operations = read_patch(&arguments.file).map_err(|error| {
        CommandFailure::Failed(format!(
            "{} cannot be read: {error}",
            arguments.file.display()
        ))
    })?;
    let remote = arguments.remote.connect(&[WRITE]).await?;
    let document = patched(&remote, operations).await?;
    match arguments.form.format {
        data @ (Format::Json | Format::Yaml) => data.write(&document),
        Format::Table => write_line(&format!("revision {}", cell(document.get("revision")))),
    }
}

fn read_patch(file: &Path) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file)?)
    };
    let mut operations = Vec::new();
    source.take(PATCH_BYTES).read_to_end(&mut operations)?;
    Ok(operations)
}

/// Applies the patch and returns the configuration in force afterwards.
async fn patched(remote: &Remote, operations: Vec<u8>) -> Result<Value, CommandFailure> {
    let call = Call {
        method: "PATCH",
        path: &remote.config,
        body: Some(("application/json-patch+json", operations)),
        ..Call::default()
    };
    remote.call(call).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_options_have_a_pointer_and_others_need_a_restart() {
        let place =
            |text: &str| LiveOption::parse(text).map(|option| (option.name, option.pointer));
        for text in ["clientExpiryGrace", "registration.clientExpiryGrace"] {
            let (name, pointer) = place(text).unwrap();
            assert_eq!(name, "registration.clientExpiryGrace");
            assert_eq!(pointer, "/registration/clientExpiryGrace");
        }
        assert_eq!(
            place("scopes").unwrap(),
            ("scopes".to_owned(), "/scopes".to_owned())
        );
        for text in ["server.listen", "telemetry", "store.url"] {
            let Err(CommandFailure::Usage(message)) = place(text) else {
                panic!("{text}")
            };
            assert!(
                message.contains(text) && message.contains("needs a restart"),
                "{message}"
            );
        }
        for text in ["", "a/b", "registration."] {
            assert!(
                matches!(place(text), Err(CommandFailure::Usage(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn options_are_shown_with_their_origins() {
        let document = json!({
            "registration": {"a": {"x": 1}}, "scopes": [],
            "settings": {"store": {"url": "sled:data"}, "scripts": {"limits": {"n": 1}, "attributes": {"k": {"v": 1}}}},
            "origins": {
                "registration.a": "patch", "scopes": "file", "store.url": "flag", "scripts.limits.n": "default",
                "scripts.attributes": "file",
            },
        });
        let found: Vec<String> = options(&document)
            .into_iter()
            .map(|option| format!("{}={} {}", option.name, option.value, option.origin))
            .collect();
        let expected = [
            r#"registration.a={"x":1} patch"#,
            "scopes=[] file",
            r#"store.url="sled:data" flag"#,
            "scripts.limits.n=1 default",
            r#"scripts.attributes={"k":{"v":1}} file"#,
        ];
        assert_eq!(found, expected);
    }
}
