//! `registrar config show`, `set`, `unset` and `patch`: the live configuration of a running server.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use super::output::{self, Form, Format, Table, cell};
use super::remote::{Call, Needs, Remote, RemoteArguments};
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Show only options that start with this prefix, such as dynamicRegistration, registration.dcr or store.
    #[arg(value_name = "OPTION")]
    option: Option<String>,
    /// Also show the origin of each value: default, file, patch, environment or flag.
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    form: Form,
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
    form: Form,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(super) struct Unset {
    /// A property of [registration], such as dynamicRegistrationEnabled, or scopes.
    #[arg(value_name = "PROPERTY")]
    property: String,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    remote: RemoteArguments,
}

#[derive(Debug, Args)]
pub(super) struct Patch {
    /// The file of a JSON Patch (RFC 6902), or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    form: Form,
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
    let document = remote
        .call(Call {
            path: &path,
            ..Call::default()
        })
        .await?;
    let mut options = options(&document);
    if let Some(prefix) = &arguments.option {
        options.retain(|option| {
            let short = option
                .name
                .strip_prefix("registration.")
                .unwrap_or_default();
            [option.name.as_str(), short]
                .iter()
                .any(|name| name.starts_with(prefix.as_str()))
        });
        if options.is_empty() {
            return Err(Failure::Failed(format!("no option starts with {prefix}")));
        }
    }
    match (arguments.form.format, arguments.origin) {
        (Format::Json, _) if arguments.option.is_none() => output::json(&document),
        (Format::Json, _) => output::json(&options.into_iter().map(Shown::into_json).collect()),
        (Format::Table, true) => {
            let row = |shown: &Shown| {
                [
                    shown.name.clone(),
                    cell(Some(&shown.value)),
                    shown.origin.clone(),
                ]
            };
            Table::new(["OPTION", "VALUE", "ORIGIN"]).rows(options.iter().map(row).collect())
        }
        (Format::Table, false) => {
            let row = |shown: &Shown| [shown.name.clone(), cell(Some(&shown.value))];
            Table::new(["OPTION", "VALUE"]).rows(options.iter().map(row).collect())
        }
    }
}

/// An option with its value and the origin of the value.
struct Shown {
    name: String,
    value: Value,
    origin: String,
}

impl Shown {
    fn into_json(self) -> Value {
        json!({"option": self.name, "value": self.value, "origin": self.origin})
    }
}

/// Returns the options of `document`, the live ones first.
fn options(document: &Value) -> Vec<Shown> {
    let origins = document.get("origins").and_then(Value::as_object);
    let origin = |key: &str| {
        origins
            .map(|origins| cell(origins.get(key)))
            .unwrap_or_default()
    };
    let mut shown = Vec::new();
    let mut members = |part: &str, prefix: &str, of_origin: &str| {
        for (name, value) in document
            .get(part)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let key = format!("{of_origin}{name}");
            let origin = origin(&key);
            shown.push(Shown {
                name: format!("{prefix}{name}"),
                value: value.clone(),
                origin,
            });
        }
    };
    members("registration", "registration.", "registration.");
    if let Some(scopes) = document.get("scopes") {
        shown.push(Shown {
            name: "scopes".to_owned(),
            value: scopes.clone(),
            origin: origin("scopes"),
        });
    }
    for (section, value) in document
        .get("settings")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let mut found = Vec::new();
        leaves(
            value,
            section,
            &mut |key| !origin(key).is_empty(),
            &mut found,
        );
        let named = found.into_iter().map(|(key, value)| {
            let origin = origin(&key);
            Shown {
                name: key,
                value,
                origin,
            }
        });
        shown.extend(named);
    }
    shown
}

/// Adds the options under `key` to `found`. An object with an origin of its own is one option.
fn leaves(
    value: &Value,
    key: &str,
    is_option: &mut dyn FnMut(&str) -> bool,
    found: &mut Vec<(String, Value)>,
) {
    match value {
        Value::Object(members) if !is_option(key) && !members.is_empty() => {
            for (name, value) in members {
                leaves(value, &format!("{key}.{name}"), is_option, found);
            }
        }
        value => found.push((key.to_owned(), value.clone())),
    }
}

pub(super) async fn set(arguments: &Set) -> Result<(), Failure> {
    let Place { name, pointer } = Place::of(&arguments.property)?;
    let value: Value =
        serde_json::from_str(&arguments.value).unwrap_or_else(|_| arguments.value.as_str().into());
    let operations = json!([{"op": "add", "path": pointer, "value": value}]).to_string();
    let document = patched(
        &arguments.remote.connect(&[WRITE]).await?,
        operations.into_bytes(),
    )
    .await?;
    let shown = option(&document, name);
    match arguments.form.format {
        Format::Json => json_of(shown, &document),
        Format::Table => output::line(&format!("{} = {}", shown.name, cell(Some(&shown.value)))),
    }
}

/// Removes a patched value; the value of the file or the default is in force again.
pub(super) async fn unset(arguments: &Unset) -> Result<(), Failure> {
    let Place { name, pointer } = Place::of(&arguments.property)?;
    let operations = json!([{"op": "remove", "path": pointer}]).to_string();
    let document = patched(
        &arguments.remote.connect(&[WRITE]).await?,
        operations.into_bytes(),
    )
    .await?;
    let shown = option(&document, name);
    match arguments.form.format {
        Format::Json => json_of(shown, &document),
        Format::Table if shown.value.is_null() => {
            output::line(&format!("{} has no value", shown.name))
        }
        Format::Table => output::line(&format!(
            "{} = {} ({})",
            shown.name,
            cell(Some(&shown.value)),
            shown.origin
        )),
    }
}

/// The location of an option that can be changed at runtime.
struct Place {
    name: String,
    pointer: String,
}

impl Place {
    fn of(text: &str) -> Result<Self, Failure> {
        let property = text.strip_prefix("registration.").unwrap_or(text);
        // With these characters, the JSON Pointer would point elsewhere.
        if property.is_empty() || property.contains(['/', '~']) {
            return Err(Failure::Usage(format!(
                "'{property}' is not a property of [registration]"
            )));
        }
        let sections = serde_json::to_value(Settings::default()).unwrap_or_default();
        let section = property.split('.').next().unwrap_or_default();
        if sections.get(section).is_some() {
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
fn option(document: &Value, name: String) -> Shown {
    let found = options(document)
        .into_iter()
        .find(|option| option.name == name);
    found.unwrap_or(Shown {
        name,
        value: Value::Null,
        origin: String::new(),
    })
}

/// Writes an option as JSON, with the revision of the configuration.
fn json_of(shown: Shown, document: &Value) -> Result<(), Failure> {
    let mut members = shown.into_json().as_object().cloned().unwrap_or_default();
    members.extend(
        document
            .get("revision")
            .map(|revision| ("revision".to_owned(), revision.clone())),
    );
    output::json(&Value::Object(members))
}

pub(super) async fn patch(arguments: &Patch) -> Result<(), Failure> {
    let operations = read(&arguments.file)?;
    let document = patched(&arguments.remote.connect(&[WRITE]).await?, operations).await?;
    match arguments.form.format {
        Format::Json => output::json(&document),
        Format::Table => output::line(&format!("revision {}", cell(document.get("revision")))),
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
    let body = Some(("application/json-patch+json", operations));
    remote
        .call(Call {
            method: "PATCH",
            path: &path,
            body,
            ..Call::default()
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_options_have_a_pointer_and_others_need_a_restart() {
        let place = |text: &str| Place::of(text).map(|place| (place.name, place.pointer));
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
            let Err(Failure::Usage(message)) = place(text) else {
                panic!("{text}")
            };
            assert!(
                message.contains(text) && message.contains("needs a restart"),
                "{message}"
            );
        }
        for text in ["", "a/b", "registration."] {
            assert!(matches!(place(text), Err(Failure::Usage(_))), "{text}");
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
