//! Environment variables that look like options but are not.

use crate::config::{DEFAULTS, PREFIX, ScriptSettings, SecretSource, nearest, tree};

/// Variables that the command line reads itself.
const OF_COMMANDS: &[&str] = &["REGISTRAR_CLIENT_ID", "REGISTRAR_CLIENT_SECRET"];

/// Returns a warning for each variable of `environment` that begins like an option but is never read.
/// Variables with `__` name options, and are checked when they are set.
pub(super) fn strays(environment: &[(String, String)], scripts: &ScriptSettings) -> Vec<String> {
    let is_secret = |name: &str| {
        let is_it = |source: &SecretSource| matches!(source, SecretSource::Env(variable) if variable == name);
        scripts.secrets.values().any(is_it)
    };
    let mut strays = Vec::new();
    for (name, _) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let is_used =
            OF_COMMANDS.contains(&name.as_str()) || is_secret(name) || is_of_kubernetes(rest);
        if !rest.contains("__") && !is_used {
            strays.push(stray(name));
        }
    }
    strays
}

fn stray(name: &str) -> String {
    let options = variables();
    let mut known: Vec<&str> = options.iter().map(String::as_str).collect();
    known.extend(OF_COMMANDS);
    match nearest(name, known) {
        Some(meant) => {
            format!("{name}: this environment variable is not read; did you mean {meant}?")
        }
        None => format!(
            "{name}: this environment variable is not read; options are named like REGISTRAR_SERVER__LISTEN"
        ),
    }
}

/// Whether Kubernetes sets the variable with this name after `REGISTRAR_` for a service called `registrar`.
fn is_of_kubernetes(rest: &str) -> bool {
    for own in ["SERVICE_HOST", "SERVICE_PORT", "PORT"] {
        if let Some(more) = rest.strip_prefix(own)
            && (more.is_empty() || more.starts_with('_'))
        {
            return true;
        }
    }
    false
}

/// Returns the variable names of all options.
fn variables() -> Vec<String> {
    let keys = tree::leaves(&DEFAULTS);
    keys.iter().map(|key| variable(key)).collect()
}

/// Returns the variable name of the option `key`.
fn variable(key: &str) -> String {
    let parts: Vec<String> = key.split('.').map(shouted).collect();
    format!("{PREFIX}{}", parts.join("__"))
}

/// Converts `headerTimeoutMs` to `HEADER_TIMEOUT_MS`.
fn shouted(key: &str) -> String {
    let mut text = String::new();
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn said(name: &str) -> Vec<String> {
        let secrets = BTreeMap::from([(
            "verifier".to_owned(),
            SecretSource::Env("REGISTRAR_VERIFIER".to_owned()),
        )]);
        let scripts = ScriptSettings {
            secrets,
            ..ScriptSettings::default()
        };
        strays(&[(name.to_owned(), "hid-den".to_owned())], &scripts)
    }

    #[test]
    fn an_unknown_variable_is_reported_with_the_nearest_name() {
        for (name, meant) in [
            (
                "REGISTRAR_SERVER_LISTEN",
                "did you mean REGISTRAR_SERVER__LISTEN?",
            ),
            ("REGISTRAR_STORE_URL", "did you mean REGISTRAR_STORE__URL?"),
            (
                "REGISTRAR_SERVER_TLS_CERTIFICATE",
                "did you mean REGISTRAR_SERVER__TLS__CERTIFICATE?",
            ),
            (
                "REGISTRAR_LIMITS_BODYBYTES",
                "did you mean REGISTRAR_LIMITS__BODY_BYTES?",
            ),
            ("REGISTRAR_CLIENTID", "did you mean REGISTRAR_CLIENT_ID?"),
            (
                "REGISTRAR_COLOURS_OF_THE_RAINBOW_AND_MORE",
                "options are named like REGISTRAR_SERVER__LISTEN",
            ),
        ] {
            let said = said(name);
            assert!(
                said.len() == 1 && said[0].ends_with(meant),
                "{name}: {said:?}"
            );
            assert!(!said[0].contains("hid-den"), "{said:?}");
        }
    }

    #[test]
    fn a_used_variable_is_not_reported() {
        for name in [
            "REGISTRAR_SERVER__LISTEN",
            "REGISTRAR_CLIENT_ID",
            "REGISTRAR_CLIENT_SECRET",
            "REGISTRAR_VERIFIER",
            "REGISTRAR_PORT",
            "REGISTRAR_PORT_8080_TCP_ADDR",
            "REGISTRAR_SERVICE_HOST",
            "REGISTRAR_SERVICE_PORT_HTTP",
            "PATH",
        ] {
            assert_eq!(said(name), [""; 0], "{name}");
        }
    }
}
