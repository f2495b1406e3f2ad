//! The layer of the patch, paths, and origins.

use serde_json::{Value, json};

use super::{check, shipped};
use crate::config::{patch::fixed_by, patch::live_keys, *};

fn patched(patch: Value, environment: &[(&str, &str)]) -> Result<Configuration, String> {
    let Value::Object(patch) = patch else {
        panic!("a patch is an object")
    };
    let environment = environment
        .iter()
        .map(|&(key, value)| (key.into(), value.into()))
        .collect();
    let file = Some(shipped("registrar.toml"));
    let sources = Sources {
        file,
        patch: Patch(patch),
        environment,
        ..Sources::default()
    };
    load(&sources).map_err(|errors| errors.to_string())
}

#[test]
fn a_patch_overrides_the_file_but_not_the_environment() {
    let patch = json!({
        "registration.dynamicRegistrationEnabled": false,
        "registration.clientExpiryGrace": 7,
        "registration.maximumClientLifetime": null,
        "scopes": [{"id": "a"}],
    });
    let environment = [("REGISTRAR_REGISTRATION__CLIENT_EXPIRY_GRACE", "9")];
    let configuration = patched(patch, &environment).unwrap();
    let registration = &configuration.live.registration;
    assert!(!registration.dynamic_registration_enabled);
    assert_eq!(registration.client_expiry_grace, 9);
    assert_eq!(configuration.live.scopes.len(), 1);
    let origin = |key: &str| configuration.origins.get(key).copied();
    assert_eq!(
        origin("registration.dynamicRegistrationEnabled"),
        Some(Origin::Patch)
    );
    assert_eq!(
        origin("registration.clientExpiryGrace"),
        Some(Origin::Environment)
    );
    assert_eq!(origin("scopes"), Some(Origin::Patch));
    assert_eq!(
        origin("registration.defaultSubjectType"),
        Some(Origin::File)
    );
    assert!(configuration.base.registration.dynamic_registration_enabled);
    assert_eq!(configuration.base.registration.client_expiry_grace, 0);
    assert_eq!(configuration.base.scopes.len(), 6);
}

#[test]
fn an_error_in_a_patch_is_reported_like_one_in_the_file() {
    let fails = |patch: Value, expected: &str| {
        assert_eq!(patched(patch, &[]).expect_err("it is rejected"), expected);
    };
    fails(
        json!({"registration.dynamicRegistrationEnabled": "yes"}),
        "patch: registration.dynamicRegistrationEnabled: \
         must be true or false; the default is true",
    );
    fails(
        json!({"registration.grantTypeSupported": []}),
        "patch: registration.grantTypeSupported: unknown key; did you mean `grantTypesSupported`?",
    );
    fails(
        json!({"scopes": [{"id": "a"}, {"id": "a"}]}),
        "patch: scopes[1].id: 'a' is a duplicate; each id must be unique",
    );
    fails(
        json!({"server.listen": "127.0.0.1:1"}),
        "patch: server.listen: cannot be patched: it needs a restart; set it in the file",
    );
    fails(
        json!({"registration.dcrSignatureValidationSharedSecret": 12_345}),
        "patch: registration.dcrSignatureValidationSharedSecret: must be a string: it is a secret",
    );
}

#[test]
fn a_higher_layer_fixes_an_option() {
    let environment = [
        ("REGISTRAR_REGISTRATION__DEFAULT_SUBJECT_TYPE", "pairwise"),
        ("REGISTRAR_REGISTRATION__TRUSTED_SSA_ISSUERS__X", "{}"),
    ];
    let configuration =
        patched(json!({"registration.clientExpiryGrace": 7}), &environment).unwrap();
    let fixed = |name: &str| fixed_by(&configuration.origins, &format!("registration.{name}"));
    assert_eq!(fixed("defaultSubjectType"), Some(Origin::Environment));
    assert_eq!(
        fixed("trustedSsaIssuers"),
        Some(Origin::Environment),
        "a part of it is set"
    );
    assert_eq!(fixed("clientExpiryGrace"), None);
    assert_eq!(
        fixed("default"),
        None,
        "a key with the same prefix is a different key"
    );
}

#[test]
fn every_option_has_an_origin() {
    let configuration = patched(json!({"registration.clientExpiryGrace": 7}), &[]).unwrap();
    let all = all_origins(&configuration.origins);
    for key in live_keys() {
        assert!(all.contains_key(&key), "{key}");
    }
    assert_eq!(
        all.get("registration.clientExpiryGrace"),
        Some(&Origin::Patch)
    );
    assert_eq!(
        all.get("registration.maximumClientLifetime"),
        Some(&Origin::Default)
    );
    assert_eq!(all.get("server.paths.token"), Some(&Origin::File));
    assert_eq!(all.get("admin.listen"), Some(&Origin::Default));
    assert_eq!(all.get("registration"), None, "a table is not an option");
}

#[test]
fn an_embedding_program_keeps_its_configuration() {
    let mut made = patched(json!({}), &[]).unwrap();
    made.live.registration.client_expiry_grace = 5;
    made.settings.limits.body_bytes = 1_000;
    let sources = Sources::default().or_embedded(&made);
    let again = load(&sources).unwrap();
    assert_eq!((&again.live, &again.settings), (&made.live, &made.settings));
    let patch = Patch(
        [("registration.clientExpiryGrace".to_owned(), 6.into())]
            .into_iter()
            .collect(),
    );
    let again = load(&Sources { patch, ..sources }).unwrap();
    assert_eq!(again.live.registration.client_expiry_grace, 6);
    assert_eq!(again.base.registration.client_expiry_grace, 5);
    let file = Some(shipped("registrar.toml"));
    assert!(
        Sources {
            file,
            ..Sources::default()
        }
        .or_embedded(&made)
        .embedded
        .is_none()
    );
}

#[test]
fn paths_must_be_valid_and_different() {
    let clash = "[server.paths]\ntoken = \"/register\"\n";
    check(
        clash,
        &[
            "r.toml:2:1: server.paths.token: is the same as server.paths.registration; choose another path",
        ],
    );
    for path in [
        "register", "/", "/a/", "/a//b", "/a/../b", "/{id}", "/a b", "/\u{e4}",
    ] {
        check(
            &format!("[server.paths]\ntoken = \"{path}\"\n"),
            &["r.toml:2:1: server.paths.token: is not a valid path; use a path such as /register"],
        );
    }
    for (name, path) in [
        ("jwks", "/.well-known/jwks"),
        ("token", "/admin/v1/config"),
        ("config", "/admin/v1/clients"),
    ] {
        let errors =
            super::read(&format!("[server.paths]\n{name} = \"{path}\"\n"), &[], &[]).unwrap_err();
        assert!(
            errors.contains("is reserved; choose another path"),
            "{path}: {errors}"
        );
    }
    check(
        "[admin.scopes]\nconfigWrite = \"a b\"\n",
        &[
            "r.toml:2:1: admin.scopes.configWrite: must be visible ASCII without quotes and backslashes",
        ],
    );
}

#[test]
fn entries_of_issuers_need_unique_names() {
    let entry = "[[registration.dcrSsaValidationConfigs]]\nid = \"a\"\ntype = \"SSA\"\njwksUri = \"https://a.example.org\"\n";
    check(
        &format!("{entry}{entry}"),
        &[
            "r.toml:1:16: registration.dcrSsaValidationConfigs[1].id: 'a' is a duplicate; each id must be unique",
        ],
    );
}
