//! Lists of clients.

use futures_util::TryStreamExt;
use serde_json::{Value, json};

use super::{TestPlace, at, client, id, on_every_backend};
use crate::client::TrustLevel;
use crate::store::{Change, ClientFilter, Indexed, Store, transfer::Existing};

on_every_backend!(
    pages_follow_each_other,
    filters_select_clients,
    clients_are_found_by_their_registration_and_their_use,
    software_is_found_whatever_its_digest_ends_in,
    a_search_is_limited,
    an_export_has_all_clients,
);

async fn fill(store: &Store, clients: impl IntoIterator<Item = (String, Value)>) {
    let all: Vec<_> = clients
        .into_iter()
        .map(|(name, members)| client(&name, members))
        .collect();
    for batch in all.chunks(500) {
        store
            .clients
            .import(batch, Existing::Replace, |_| Ok(Change::default()))
            .await
            .unwrap();
    }
}

/// Returns the identifiers of all clients that match `filter`, in pages of `limit`, and the number of
/// pages.
async fn list(store: &Store, filter: &ClientFilter, limit: usize) -> (Vec<String>, usize) {
    let (mut after, mut names, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = store
            .clients
            .list(filter, after.as_ref(), limit)
            .await
            .unwrap();
        pages += 1;
        assert!(page.clients.len() <= limit);
        names.extend(
            page.clients
                .into_iter()
                .map(|stored| stored.into_client().id.to_string()),
        );
        let Some(next) = page.next else {
            return (names, pages);
        };
        after = Some(next);
    }
}

async fn pages_follow_each_other(TestPlace { store, .. }: TestPlace) {
    fill(
        &store,
        (0..25).map(|turn| (format!("p{turn:02}"), json!({}))),
    )
    .await;
    let all: Vec<String> = (0..25).map(|turn| format!("p{turn:02}")).collect();
    for limit in [1, 10, 25, 100] {
        assert_eq!(list(&store, &ClientFilter::default(), limit).await.0, all);
    }
    let page = store
        .clients
        .list(&ClientFilter::default(), Some(&id("p23")), 10)
        .await
        .unwrap();
    assert_eq!(page.clients.len(), 1);
    assert_eq!(page.next, None);
}

async fn filters_select_clients(TestPlace { store, .. }: TestPlace) {
    let mtls = json!({"trust_level": "mtls"});
    let members = [
        (
            "a1",
            json!({"issued_at": 10, "metadata": {"client_name": "Grün", "software_id": "s"}}),
        ),
        (
            "a2",
            json!({"issued_at": 20, "expires_at": 50, "metadata": {"software_id": "s"}}),
        ),
        (
            "b1",
            json!({"issued_at": 30, "metadata": {"client_name#de": "Grünspan"}, "provenance": mtls}),
        ),
        (
            "b2",
            json!({"issued_at": 40, "expires_at": 90, "metadata": {"software_id": "t"}}),
        ),
    ];
    fill(
        &store,
        members.map(|(name, members)| (name.to_owned(), members)),
    )
    .await;
    let none = ClientFilter::default;
    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (none(), &["a1", "a2", "b1", "b2"][..]),
        (
            ClientFilter {
                client_id_prefix: text("b"),
                ..none()
            },
            &["b1", "b2"],
        ),
        (
            ClientFilter {
                software_id: text("s"),
                ..none()
            },
            &["a1", "a2"],
        ),
        (
            ClientFilter {
                software_id: text("s"),
                client_id_prefix: text("a2"),
                ..none()
            },
            &["a2"],
        ),
        (
            ClientFilter {
                software_id: text("u"),
                ..none()
            },
            &[],
        ),
        (
            ClientFilter {
                client_name_contains: text("GRÜN"),
                ..none()
            },
            &["a1", "b1"],
        ),
        (
            ClientFilter {
                trust_level: Some(TrustLevel::Mtls),
                ..none()
            },
            &["b1"],
        ),
        (
            ClientFilter {
                issued_from: Some(at(20)),
                issued_before: Some(at(40)),
                ..none()
            },
            &["a2", "b1"],
        ),
        (
            ClientFilter {
                expires_before: Some(at(90)),
                ..none()
            },
            &["a2"],
        ),
    ] {
        for limit in [1, 10] {
            assert_eq!(list(&store, &filter, limit).await.0, expected, "{filter:?}");
        }
    }
}

async fn clients_are_found_by_their_registration_and_their_use(TestPlace { store, .. }: TestPlace) {
    let version = |version: &str| json!({"trust_level": "open", "configuration": "", "script_version": version});
    let from =
        |address: &str| json!({"trust_level": "open", "configuration": "", "address": address});
    let proven = json!({
        "trust_level": "statement", "configuration": "", "initial_access_token": "t1",
        "statement": {"iss": "https://issuer.example"},
    });
    let members = [
        (
            "a",
            json!({"provenance": from("192.0.2.7"), "last_used_at": 20}),
        ),
        (
            "b",
            json!({"provenance": from("198.51.100.7"), "last_used_at": 40}),
        ),
        (
            "c",
            json!({"provenance": from("2001:db8::7"), "metadata": {"disabled": true}}),
        ),
        ("d", json!({"provenance": proven})),
        (
            "e",
            json!({"provenance": version("v1"), "metadata": {"disabled": false}}),
        ),
    ];
    let members = members.map(|(name, members)| (name.to_owned(), members));
    fill(&store, members).await;
    for (parameters, expected) in [
        (&[("address", "192.0.2.7")][..], &["a"][..]),
        (&[("address", "192.0.2.0/24")], &["a"]),
        (&[("address", "0.0.0.0/0")], &["a", "b"]),
        (&[("address", "2001:db8::/32")], &["c"]),
        (&[("address", "::ffff:192.0.2.7")], &["a"]),
        (&[("initial_access_token", "t1")], &["d"]),
        (&[("statement_iss", "https://issuer.example")], &["d"]),
        (&[("statement_iss", "https://issuer.exampl")], &[]),
        (&[("script_version", "v1")], &["e"]),
        (&[("disabled", "true")], &["c"]),
        (&[("disabled", "false")], &["a", "b", "d", "e"]),
        (&[("used_from", "40")], &["b"]),
        (&[("used_before", "40")], &["a"]),
        (&[("never_used", "true")], &["c", "d", "e"]),
        (&[("never_used", "false")], &["a", "b"]),
        (
            &[("never_used", "true"), ("disabled", "false")],
            &["d", "e"],
        ),
    ] {
        let value = |name| parameters.iter().find(|(known, _)| *known == name);
        let filter = ClientFilter::read(at(0), |name| {
            value(name).map(|(_, text)| (*text).to_owned())
        });
        let filter = filter.expect("a filter");
        assert_eq!(list(&store, &filter, 10).await.0, expected, "{filter:?}");
    }
}

async fn software_is_found_whatever_its_digest_ends_in(TestPlace { store, .. }: TestPlace) {
    // The digests of the first two end in byte 255, which has no successor.
    let software = ["app-267", "software-222", "app-1"];
    let members = |id: &str| json!({"metadata": {"software_id": id}});
    let each = software.iter().zip('a'..);
    let all =
        each.flat_map(|(id, name)| (1..=3).map(move |turn| (format!("{name}{turn}"), members(id))));
    fill(&store, all).await;
    for (id, name) in software.iter().zip('a'..) {
        let names: Vec<String> = (1..=3).map(|turn| format!("{name}{turn}")).collect();
        let filter = ClientFilter {
            software_id: Some((*id).to_owned()),
            ..ClientFilter::default()
        };
        for limit in [1, 10] {
            assert_eq!(list(&store, &filter, limit).await.0, names, "{id}");
        }
        let second = ClientFilter {
            client_id_prefix: Some(names[1].clone()),
            ..filter
        };
        assert_eq!(list(&store, &second, 10).await.0, names[1..2], "{id}");
        assert_eq!(
            store
                .clients
                .having(Indexed::SoftwareId(id), 10)
                .await
                .unwrap()
                .len(),
            3,
            "{id}"
        );
    }
}

async fn a_search_is_limited(TestPlace { store, .. }: TestPlace) {
    let is_last = |turn: u32| json!({"metadata": {"client_name": if turn == 4_499 { "last" } else { "other" }}});
    fill(
        &store,
        (0..4_500).map(|turn| (format!("p{turn:04}"), is_last(turn))),
    )
    .await;
    let filter = ClientFilter {
        client_name_contains: Some("last".to_owned()),
        ..ClientFilter::default()
    };
    assert_eq!(
        list(&store, &filter, 10).await,
        (vec!["p4499".to_owned()], 3)
    );
}

async fn an_export_has_all_clients(TestPlace { store, .. }: TestPlace) {
    fill(
        &store,
        (0..25).map(|turn| (format!("p{turn:02}"), json!({}))),
    )
    .await;
    let pages: Vec<_> = store.clients.pages(10).try_collect().await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    let names: Vec<_> = pages
        .iter()
        .flatten()
        .map(|stored| stored.client().id.to_string())
        .collect();
    assert_eq!(
        names,
        (0..25)
            .map(|turn| format!("p{turn:02}"))
            .collect::<Vec<_>>()
    );
}
