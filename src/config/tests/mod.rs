use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::*;

mod client_documents;
mod patch;
mod scopes;
mod upstream_registration;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name)
}

fn read(
    text: &str,
    environment: &[(&str, &str)],
    overrides: &[(&str, &str)],
) -> Result<Configuration, String> {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("r.toml");
    std::fs::write(&file, text).unwrap();
    let pairs = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|&(key, value)| (key.into(), value.into()))
            .collect()
    };
    let sources = Sources {
        file: Some(file),
        environment: pairs(environment),
        overrides: pairs(overrides),
        ..Sources::default()
    };
    load(&sources).map_err(|errors| {
        errors
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

/// Checks every line of the errors of `text`.
fn check(text: &str, expected: &[&str]) {
    let errors = read(text, &[], &[]).expect_err("it is rejected");
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_error_names_its_line_and_the_valid_values() {
    check(
        "[server]\nlisten = ",
        &["r.toml:2:10: string values must be quoted, expected literal string"],
    );
    check(
        "[registration]\ngrantTypeSupported = []\n",
        &[
            "r.toml:2:1: registration.grantTypeSupported: unknown key; did you mean `grantTypesSupported`?",
        ],
    );
    check(
        "[nothing]\nx = 1\n",
        &["r.toml:1:2: nothing: unknown key; see config/registrar.toml for all keys"],
    );
    check(
        "[registration]\n  dynamicRegistrationEnabled = \"yes\"\n",
        &["r.toml:2:3: registration.dynamicRegistrationEnabled: \
           must be true or false; the default is true"],
    );
    check(
        "[registration]\nsoftwareStatementValidationType = \"magic\"\n",
        &["r.toml:2:1: registration.softwareStatementValidationType: \
           `magic` is not one of none, script, builtin, jwks, jwks_uri; the default is \"script\""],
    );
    check(
        "[limits]\nbodyBytes = 0\n",
        &["r.toml:2:1: limits.bodyBytes: must be 1 or more"],
    );
}

#[test]
fn all_errors_are_reported_together() {
    let text = "[server]\nlisten = \"here\"\n[limits]\nbodyBytes = -1\nconections = 5\n";
    let errors = read(
        text,
        &[("REGISTRAR_STORE__CACHE", "1")],
        &[("server.lissten", "x")],
    )
    .unwrap_err();
    for part in [
        "server.listen",
        "limits.bodyBytes",
        "did you mean `connections`",
        "REGISTRAR_STORE__CACHE: store.CACHE",
        "did you mean `listen`",
    ] {
        assert!(errors.contains(part), "{errors} does not contain {part}");
    }
    assert_eq!(errors.lines().count(), 5);
}

#[test]
fn every_wrong_value_is_reported_once_in_order_and_where_it_is_set() {
    let text = "[registration]\nnativeAllowHttps = 1\n[server]\nlisten = \"here\"\nlissten = 1\n\
                [scripts.secrets]\na = { enf = \"A\" }\n[[scopes]]\nname = \"a\"\n[[scopes]]\nname = \"b\"\n";
    let variables = [
        // A higher layer does not hide what is wrong below it.
        ("REGISTRAR_SERVER__LISTEN", "127.0.0.1:1"),
        ("REGISTRAR_LIMITS__REQUESTS", "many"),
        ("REGISTRAR_SCRIPTS__SECRETS__B__ENF", "B"),
    ];
    let errors = read(text, &variables, &[("server.listen", "there")]).unwrap_err();
    let begins = [
        "r.toml:2:1: registration.nativeAllowHttps: ",
        "r.toml:4:1: server.listen: ",
        "r.toml:5:1: server.lissten: ",
        "r.toml:6:10: scripts.secrets: ",
        "r.toml:8:1: scopes[0]: ",
        "REGISTRAR_LIMITS__REQUESTS: limits.requests: ",
        "REGISTRAR_SCRIPTS__SECRETS__B__ENF: scripts.secrets.B.ENF: ",
        "flag for server.listen: server.listen: ",
    ];
    assert_eq!(errors.lines().count(), begins.len(), "{errors}");
    for (line, begin) in errors.lines().zip(begins) {
        assert!(line.starts_with(begin), "{line} does not begin {begin}");
    }
}

#[test]
fn another_patch_needs_no_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("r.toml");
    std::fs::write(&file, "[registration]\nclientExpiryGrace = 1\n").unwrap();
    let layers = Layers::read(&Sources {
        file: Some(file),
        ..Sources::default()
    });
    folder.close().unwrap();
    for grace in [5, 6] {
        let patch = Patch::from(serde_json::json!({"registration.clientExpiryGrace": grace}));
        let configuration = layers.configuration(&patch).unwrap();
        assert_eq!(configuration.live.registration.client_expiry_grace, grace);
        assert_eq!(configuration.base.registration.client_expiry_grace, 1);
    }
}

#[test]
fn contradicting_options_are_rejected() {
    check(
        "[registration]\ndefaultSubjectType = \"pairwise\"\nsubjectTypesSupported = [\"public\"]\n",
        &["r.toml:2:1: registration.defaultSubjectType: must be one of subjectTypesSupported"],
    );
    check(
        "[registration]\nresponseTypesSupported = [\"code\", \"id_token\"]\n",
        &[
            "r.toml:2:1: registration.responseTypesSupported: 'id_token' needs the grant type implicit in grantTypesSupported",
        ],
    );
    for (key, value) in [
        ("dynamicRegistrationExpirationTime", "-5"),
        ("maximumClientLifetime", "0"),
        ("rateLimitRegistrationPeriodInSeconds", "0"),
        ("rateLimitTokenPeriodInSeconds", "0"),
        ("rateLimitAuthenticationFailurePeriodInSeconds", "0"),
    ] {
        let errors = read(&format!("[registration]\n{key} = {value}\n"), &[], &[]).unwrap_err();
        assert!(
            errors.starts_with(&format!("r.toml:2:1: registration.{key}: must be")),
            "{errors}"
        );
    }
    for url in ["mysql:x", "sled:", "fjall:", "memory:x", ""] {
        let errors = read(&format!("[store]\nurl = \"{url}\"\n"), &[], &[]).unwrap_err();
        assert_eq!(
            errors,
            "r.toml:2:1: store.url: must be sled:FOLDER, fjall:FOLDER, postgres://..., or memory: (for tests)"
        );
    }
    check(
        "[server]\nissuer = \"https://as.example.org//\"\n",
        &["r.toml:2:1: server.issuer: must not end with more than one slash"],
    );
    check(
        "[registration]\nsoftwareStatementValidationType = \"JWKS\"\n",
        &["registration.softwareStatementValidationClaimName: \
           is missing: softwareStatementValidationType takes the keys from this claim"],
    );
    check(
        "[[scopes]]\nid = \"a\"\n[[scopes]]\nid = \"a\"\n",
        &["r.toml:1:3: scopes[1].id: 'a' is a duplicate; each id must be unique"],
    );
    check(
        "[[scopes]]\nid = \"a\"\n[[scopes]]\nname = \"b\"\n",
        &[
            "r.toml:3:1: scopes[1]: unknown field `name`, expected one of `id`, `pattern`, `description`, `default`, `claims`",
        ],
    );
}

#[test]
fn outgoing_requests_are_limited_and_development_options_cause_warnings() {
    check(
        "[fetch]\nallowedHosts = [\"https://a.example\"]\n",
        &[
            "r.toml:2:1: fetch.allowedHosts: 'https://a.example' is not a host such as keys.example.org, \
           keys.example.org:8443 or *.example.org; the default is []",
        ],
    );
    check(
        "[fetch]\nconcurrent = 0\n",
        &["r.toml:2:1: fetch.concurrent: must be 1 or more"],
    );
    check(
        "[fetch]\nkeysMaximumSeconds = 59\n",
        &["r.toml:2:1: fetch.keysMaximumSeconds: must not be less than keysMinimumSeconds"],
    );
    let text = "[fetch]\nallowHttp = true\nallowPrivateAddresses = true\nallowedHosts = [\"*.a.example\"]\n";
    let configuration = read(text, &[], &[]).unwrap();
    assert!(configuration.settings.fetch.lists("x.a.example", 443));
    let [http, addresses] = &configuration.warnings[..] else {
        panic!("{:?}", configuration.warnings)
    };
    assert!(
        http.contains("r.toml:2:1: fetch.allowHttp: is for development only"),
        "{http}"
    );
    assert!(
        addresses.contains("r.toml:3:1: fetch.allowPrivateAddresses: is for development only"),
        "{addresses}"
    );
}

#[test]
fn the_limits_of_scripts_are_checked_too() {
    check(
        "[scripts.limits]\nwaiting = 500\n",
        &["r.toml:2:1: scripts.limits.waiting: plus scripts.limits.concurrent must not exceed 400"],
    );
    check(
        "[scripts.limits]\nhttpCalls = 0\n",
        &["r.toml:2:1: scripts.limits.httpCalls: must be 1 or more"],
    );
    check(
        "[scripts]\nremovalQuietMs = 3600001\n",
        &["r.toml:2:1: scripts.removalQuietMs: must not exceed 3600000 (one hour)"],
    );
    check(
        "[scripts]\nretryPausesMs = [9000000]\n",
        &[
            "r.toml:2:1: scripts.retryPausesMs: must have at most 8 items, each at most 3600000 (one hour)",
        ],
    );
    let errors = read("[scripts.secrets]\na = { enf = \"A\" }\n", &[], &[]).unwrap_err();
    assert!(
        errors.contains("scripts.secrets") && errors.contains("a: must be `env` or `file`"),
        "{errors}"
    );
    let right = "[scripts.secrets]\na = { env = \"A\" }\nb = { file = \"b.txt\" }\n";
    assert_eq!(
        read(right, &[], &[])
            .unwrap()
            .settings
            .scripts
            .secrets
            .len(),
        2
    );
}

#[test]
fn later_layers_take_precedence_and_are_recorded() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n[limits]\nbodyBytes = 1000\n[store]\nurl = \"sled:a\"\n";
    let environment = [
        ("REGISTRAR_SERVER__LISTEN", "127.0.0.1:2"),
        ("REGISTRAR_LIMITS__BODY_BYTES", "2000"),
        (
            "REGISTRAR_REGISTRATION__GRANTTYPESSUPPORTED",
            "[\"authorization_code\"]",
        ),
        ("REGISTRAR_URL", "not a section, not ours"),
        ("PATH", "/bin"),
    ];
    let configuration = read(file, &environment, &[("server.listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(configuration.settings.server.listen.port(), 3);
    assert_eq!(configuration.settings.limits.body_bytes, 2_000);
    assert_eq!(configuration.settings.store.url.expose(), "sled:a");
    assert_eq!(
        configuration.live.registration.grant_types_supported,
        ["authorization_code"]
    );
    let origin = |key: &str| configuration.origins.get(key).copied();
    assert_eq!(origin("server.listen"), Some(Origin::Flag));
    assert_eq!(origin("limits.bodyBytes"), Some(Origin::Environment));
    assert_eq!(origin("store.url"), Some(Origin::File));
    assert_eq!(origin("limits.connections"), None);
}

#[test]
fn free_form_tables_accept_any_keys() {
    let text = "[discovery]\nauthorization_endpoint = \"https://as.example.org/a\"\n[scripts.attributes.deep]\nx = [1, {y = 2}]\n\
                [registration.trustedSsaIssuers.\"https://trusted.example.org\"]\nautomaticallyGrantedScopes = [\"a\"]\n";
    let configuration = read(text, &[], &[]).unwrap();
    assert_eq!(
        configuration.settings.discovery["authorization_endpoint"],
        "https://as.example.org/a"
    );
    assert_eq!(
        configuration.settings.scripts.attributes["deep"]["x"][1]["y"],
        2
    );
    assert!(
        configuration
            .live
            .registration
            .trusted_ssa_issuers
            .contains_key("https://trusted.example.org")
    );
}

#[test]
fn the_upstream_must_be_another_server() {
    for upstream in [
        "1",
        "\"as\"",
        "\"ftp://as.example.org\"",
        "\"https://u@as.example.org\"",
        "\"https://a.example/?x\"",
    ] {
        check(
            &format!("[discovery]\nupstream = {upstream}\n"),
            &[
                "r.toml:1:2: discovery.upstream: must be the URL of an authorization server, such as https://as.example.org",
            ],
        );
    }
    let same = "[server]\nissuer = \"https://a.example\"\n[discovery]\nupstream = \"https://a.example/\"\n";
    let errors = read(same, &[], &[]).unwrap_err();
    assert!(
        errors.contains("r.toml:3:2: discovery.upstream: is the URL of this server"),
        "{errors}"
    );
    let variable = ("REGISTRAR_DISCOVERY__UPSTREAM", "https://as.example.org");
    assert_eq!(
        read("", &[variable], &[]).unwrap().settings.upstream(),
        Some("https://as.example.org")
    );
    let other = read("[discovery]\nupstream = \"http://10.0.0.1\"\n", &[], &[]).unwrap();
    assert_eq!(other.settings.upstream(), Some("http://10.0.0.1"));
    assert!(
        other
            .warnings
            .iter()
            .any(|warning| warning.contains("discovery.upstream")),
        "{:?}",
        other.warnings
    );
}

#[test]
fn a_redirect_uri_that_no_client_can_register_is_a_warning() {
    let warnings = |list: &str| {
        let text = format!("[registration]\nredirectUriAllowList = [{list}]\n");
        read(&text, &[], &[]).unwrap().warnings
    };
    for pattern in [
        "http://app.internal/cb",
        "HTTP://app.internal:8080/*",
        "http://10.0.0.1/cb",
    ] {
        let [warning] = &warnings(&format!("\"{pattern}\""))[..] else {
            panic!("{pattern}")
        };
        let words =
            format!("'{pattern}' allows no redirect URI: http is allowed only on localhost");
        assert!(warning.contains(&words), "{warning}");
    }
    let fine = r#""http://localhost/cb", "http://127.0.0.1/*", "http://[::1]/cb", "https://a.example/*", "*.example", "a.b:*""#;
    assert_eq!(warnings(fine), [""; 0]);
}

#[test]
fn both_of_janssens_spellings_are_accepted() {
    let text = "[[registration.dcrSsaValidationConfigs]]\nid = \"1\"\ntype = \"ssa\"\njwks_uri = \"https://a.example.org/jwks\"\n\
                allowed_claims = [\"a\"]\nissuers = [\"A\"]\n[registration]\nsoftwareStatementValidationType = \"BUILTIN\"\n";
    let configuration = read(text, &[], &[]).unwrap();
    let entry = &configuration.live.registration.dcr_ssa_validation_configs[0];
    assert_eq!(entry.allowed_claims.as_deref(), Some(&["a".to_owned()][..]));
    assert_eq!(
        entry.jwks_uri.as_deref(),
        Some("https://a.example.org/jwks")
    );
}

#[test]
fn a_secret_is_not_shown() {
    let text = "[registration]\ndcrSignatureValidationSharedSecret = \"do-not-show\"\n";
    let configuration = read(text, &[], &[]).unwrap();
    let shown = format!(
        "{configuration:?} {}",
        serde_json::to_string(&configuration.live).unwrap()
    );
    assert!(!shown.contains("do-not-show"));
}

#[test]
fn the_shipped_configuration_loads_without_a_warning() {
    for name in ["registrar.toml", "janssen.toml"] {
        let configuration = load(&Sources {
            file: Some(shipped(name)),
            ..Sources::default()
        })
        .unwrap();
        assert_eq!(configuration.warnings, [""; 0], "{name}");
    }
}

#[test]
fn the_shipped_file_has_every_option_with_its_default_and_a_comment() {
    let configuration = load(&Sources {
        file: Some(shipped("registrar.toml")),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(configuration.settings, Settings::default());
    assert_eq!(configuration.live, Live::default());
    let text = std::fs::read_to_string(shipped("registrar.toml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut values = serde_json::to_value(Settings::default()).unwrap();
    values["registration"] = serde_json::to_value(Registration::default()).unwrap();
    for (section, value) in values.as_object().unwrap() {
        each(section, value, &mut |section, key| {
            let from = lines
                .iter()
                .position(|line| *line == format!("[{section}]"));
            let from = from.unwrap_or_else(|| panic!("[{section}] is missing"));
            let is_key = |line: &&str| {
                line.trim_start_matches("# ")
                    .starts_with(&format!("{key} = "))
            };
            let at = lines[from..].iter().position(is_key).map(|at| at + from);
            let at = at.unwrap_or_else(|| panic!("{section}.{key} is missing"));
            assert!(
                lines[at - 1].starts_with("# "),
                "{section}.{key} has no comment"
            );
        });
    }
}

#[test]
fn a_file_without_scopes_has_those_of_openid_and_others_only_their_own() {
    let ids = |text: &str| {
        let scopes = read(text, &[], &[]).unwrap().live.scopes;
        scopes.into_iter().map(|scope| scope.id).collect::<Vec<_>>()
    };
    let openid = [
        "openid",
        "profile",
        "email",
        "address",
        "phone",
        "offline_access",
    ];
    assert_eq!(ids(""), openid);
    assert_eq!(ids("[registration]\ntrustedClientEnabled = true\n"), openid);
    assert_eq!(ids("[[scopes]]\nid = \"a\"\n"), ["a"]);
    assert_eq!(ids("scopes = []\n[server]\n"), [""; 0]);
    let profile = &Live::default().scopes[1];
    assert!(
        profile.claims.iter().any(|claim| claim == "given_name") && profile.description.is_some()
    );
}

/// Visits every option below `value`, with its section.
fn each(section: &str, value: &Value, visit: &mut impl FnMut(&str, &str)) {
    for (key, value) in value.as_object().unwrap() {
        let is_option_table = [
            "trustedSsaIssuers",
            "dynamicRegistrationDefaultCustomAttributes",
        ]
        .contains(&key.as_str());
        match value {
            Value::Object(inner) if inner.is_empty() && !is_option_table => {}
            Value::Object(inner) if !inner.is_empty() => {
                each(&format!("{section}.{key}"), value, visit);
            }
            _ => visit(section, key),
        }
    }
}
