//! The helper for all tests of the rules.

use serde_json::{Map, Value, json};

use crate::base::{ErrorCode, Violation};
use crate::client::{InitialAccessPolicy, Metadata, Requested, rules::Rules};
use crate::config::{FetchSettings, Limits, Registration, Scope};

/// Checks `sent` against the rules with the default settings; see [`check_with`].
pub(super) fn check(sent: Value, expected: Result<Value, &[&str]>) {
    check_with(&Registration::default(), sent, expected);
}

/// Checks `sent` in addition to one valid redirect URI. A `null` removes that URI.
///
/// `expected` is either members of the valid metadata, with `null` for a member that must be
/// absent, or all violations in any order, each as `member: words of the rule`.
pub(super) fn check_with(settings: &Registration, sent: Value, expected: Result<Value, &[&str]>) {
    check_sent(None, settings, sent, expected);
}

/// Checks as [`check_with`] does, for a client with an initial access token with this policy.
pub(super) fn check_within(
    policy: &InitialAccessPolicy,
    settings: &Registration,
    sent: Value,
    expected: Result<Value, &[&str]>,
) {
    check_sent(Some(policy), settings, sent, expected);
}

fn check_sent(
    initial_access: Option<&InitialAccessPolicy>,
    settings: &Registration,
    sent: Value,
    expected: Result<Value, &[&str]>,
) {
    let mut request = Map::from_iter([(
        "redirect_uris".to_owned(),
        json!(["https://client.example/cb"]),
    )]);
    request.extend(object(sent));
    let requested = Requested::read(request, &settings.dynamic_registration_custom_attributes);
    let limits = Limits::default();
    let fetch = FetchSettings::default();
    let rules = Rules {
        settings,
        scopes: &scopes(),
        limits: &limits,
        fetch: &fetch,
        initial_access,
        registered: None,
        is_certified: false,
        document: None,
    };
    let result = rules
        .validate(requested)
        .map(|valid| valid.metadata().clone());
    compare(result, expected);
}

/// Runs `work` with the rules of the default settings, for a client with a token with this policy.
pub(super) fn with_rules(policy: &InitialAccessPolicy, work: impl FnOnce(&Rules<'_>)) {
    work(&Rules {
        settings: &Registration::default(),
        scopes: &scopes(),
        limits: &Limits::default(),
        fetch: &FetchSettings::default(),
        initial_access: Some(policy),
        registered: None,
        is_certified: false,
        document: None,
    });
}

/// Returns `base` with the members of `more`.
pub(super) fn with(base: Value, more: &Value) -> Value {
    let mut members = object(base);
    members.extend(object(more.clone()));
    members.into()
}

/// Returns settings under which a client may be pairwise.
pub(super) fn pairwise() -> Registration {
    let subject_types_supported = vec!["public".to_owned(), "pairwise".to_owned()];
    Registration {
        subject_types_supported,
        ..Registration::default()
    }
}

/// Checks the result of a script against the rules for changed metadata. `expected` is as in
/// [`check_with`].
pub(super) fn check_changed(
    settings: &Registration,
    changed: Value,
    expected: Result<Value, &[&str]>,
) {
    let limits = Limits::default();
    let fetch = FetchSettings::default();
    let rules = Rules {
        settings,
        scopes: &scopes(),
        limits: &limits,
        fetch: &fetch,
        initial_access: None,
        registered: None,
        is_certified: false,
        document: None,
    };
    let result = rules.validate_changed(Metadata::new(object(changed)));
    compare(result.map(|valid| valid.metadata().clone()), expected);
}

/// Returns the scopes of every test.
pub(super) fn scopes() -> Vec<Scope> {
    let scope = |id: &str, default| {
        let (pattern, description) = (None, None);
        Scope {
            id: id.to_owned(),
            pattern,
            description,
            default,
            claims: Vec::new(),
        }
    };
    vec![
        scope("openid", true),
        scope("profile", false),
        scope("email", false),
    ]
}

fn compare(result: Result<Metadata, Vec<Violation>>, expected: Result<Value, &[&str]>) {
    match (result, expected) {
        (Ok(metadata), Ok(members)) => {
            for (name, value) in object(members) {
                let registered = metadata.get(&name).unwrap_or(&Value::Null);
                assert_eq!(registered, &value, "{name}");
            }
        }
        (Err(found), Err(expected)) => {
            let all_expected = expected
                .iter()
                .all(|expected| found.iter().any(|one| is(one, expected)));
            assert!(
                all_expected && found.len() == expected.len(),
                "{found:#?}\nis not\n{expected:#?}"
            );
        }
        (result, expected) => panic!("{result:#?}\nis not\n{expected:#?}"),
    }
}

fn is(violation: &Violation, expected: &str) -> bool {
    let (member, words) = expected.split_once(": ").unwrap();
    let code = if member.starts_with("redirect_uris") && !member.starts_with("redirect_uris_regex")
    {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    };
    violation.member == member && violation.code == code && violation.rule.contains(words)
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else {
        panic!("a test sends an object")
    };
    members
}
