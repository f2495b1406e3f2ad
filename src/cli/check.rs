//! `registrar check`

use std::io::ErrorKind;
use std::net::TcpListener;

use crate::cli::{FileArguments, ServeArguments, counted, script::load_scripts, script::mistakes};
use crate::config::{
    self, Configuration, Live, Registration, Settings, SsaValidationType, StatementValidation,
    TlsSettings,
};
use crate::fetch::Fetcher;
use crate::http::{Tls, TlsFault};
use crate::script::{Hook, ScriptSet};
use crate::service;
use crate::store::{Store, StoreError};

pub(super) fn run(arguments: &ServeArguments) -> Result<(), String> {
    let configuration = super::load_configuration(&arguments.sources())?;
    check_configuration(&arguments.file, &configuration)?;
    check_scripts(&arguments.file, &configuration)
}

/// Checks what can be checked without the scripts.
fn check_configuration(file: &FileArguments, configuration: &Configuration) -> Result<(), String> {
    let name = file.config.display();
    // Most new users do not have what it asks for yet, so it does not count as a warning.
    if let Some(advice) = configuration.advice() {
        note!("registrar: warning: {name}: {advice}");
    }
    let settings = &configuration.settings;
    service::judge(configuration.live.clone()).map_err(|reason| format!("{name}:\n{reason}"))?;
    Fetcher::new(&settings.fetch).map_err(|error| error.to_string())?;
    let mut warnings = configuration.warnings.len();
    warnings += tls(file, &settings.server.tls)?;
    store(file, settings)?;
    warnings += addresses(file, settings);
    say!("{name}: {}", verdict(warnings));
    Ok(())
}

/// Loads the scripts, and looks for a configuration with which they let nobody register.
fn check_scripts(file: &FileArguments, configuration: &Configuration) -> Result<(), String> {
    let settings = &configuration.settings.scripts;
    let scripts = load_scripts(configuration)?;
    if let Some(message) = mistakes(configuration, &scripts, false) {
        return Err(message);
    }
    let warnings = warn_of_scripts(&scripts);
    let odd = oddities(&configuration.live, &|hook| scripts.has(hook));
    for (key, reason) in &odd {
        warn(file, key, reason);
    }
    let number = counted(scripts.scripts().len(), "script");
    let folder = settings.directory.display();
    say!("{folder}: {}, {number}", verdict(odd.len() + warnings));
    Ok(())
}

/// Warns of probable mistakes in scripts, and returns their number.
fn warn_of_scripts(scripts: &ScriptSet) -> usize {
    for found in scripts.findings() {
        note!("registrar: warning: {found}");
    }
    scripts.findings().len()
}

/// Returns the summary for a check that found no errors.
fn verdict(warnings: usize) -> String {
    if warnings == 0 {
        "fine".to_owned()
    } else {
        format!("no errors, {}", counted(warnings, "warning"))
    }
}

fn warn(file: &FileArguments, key: &str, reason: &str) {
    note!(
        "registrar: warning: {}: {key}: {reason}",
        config::place(&file.config, key)
    );
}

/// Checks `[store]`, as far as possible without opening the store, and the path of the administrator's
/// credentials.
fn store(file: &FileArguments, settings: &Settings) -> Result<(), String> {
    if let Err(error) = Store::check_settings(&settings.store) {
        return Err(match error {
            StoreError::Setting { key, .. } => {
                format!("{}: {error}", config::place(&file.config, key))
            }
            error => error.to_string(),
        });
    }
    if let Some(folder) = &settings.admin.credentials_file
        && folder.is_dir()
    {
        let key = "admin.credentialsFile";
        let place = config::place(&file.config, key);
        return Err(format!("{place}: {key}: {} is a folder", folder.display()));
    }
    Ok(())
}

/// Warns about listen addresses that this machine does not have, and returns their number. The configuration
/// may be meant for another machine.
fn addresses(file: &FileArguments, settings: &Settings) -> usize {
    let mut foreign = 0;
    for (key, address) in [
        ("server.listen", Some(settings.server.listen)),
        ("admin.listen", settings.admin.listen),
    ] {
        let Some(address) = address else { continue };
        // Whether the port is free is not checked: a server may be running.
        if let Err(error) = TcpListener::bind((address.ip(), 0))
            && error.kind() == ErrorKind::AddrNotAvailable
        {
            let reason = format!("{} is not an address of this machine", address.ip());
            warn(file, key, &reason);
            foreign += 1;
        }
    }
    foreign
}

/// Checks the files of `[server.tls]` and returns the number of warnings about them.
fn tls(file: &FileArguments, settings: &TlsSettings) -> Result<usize, String> {
    let told = |fault: TlsFault| {
        format!(
            "{}: {}: {fault}",
            config::place(&file.config, fault.key),
            fault.key
        )
    };
    let oddities = Tls::check(settings, super::clock().now()).map_err(told)?;
    let count = oddities.len();
    for oddity in oddities {
        note!("registrar: warning: {}", told(oddity));
    }
    Ok(count)
}

/// Returns why nobody can register although the server starts with `live`, as the option and the reason. `has` returns whether any script defines a
/// hook.
fn oddities(live: &Live, has: &dyn Fn(Hook) -> bool) -> Vec<(&'static str, String)> {
    let registration = &live.registration;
    let mut found = Vec::new();
    if let Some(reason) = statements(registration, has) {
        found.push(("registration.softwareStatementRequired", reason));
    }
    if let Some(reason) = requests(registration, has) {
        found.push(("registration.dcrSignatureValidationEnabled", reason));
    }
    if let Some(reason) = evidence(registration, has) {
        found.push(("registration.dcrAttestationEvidenceRequired", reason));
    }
    // An issuer can grant only scopes that clients can have.
    for (issuer, entry) in &registration.trusted_ssa_issuers {
        for name in &entry.automatically_granted_scopes {
            if !live.scopes.iter().any(|scope| scope.defines(name)) {
                let reason = format!(
                    "automaticallyGrantedScopes of {issuer} has '{name}', which is not in [[scopes]]"
                );
                found.push(("registration.trustedSsaIssuers", reason));
            }
        }
    }
    found
}

fn statements(settings: &Registration, has: &dyn Fn(Hook) -> bool) -> Option<String> {
    let by_script = settings.software_statement_validation_type == StatementValidation::Script;
    let has_keys = has(Hook::GetSoftwareStatementJwks) || has(Hook::GetSoftwareStatementHmacSecret);
    if !settings.software_statement_required || !by_script || has_keys {
        return None;
    }
    let reason = "nobody can register: softwareStatementValidationType is script, but no script has \
                  getSoftwareStatementJwks or getSoftwareStatementHmacSecret";
    Some(reason.to_owned())
}

fn requests(settings: &Registration, has: &dyn Fn(Hook) -> bool) -> Option<String> {
    let mut entries = settings.dcr_ssa_validation_configs.iter();
    let has_keys = entries.any(|entry| entry.r#type == SsaValidationType::Dcr)
        || settings.dcr_signature_validation_jwks.is_some()
        || settings.dcr_signature_validation_jwks_uri.is_some()
        || settings.dcr_signature_validation_shared_secret.is_some()
        || settings
            .dcr_signature_validation_software_statement_jwks_uri_claim
            .is_some()
        || settings
            .dcr_signature_validation_software_statement_jwks_claim
            .is_some()
        || has(Hook::GetDcrJwks)
        || has(Hook::GetDcrHmacSecret);
    if !settings.dcr_signature_validation_enabled || has_keys {
        return None;
    }
    let reason = "nobody can register: there are no keys for signed requests; set dcrSignatureValidationJwks \
                  or a similar option, add an entry to dcrSsaValidationConfigs, or define getDcrJwks in a script";
    Some(reason.to_owned())
}

fn evidence(settings: &Registration, has: &dyn Fn(Hook) -> bool) -> Option<String> {
    if !settings.dcr_attestation_evidence_required || has(Hook::VerifyEvidence) {
        return None;
    }
    Some(if has(Hook::CreateClient) {
        "no script has verifyEvidence: nobody can register unless createClient sets context.attestation"
            .to_owned()
    } else {
        "nobody can register: no script has verifyEvidence".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Checks that `registration`, with scripts that have `hooks`, gives the reasons `expected`.
    #[track_caller]
    fn check(registration: &Value, hooks: &[Hook], expected: &[&str]) {
        let live: Live = serde_json::from_value(json!({
            "registration": registration, "scopes": [{"id": "openid"}],
        }))
        .unwrap();
        let said = oddities(&live, &|hook| hooks.contains(&hook));
        assert_eq!(said.len(), expected.len(), "{said:?}");
        for ((key, reason), expected) in said.iter().zip(expected) {
            assert!(
                format!("{key}: {reason}").contains(expected),
                "{key}: {reason}"
            );
        }
    }

    #[test]
    fn keys_must_have_a_source() {
        let required = || json!({"softwareStatementRequired": true});
        check(&json!({}), &[], &[]);
        check(
            &required(),
            &[],
            &["softwareStatementRequired: nobody can register"],
        );
        check(&required(), &[Hook::GetSoftwareStatementJwks], &[]);
        check(
            &json!({"softwareStatementRequired": true, "softwareStatementValidationType": "none"}),
            &[],
            &[],
        );
        let signed =
            |more: &str, value: Value| json!({"dcrSignatureValidationEnabled": true, more: value});
        check(
            &signed("softwareStatementRequired", json!(false)),
            &[Hook::GetSoftwareStatementJwks],
            &["dcrSignatureValidationEnabled: nobody can register"],
        );
        check(
            &signed("softwareStatementRequired", json!(false)),
            &[Hook::GetDcrHmacSecret],
            &[],
        );
        check(
            &signed(
                "dcrSignatureValidationJwksUri",
                json!("https://a.example/jwks"),
            ),
            &[],
            &[],
        );
        let entry = json!([{"id": "a", "type": "DCR", "jwksUri": "https://a.example/jwks"}]);
        check(&signed("dcrSsaValidationConfigs", entry), &[], &[]);
    }

    #[test]
    fn evidence_needs_an_appraiser() {
        let required = || json!({"dcrAttestationEvidenceRequired": true});
        check(
            &required(),
            &[],
            &["nobody can register: no script has verifyEvidence"],
        );
        check(
            &required(),
            &[Hook::CreateClient],
            &["unless createClient sets context.attestation"],
        );
        check(&required(), &[Hook::VerifyEvidence], &[]);
    }

    #[test]
    fn granted_scopes_must_be_defined() {
        let granted =
            json!({"https://a.example": {"automaticallyGrantedScopes": ["openid", "accounts"]}});
        check(
            &json!({"trustedSsaIssuers": granted}),
            &[],
            &["trustedSsaIssuers: automaticallyGrantedScopes of https://a.example has 'accounts'"],
        );
    }
}
