//! Unknown members are ignored (RFC 7591 section 2). If a request is rejected anyway, the error names those that seem to be
//! misspelled: their absence is often the reason.

use crate::client::{
    IgnoredMember, SetBy, rules::Metadata, rules::Violation, rules::member, rules::violation,
};
use crate::config::nearest;

/// Returns `found` with a hint for each of the `ignored` members that seems to mean a member that was not `sent`.
pub(super) fn hinted(
    ignored: &[IgnoredMember],
    sent: &Metadata,
    mut found: Vec<Violation>,
) -> Vec<Violation> {
    for one in ignored {
        if let Some(rule) = hint(one, sent) {
            found.push(violation(&one.name, rule));
        }
    }
    found
}

fn hint(ignored: &IgnoredMember, sent: &Metadata) -> Option<String> {
    if ignored.has_metadata {
        let rule =
            "is unknown and ignored; send the members in it as members of the request itself";
        return Some(rule.to_owned());
    }
    let known = member::MEMBERS.iter().map(|member| member.name);
    let meant = nearest(&ignored.name, known)?;
    let set_by = member::find(meant).map(|member| member.set_by);
    if sent.has(meant) || !matches!(set_by, Some(SetBy::Client | SetBy::Request)) {
        return None;
    }
    Some(format!("is unknown and ignored; did you mean {meant}?"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::rules::testing::check;

    #[test]
    fn a_misspelled_member_is_named_if_the_request_is_rejected() {
        let missing = "redirect_uris: must contain at least one URI";
        for name in [
            "redirect_uri",
            "redirectUris",
            "redirect_urls",
            "Redirect-URIs",
        ] {
            let client = json!({"redirect_uris": null, name: ["https://a.example/cb"]});
            let hint = format!("{name}: did you mean redirect_uris?");
            check(client, Err(&[missing, &hint]));
        }
        let inner =
            json!({"redirect_uris": null, "client": {"redirect_uris": ["https://a.example/cb"]}});
        check(inner, Err(&[missing, "client: send the members in it"]));
    }

    #[test]
    fn other_unknown_members_cause_no_hint() {
        let native =
            json!({"redirect_uri": "https://a.example/cb", "client": {"client_name": "x"}});
        check(native, Ok(json!({"redirect_uri": null, "client": null})));
        // It was sent, it is no member of a client, it is nothing like one, or its name is too long to compare.
        for name in [
            "redirect_uri",
            "client_idd",
            "x",
            "https://example.org/x",
            &"x".repeat(129),
        ] {
            let client = json!({"client_name": 5, name: "y"});
            check(client, Err(&["client_name: a string"]));
        }
    }
}
