use super::*;

#[test]
fn every_member_is_found_by_its_unique_name() {
    for member in MEMBERS {
        assert!(
            std::ptr::eq(find(member.name).unwrap(), member),
            "duplicate member {}",
            member.name
        );
    }
}

#[test]
fn few_members_share_a_slot() {
    let mut slots: Vec<usize> = MEMBERS.iter().map(|member| slot(member.name)).collect();
    slots.sort_unstable();
    slots.dedup();
    let shared = MEMBERS.len() - slots.len();
    assert!(
        shared * 10 < MEMBERS.len(),
        "{shared}: choose other factors"
    );
}

#[test]
fn members_named_uri_are_urls() {
    // The client's name in its certificate.
    let is_name = |name: &str| name == "tls_client_auth_san_uri";
    let is_called = |name: &str| {
        let parts = ["_uri", "_uris", "_url", "_urls", "_endpoint", "_origins"];
        parts.iter().any(|end| name.ends_with(end)) && !is_name(name)
    };
    for member in MEMBERS {
        assert_eq!(
            member.kind.leads_somewhere(),
            is_called(member.name),
            "{}",
            member.name
        );
    }
}

#[test]
fn only_human_readable_members_have_a_language() {
    assert_eq!(find("client_name#ja").unwrap().name, "client_name");
    assert!(find("redirect_uris#ja").is_none());
    assert!(find("no_such_member").is_none());
}
