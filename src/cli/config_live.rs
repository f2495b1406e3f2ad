//! `registrar config show`, `set`, `unset` and `patch`: the live configuration of a running server.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::output::{self, OutputForm, OutputFormat, Table, cell};
use super::remote::{Call, Needs, Remote, RemoteArguments};
use crate::config;

#[derive(Debug, Args)]
pub(super) struct Show {
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
pub(super) struct Set {
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
pub(super) struct Unset {
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

pub(super) async fn show(arguments: &Show) -> Result<(), Failure> {
    let remote = arguments.remote.connect(&[READ]).await?;
    let path = remote.config.clone();
    let call = Call {
        path: &path,
        ..Call::default()
    };
    let document = remote.call(call).await?;
    let mut options = options(&document);
    if let Some(prefix) = &arguments.option {
        options.retain(|option| option.begins_with(prefix));
        if options.is_empty() {
            return Err(Failure::Failed(format!("no option starts with {prefix}")));
        }
    }
    match arguments.form.format {
        OutputFormat::Json if arguments.option.is_none() => output::json(&document),
        OutputFormat::Json => {
            output::json(&options.into_iter().map(ShownOption::into_json).collect())
        }
        OutputFormat::Table => table(&options, arguments.origin),
    }
}

fn table(options: &[ShownOption], with_origin: bool) -> Result<(), Failure> {
    if with_origin {
        let rows = options.iter().map(|option| {
            let value = cell(Some(&option.value));
            [option.name.clone(), value, option.origin.clone()]
        });
        return Table::new(["OPTION", "VALUE", "ORIGIN"]).rows(rows.collect());
    }
    let rows = options
        .iter()
        .map(|option| [option.name.clone(), cell(Some(&option.value))]);
    Table::new(["OPTION", "VALUE"]).rows(rows.collect())
}

/// An option with its value and the origin of the value.
struct ShownOption {
    name: String,
    value: Value,
    origin: String,
}

impl ShownOption {
    /// Returns the option `name` of `document`.
    fn new(document: &Value, name: String, value: &Value) -> Self {
        Self {
            origin: origin(document, &name),
            name,
            value: value.clone(),
        }
    }

    /// Whether the name begins with `prefix`, with or without its section.
    fn begins_with(&self, prefix: &str) -> bool {
        let property = self.name.strip_prefix("registration.");
        self.name.starts_with(prefix) || property.is_some_and(|name| name.starts_with(prefix))
    }

    fn into_json(self) -> Value {
        json!({"option": self.name, "value": self.value, "origin": self.origin})
    }
}

/// Returns the origin of the option `key`, or an empty text if it is not an option.
fn origin(document: &Value, key: &str) -> String {
    cell(document.get("origins").and_then(|origins| origins.get(key)))
}

/// Returns the options of `document`, the live ones first.
fn options(document: &Value) -> Vec<ShownOption> {
    let mut options = Vec::new();
    for (name, value) in members(document, "registration") {
        let name = format!("registration.{name}");
        options.push(ShownOption::new(document, name, value));
    }
    if let Some(scopes) = document.get("scopes") {
        options.push(ShownOption::new(document, "scopes".to_owned(), scopes));
    }
    for (section, value) in members(document, "settings") {
        add_options(document, section, value, &mut options);
    }
    options
}

/// Returns the members of the object `name` of `document`.
fn members<'a>(document: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let object = document.get(name).and_then(Value::as_object);
    object.into_iter().flatten()
}

/// Adds the options under `key` to `options`. An object with an origin of its own is one option.
fn add_options(document: &Value, key: &str, value: &Value, options: &mut Vec<ShownOption>) {
    match value {
        Value::Object(members) if !members.is_empty() && origin(document, key).is_empty() => {
            for (name, value) in members {
                add_options(document, &format!("{key}.{name}"), value, options);
            }
        }
        value => options.push(ShownOption::new(document, key.to_owned(), value)),
    }
}

pub(super) async fn set(arguments: &Set) -> Result<(), Failure> {
    let LiveOption { name, pointer } = LiveOption::named(&arguments.property)?;
    let value: Value =
        serde_json::from_str(&arguments.value).unwrap_or_else(|_| arguments.value.as_str().into());
    let operations = json!([{"op": "add", "path": pointer, "value": value}]);
    let remote = arguments.remote.connect(&[WRITE]).await?;
    let document = patched(&remote, operations.to_string().into_bytes()).await?;
    let shown = option(&document, name);
    match arguments.form.format {
        OutputFormat::Json => json_of(shown, &document),
        OutputFormat::Table => {
            output::line(&format!("{} = {}", shown.name, cell(Some(&shown.value))))
        }
    }
}

/// Removes a patched value; the value of the file or the default is in force again.
pub(super) async fn unset(arguments: &Unset) -> Result<(), Failure> {
    let LiveOption { name, pointer } = LiveOption::named(&arguments.property)?;
    let operations = json!([{"op": "remove", "path": pointer}]);
    let remote = arguments.remote.connect(&[WRITE]).await?;
    let document = patched(&remote, operations.to_string().into_bytes()).await?;
    let shown = option(&document, name);
    match arguments.form.format {
        OutputFormat::Json => json_of(shown, &document),
        OutputFormat::Table if shown.value.is_null() => {
            output::line(&format!("{} has no value", shown.name))
        }
        OutputFormat::Table => output::line(&format!(
            "{} = {} ({})",
            shown.name,
            cell(Some(&shown.value)),
            shown.origin
        )),
    }
}

/// An option that can be changed at runtime, and the JSON Pointer to it.
struct LiveOption {
    name: String,
    pointer: String,
}

impl LiveOption {
    fn named(text: &str) -> Result<Self, Failure> {
        let property = text.strip_prefix("registration.").unwrap_or(text);
        // With these characters, the JSON Pointer would point elsewhere.
        if property.is_empty() || property.contains(['/', '~']) {
            return Err(Failure::Usage(format!(
                "'{property}' is not a property of [registration]"
            )));
        }
        let section = property.split('.').next().unwrap_or_default();
        if config::patch::is_section_of_settings(section) {
            let message =
                format!("{property} needs a restart: change it in the configuration file");
            return Err(Failure::Usage(message));
        }
        if property == "scopes" {
            return Ok(Self {
                name: property.to_owned(),
                pointer: "/scopes".to_owned(),
            });
        }
        let pointer = format!("/registration/{property}");
        Ok(Self {
            name: format!("registration.{property}"),
            pointer,
        })
    }
}

/// Returns the option `name` of `document`.
fn option(document: &Value, name: String) -> ShownOption {
    let found = options(document)
        .into_iter()
        .find(|option| option.name == name);
    found.unwrap_or(ShownOption {
        name,
        value: Value::Null,
        origin: String::new(),
    })
}

/// Writes an option as JSON, with the revision of the configuration.
fn json_of(shown: ShownOption, document: &Value) -> Result<(), Failure> {
    let mut shown = shown.into_json();
    if let (Value::Object(members), Some(revision)) = (&mut shown, document.get("revision")) {
        members.insert("revision".to_owned(), revision.clone());
    }
    output::json(&shown)
}

pub(super) async fn patch(arguments: &PatchArguments) -> Result<(), Failure> {
    let operations = read(&arguments.file)?;
    let document = patched(&arguments.remote.connect(&[WRITE]).await?, operations).await?;
    match arguments.form.format {
        OutputFormat::Json => output::json(&document),
        OutputFormat::Table => {
            output::line(&format!("revision {}", cell(document.get("revision"))))
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::Failed(format!("{} cannot be read: {error}", file.display()));
    let mut operations = Vec::new();
    let length = if file == Path::new("-") {
        std::io::stdin()
            .take(PATCH_BYTES)
            .read_to_end(&mut operations)
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(PATCH_BYTES).read_to_end(&mut operations))
    };
    length.map_err(failed)?;
    Ok(operations)
}

/// Applies the patch and returns the configuration in force afterwards.
async fn patched(remote: &Remote, operations: Vec<u8>) -> Result<Value, Failure> {
    let path = remote.config.clone();
    let call = Call {
        method: "PATCH",
        path: &path,
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
        let option =
            |text: &str| LiveOption::named(text).map(|option| (option.name, option.pointer));
        for text in ["clientExpiryGrace", "registration.clientExpiryGrace"] {
            let (name, pointer) = option(text).unwrap();
            assert_eq!(name, "registration.clientExpiryGrace");
            assert_eq!(pointer, "/registration/clientExpiryGrace");
        }
        assert_eq!(
            option("scopes").unwrap(),
            ("scopes".to_owned(), "/scopes".to_owned())
        );
        for text in ["server.listen", "telemetry", "store.url"] {
            let Err(Failure::Usage(message)) = option(text) else {
                panic!("{text}")
            };
            assert!(
                message.contains(text) && message.contains("needs a restart"),
                "{message}"
            );
        }
        for text in ["", "a/b", "registration."] {
            assert!(matches!(option(text), Err(Failure::Usage(_))), "{text}");
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
