//! Tests of attestation results, through one helper.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::ear::{AppraisalExpectations, AppraisalFailure, Check, Tier, judge, jwk_of_text};

const NONCE: &[u8; 32] = b"0123456789abcdef0123456789ABC\xfb\xff\xbe";

fn nonce() -> String {
    URL_SAFE_NO_PAD.encode(NONCE)
}

/// Returns a result of a deployed verifier, in the format of Veraison's Go library.
fn dotted(part: Value) -> Value {
    json!({
        "eat_profile": "tag:github.com,2023:veraison/ear", "iat": 1_700_000_000,
        "ear.verifier-id": {"developer": "acme", "build": "v1"},
        "eat_nonce": URL_SAFE.encode(NONCE),
        "submods": {"PSA_IOT": merged(json!({
            "ear.status": "affirming",
            "ear.trustworthiness-vector": {"instance-identity": 2, "hardware": 2, "executables": 3},
            "ear.appraisal-policy-id": "policy:PSA_IOT",
        }), part)},
    })
}

/// Returns the same result with the names of the current draft.
fn underscored(part: Value) -> Value {
    json!({
        "eat_profile": "tag:ietf.org,2026:rats/ear#03", "iat": 1_700_000_000,
        "ear_verifier_id": {"developer": "acme", "build": "v1"},
        "eat_nonce": STANDARD.encode(NONCE),
        "submods": {"PSA_IOT": merged(json!({
            "ear_status": "affirming",
            "ear_trustworthiness_vector": {"instance_identity": 2, "hardware": 2, "executables": 3},
            "ear_appraisal_policy_ids": ["policy:PSA_IOT"],
        }), part)},
    })
}

/// Returns `base` with the members of `more`. A `null` removes a member.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a table reads better without borrows"
)]
fn merged(mut base: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base.as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    base
}

fn expected(more: Value) -> AppraisalExpectations {
    serde_json::from_value(merged(json!({ "nonce": nonce() }), more)).unwrap()
}

/// Judges `claims`. `expected` is `Ok`, or the failing check and words of its text.
fn check(claims: Value, more: Value, result: Result<(), (Check, &str)>) {
    let claims: Map<String, Value> = serde_json::from_value(claims).unwrap();
    match (judge(&claims, &expected(more)), result) {
        (Ok(found), Ok(())) => assert!(found.status <= Tier::Warning),
        (Err(AppraisalFailure { check, message }), Err((due, words))) => {
            assert_eq!(check, due, "{message}");
            assert!(
                message.contains(words),
                "'{message}' does not contain '{words}'"
            );
            assert!(!message.contains(&nonce()[..20]), "{message}");
        }
        (found, due) => panic!("{claims:?}: {found:?} is not {due:?}"),
    }
}

#[test]
fn both_spellings_are_equivalent() {
    let judged = |claims: Value| {
        let claims: Map<String, Value> = serde_json::from_value(claims).unwrap();
        let mut found = judge(&claims, &expected(json!({}))).unwrap();
        found.profile = None;
        found
    };
    assert_eq!(judged(dotted(json!({}))), judged(underscored(json!({}))));
    let found = serde_json::to_value(judged(dotted(json!({})))).unwrap();
    assert_eq!(found["status"], "affirming");
    assert_eq!(
        found["verifier"],
        json!({"developer": "acme", "build": "v1"})
    );
    assert_eq!(found["policies"], json!(["policy:PSA_IOT"]));
    assert_eq!(
        found["submods"]["PSA_IOT"]["vector"]["instance_identity"],
        2
    );
    check(
        dotted(json!({"ear_status": "affirming"})),
        json!({}),
        Err((Check::Form, "`status` twice")),
    );
}

#[test]
fn the_nonce_is_compared_by_its_bytes() {
    for text in [
        URL_SAFE.encode(NONCE),
        STANDARD.encode(NONCE),
        nonce(),
        "plain?".to_owned(),
    ] {
        let claims = merged(dotted(json!({})), json!({ "eat_nonce": text }));
        let fits = text != "plain?";
        check(
            claims.clone(),
            json!({}),
            if fits {
                Ok(())
            } else {
                Err((Check::Nonce, "another nonce"))
            },
        );
        check(
            merged(claims, json!({"eat_nonce": ["AAAA", text]})),
            json!({"nonce": text}),
            Ok(()),
        );
    }
    for (wrong, words) in [
        (json!(null), "no `eat_nonce`"),
        (json!(5), "not a string"),
        (json!([]), "another"),
    ] {
        let claims = merged(dotted(json!({})), json!({ "eat_nonce": wrong }));
        check(claims.clone(), json!({}), Err((Check::Nonce, words)));
        check(
            claims,
            json!({"nonce": null, "timestampOnly": true}),
            Ok(()),
        );
    }
    check(
        dotted(json!({})),
        json!({ "nonce": null }),
        Err((Check::Expectations, "pass the expected `nonce`")),
    );
}

#[test]
fn every_part_must_have_the_expected_status() {
    let status =
        |status: Value| dotted(json!({"ear.status": status, "ear.trustworthiness-vector": null}));
    let warning = json!({"status": "warning"});
    for good in [json!("affirming"), json!(2)] {
        check(status(good), json!({}), Ok(()));
    }
    for half in [json!("warning"), json!(32)] {
        check(
            status(half.clone()),
            json!({}),
            Err((Check::Status, "PSA_IOT is warning; affirming")),
        );
        check(status(half), warning.clone(), Ok(()));
    }
    for bad in [json!("contraindicated"), json!(96), json!("none"), json!(0)] {
        check(
            status(bad),
            warning.clone(),
            Err((Check::Status, "warning is expected")),
        );
    }
    for unknown in [json!("fine"), json!(7), json!(null), json!([])] {
        check(status(unknown), json!({}), Err((Check::Form, "status")));
    }
    let mut two = dotted(json!({}));
    two["submods"]["gpu0"] = json!({"ear.status": "contraindicated"});
    check(
        two,
        json!({"requiredSubmods": ["PSA_IOT"]}),
        Err((Check::Status, "gpu0")),
    );
    check(
        dotted(json!({})),
        json!({"requiredSubmods": ["cpu0"]}),
        Err((Check::Submodules, "cpu0")),
    );
}

#[test]
fn the_text_of_a_verifier_about_another_nonce_is_recognised() {
    for problem in [
        "freshness: aabb does not match session nonce",
        "Nonce mismatch",
    ] {
        let part = json!({
            "ear.status": "contraindicated", "ear.veraison.policy-claims": {"problem": problem},
            "ear.trustworthiness-vector": {"hardware": 99},
        });
        check(
            dotted(part),
            json!({}),
            Err((Check::Nonce, "PSA_IOT has another nonce")),
        );
    }
    let part =
        json!({"ear.status": 96, "ear.veraison.policy-claims": {"problem": "no trust anchor"}});
    check(
        dotted(part),
        json!({}),
        Err((Check::Status, "contraindicated")),
    );
}

#[test]
fn a_status_is_no_better_than_the_worst_claim() {
    let vector = |vector: Value| dotted(json!({"ear.trustworthiness-vector": vector}));
    for good in [
        json!({}),
        json!({"hardware": 0}),
        json!({"hardware": -1, "executables": 31}),
        json!({"a": 2}),
    ] {
        check(vector(good), json!({}), Ok(()));
    }
    for (value, tier) in [
        (32, "warning"),
        (-96, "warning"),
        (96, "contraindicated"),
        (-128, "contraindicated"),
    ] {
        check(
            vector(json!({"a": 2, "hardware": value})),
            json!({}),
            Err((Check::Trust, tier)),
        );
    }
    for malformed in [
        json!({"hardware": "2"}),
        json!({"hardware": 1.5}),
        json!({"hardware": 128}),
        json!([]),
    ] {
        check(
            vector(malformed),
            json!({}),
            Err((Check::Form, "malformed")),
        );
    }
}

#[test]
fn a_single_claim_may_have_its_own_requirement() {
    let floor = |floor: &str| json!({"claims": {"instance-identity": floor}});
    check(dotted(json!({})), floor("affirming"), Ok(()));
    check(underscored(json!({})), floor("affirming"), Ok(()));
    let silent = dotted(json!({"ear.trustworthiness-vector": {"instance-identity": 0}}));
    check(
        silent,
        floor("warning"),
        Err((Check::Trust, "instance-identity of PSA_IOT is none")),
    );
    let absent = dotted(json!({"ear.trustworthiness-vector": null}));
    check(absent, floor("warning"), Err((Check::Trust, "is none")));
    let half = dotted(
        json!({"ear.status": "warning", "ear.trustworthiness-vector": {"instance-identity": 33}}),
    );
    check(
        half.clone(),
        merged(floor("warning"), json!({"status": "warning"})),
        Ok(()),
    );
    check(
        half,
        merged(floor("affirming"), json!({"status": "warning"})),
        Err((Check::Trust, "is warning")),
    );
}

#[test]
fn verifiers_and_policies_may_be_listed() {
    check(
        dotted(json!({})),
        json!({"verifiers": ["other", "acme"], "policies": ["policy:PSA_IOT"]}),
        Ok(()),
    );
    check(
        dotted(json!({})),
        json!({"verifiers": ["other"]}),
        Err((Check::Verifier, "'acme'")),
    );
    check(
        dotted(json!({})),
        json!({"policies": ["other"]}),
        Err((Check::Policy, "PSA_IOT")),
    );
    let nobody = merged(
        dotted(json!({"ear.appraisal-policy-id": null})),
        json!({"ear.verifier-id": null}),
    );
    check(nobody.clone(), json!({}), Ok(()));
    check(
        nobody.clone(),
        json!({"verifiers": ["acme"]}),
        Err((Check::Verifier, "''")),
    );
    check(
        nobody,
        json!({"policies": ["policy:PSA_IOT"]}),
        Err((Check::Policy, "not appraised against an expected policy")),
    );
    let two = underscored(json!({"ear_appraisal_policy_ids": ["policy:PSA_IOT", "b"]}));
    check(
        two,
        json!({"policies": ["policy:PSA_IOT"]}),
        Err((Check::Policy, "not appraised against an expected policy")),
    );
}

#[test]
fn the_attested_key_must_be_a_key_of_the_client() {
    // The key of RFC 7515 appendix A.3 after the fixed prefix of a P-256 SubjectPublicKeyInfo.
    let (x, y) = (
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    );
    let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let head = octets("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE");
    let der = [head, octets(x), octets(y)].concat();
    let jwk = jwk_of_text(&STANDARD.encode(&der)).unwrap();
    assert_eq!(jwk, json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}));
    assert_eq!(
        jwk_of_text(&URL_SAFE_NO_PAD.encode(&der)),
        Some(jwk.clone())
    );
    let attested = |akpub: Value| dotted(json!({"ear.veraison.key-attestation": {"akpub": akpub}}));
    let bound = |keys: Value| json!({"boundTo": {"keys": keys}});
    let akpub = json!(URL_SAFE_NO_PAD.encode(&der));
    check(
        attested(akpub.clone()),
        bound(json!([{"kty": "RSA"}, jwk])),
        Ok(()),
    );
    check(
        attested(akpub.clone()),
        bound(json!([])),
        Err((Check::Key, "not in the client's jwks")),
    );
    check(attested(akpub), json!({"boundTo": null}), Ok(()));
    check(
        dotted(json!({})),
        bound(json!([jwk])),
        Err((Check::Key, "no key is attested")),
    );
    for unreadable in [json!("AAAA"), json!("?"), json!(5)] {
        check(
            attested(unreadable),
            json!({}),
            Err((Check::Form, "attested key of PSA_IOT")),
        );
    }
}

#[test]
fn anything_but_a_result_is_malformed() {
    for submods in [json!(null), json!({}), json!([]), json!("a")] {
        check(
            merged(dotted(json!({})), json!({ "submods": submods })),
            json!({}),
            Err((Check::Form, "submods")),
        );
    }
    let many: Map<String, Value> = (0..33)
        .map(|at| (at.to_string(), json!({"ear.status": 2})))
        .collect();
    check(
        merged(dotted(json!({})), json!({ "submods": many })),
        json!({}),
        Err((Check::Form, "1 to 32")),
    );
    check(
        merged(dotted(json!({})), json!({"submods": {"a": 5}})),
        json!({}),
        Err((Check::Form, "not an object")),
    );
    check(
        merged(dotted(json!({})), json!({"ear.verifier-id": 5})),
        json!({}),
        Err((Check::Form, "verifier-id")),
    );
    check(
        merged(dotted(json!({})), json!({"unheard.of": [1]})),
        json!({}),
        Ok(()),
    );
}
