//! Initial access tokens.

use serde_json::json;

use super::{TestPlace, at, client, on_every_backend, race};
use crate::base::{Secret, Timestamp};
use crate::client::InitialAccessPolicy;
use crate::store::{
    Change, Store, StoreError, expiring::initial_access_tokens::InitialAccess,
    expiring::initial_access_tokens::InitialAccessToken,
};

on_every_backend!(
    a_token_is_found_by_itself_and_its_identifier,
    a_token_is_not_stored_in_plain_text,
    of_many_last_uses_one_succeeds,
    many_uses_do_not_conflict,
    a_failed_registration_costs_no_use,
    a_revoked_token_registers_nobody,
    tokens_are_listed,
    an_expired_token_leaves_nothing_behind,
);

fn grant(uses: Option<u64>, expires_at: Option<u64>) -> InitialAccess {
    InitialAccess {
        note: Some("for the shop".to_owned()),
        uses,
        expires_at: expires_at.map(Timestamp::from_unix),
        created_at: at(1),
        policy: InitialAccessPolicy {
            scopes: Some(vec!["openid".to_owned()]),
            ..InitialAccessPolicy::default()
        },
    }
}

async fn create(store: &Store, token: &str, grant: InitialAccess) -> String {
    let token = Secret::new(token.to_owned());
    store
        .initial_access_tokens
        .create(&token, grant, Change::default())
        .await
        .unwrap()
}

/// Registers a client of this name with `token`, as it was found before.
async fn register(store: &Store, name: &str, token: &str) -> Result<(), StoreError> {
    let found = store
        .initial_access_tokens
        .find_by_token(token, at(1))
        .await?;
    let found = found.ok_or(StoreError::Conflict)?;
    let one_use = store.initial_access_tokens.one_use(&found);
    store
        .clients
        .insert(&client(name, json!({})), one_use)
        .await
}

/// Returns how many of 20 clients, registered at the same time, succeed.
async fn register_many(store: &Store, token: &str) -> usize {
    let outcomes = race(20, |turn| {
        let (store, token) = (store.clone(), token.to_owned());
        async move { register(&store, &format!("c{turn}"), &token).await }
    })
    .await;
    let others = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(StoreError::Conflict)))
        .count();
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count() + others,
        20
    );
    20 - others
}

async fn a_token_is_found_by_itself_and_its_identifier(TestPlace { store, .. }: TestPlace) {
    let tokens = &store.initial_access_tokens;
    let name = create(&store, "t", grant(Some(2), Some(100))).await;
    let found = tokens.find_by_token("t", at(99)).await.unwrap().unwrap();
    assert_eq!(
        (found.id(), found.used(), found.uses_left()),
        (name.clone(), 0, Some(2))
    );
    assert_eq!(found.grant(), &grant(Some(2), Some(100)));
    assert!(tokens.find_by_token("t", at(100)).await.unwrap().is_none());
    assert!(tokens.find_by_token("u", at(1)).await.unwrap().is_none());
    assert_eq!(
        tokens.find(&name, at(99)).await.unwrap().unwrap().id(),
        name
    );
    assert!(tokens.find(&name, at(100)).await.unwrap().is_none());
    for wrong in [
        "",
        &name[1..],
        &name.to_uppercase(),
        &format!("{name}0"),
        &"z".repeat(32),
        &"0".repeat(32),
    ] {
        assert!(
            tokens.find(wrong, at(1)).await.unwrap().is_none(),
            "{wrong}"
        );
    }
}

async fn a_token_is_not_stored_in_plain_text(place: TestPlace) {
    create(&place.store, "token-in-clear", grant(None, None)).await;
    place.expect_nowhere("token-in-clear").await;
}

async fn of_many_last_uses_one_succeeds(TestPlace { store, .. }: TestPlace) {
    create(&store, "t", grant(Some(1), None)).await;
    assert_eq!(register_many(&store, "t").await, 1);
    assert_eq!(store.clients.count_all().await.unwrap(), 1);
    assert!(
        store
            .initial_access_tokens
            .find_by_token("t", at(1))
            .await
            .unwrap()
            .is_none()
    );
}

async fn many_uses_do_not_conflict(TestPlace { store, .. }: TestPlace) {
    let limited = create(&store, "t", grant(Some(20), None)).await;
    assert_eq!(register_many(&store, "t").await, 20);
    let left = store
        .initial_access_tokens
        .find(&limited, at(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (left.used(), left.uses_left()),
        (20, Some(0)),
        "a token that is used up still exists"
    );
    let any = create(&store, "any", grant(None, None)).await;
    for name in ["a", "b"] {
        register(&store, name, "any").await.unwrap();
    }
    let found = store
        .initial_access_tokens
        .find(&any, at(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.used(), found.uses_left()), (2, None));
}

async fn a_failed_registration_costs_no_use(TestPlace { store, .. }: TestPlace) {
    create(&store, "t", grant(Some(2), None)).await;
    register(&store, "one", "t").await.unwrap();
    assert!(
        register(&store, "one", "t").await.is_err(),
        "the client exists already"
    );
    let found = store
        .initial_access_tokens
        .find_by_token("t", at(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.uses_left(), Some(1));
}

async fn a_revoked_token_registers_nobody(place: TestPlace) {
    let tokens = &place.store.initial_access_tokens;
    let name = create(&place.store, "t", grant(Some(5), None)).await;
    register(&place.store, "one", "t").await.unwrap();
    let held = tokens.find_by_token("t", at(1)).await.unwrap().unwrap();
    assert!(
        tokens
            .revoke(&name, at(1), Change::default())
            .await
            .unwrap()
    );
    assert!(
        !tokens
            .revoke(&name, at(1), Change::default())
            .await
            .unwrap()
    );
    assert!(tokens.find_by_token("t", at(1)).await.unwrap().is_none());
    let late = place
        .store
        .clients
        .insert(&client("two", json!({})), tokens.one_use(&held))
        .await;
    assert!(matches!(late, Err(StoreError::Conflict)));
    let one = place
        .store
        .clients
        .find(&super::id("one"))
        .await
        .unwrap()
        .unwrap();
    place
        .store
        .clients
        .remove(&one, Change::default())
        .await
        .unwrap();
    place.expect_empty().await;
}

async fn tokens_are_listed(TestPlace { store, .. }: TestPlace) {
    let mut names = Vec::new();
    for turn in 0..25 {
        names.push(create(&store, &format!("t{turn}"), grant(Some(turn), None)).await);
    }
    names.sort();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store
            .initial_access_tokens
            .page(after.as_deref(), 10)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id());
        seen.extend(page.iter().map(InitialAccessToken::id));
    }
    assert_eq!(seen, names);
}

async fn an_expired_token_leaves_nothing_behind(place: TestPlace) {
    create(&place.store, "t", grant(Some(5), Some(100))).await;
    register(&place.store, "one", "t").await.unwrap();
    let one = place
        .store
        .clients
        .find(&super::id("one"))
        .await
        .unwrap()
        .unwrap();
    place
        .store
        .clients
        .remove(&one, Change::default())
        .await
        .unwrap();
    assert_eq!(place.store.sweep(at(99), 10).await.unwrap(), 0);
    assert_eq!(place.store.sweep(at(100), 10).await.unwrap(), 1);
    place.expect_empty().await;
}
