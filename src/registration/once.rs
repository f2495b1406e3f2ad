//! What may register one client only: signed requests, and statements where the operator says so.
//!
//! A use is stored together with the client, so a request that is refused costs none.

use super::signed_request::SignedRequest;
use super::statement::Statement;
use super::{Purpose, RegisterError};
use crate::clock::Timestamp;
use crate::model::{ErrorCode, Violation};
use crate::service::Context;
use crate::store::Change;
use crate::store::single_use::UsedOnce;

/// Seconds for which something is remembered that does not say when it ends. Whoever sends it
/// again after that registers one more client, and nothing else.
const REMEMBERED: u64 = 365 * 24 * 60 * 60;

/// Seconds after its end for which a token is still taken, since clocks differ.
const SKEW: u64 = 60;

/// One thing that is used by this request.
pub(super) struct Use {
    what: UsedOnce,
    identifier: Vec<String>,
    until: Timestamp,
}

/// What `purpose` uses up.
pub(super) fn uses(
    cx: &Context<'_>,
    purpose: Purpose<'_>,
    statement: Option<&Statement>,
    signed: Option<&SignedRequest>,
) -> Vec<Use> {
    let now = cx.service.clock.now();
    let is_single = cx.settings().software_statement_single_use;
    // The client that a statement registered may show it again.
    let is_own = |statement: &Statement| match purpose {
        Purpose::Create => false,
        Purpose::Replace(stored) => {
            stored.client().metadata.metadata().text("software_statement") == Some(&statement.text)
        }
    };
    let statement = statement.filter(|statement| is_single && !is_own(statement));
    let statement =
        statement.map(|statement| Use::new(UsedOnce::Statement, (&statement.claims, &statement.text), now));
    let signed = signed.map(|signed| Use::new(UsedOnce::SignedRequest, (&signed.claims, &signed.token), now));
    statement.into_iter().chain(signed).collect()
}

/// The change that uses all of `uses` up.
///
/// # Errors
/// When one was used before.
pub(super) async fn change(cx: &Context<'_>, uses: &[Use]) -> Result<Change, RegisterError> {
    let mut change = Change::default();
    for one in uses {
        let parts: Vec<&str> = one.identifier.iter().map(String::as_str).collect();
        let (store, now) = (&cx.service.store.single_use, cx.service.clock.now());
        match store.one_use(one.what, &parts, one.until, now).await? {
            Some(use_up) => change = change.and(use_up),
            None => return Err(one.used()),
        }
    }
    Ok(change)
}

impl Use {
    /// The use of a token: by its `iss` and `jti`, or by itself when it has none.
    fn new(
        what: UsedOnce,
        (claims, text): (&serde_json::Map<String, serde_json::Value>, &str),
        now: Timestamp,
    ) -> Self {
        let claim = |name: &str| claims.get(name).and_then(serde_json::Value::as_str);
        let identifier = match claim("jti") {
            Some(jti) => vec![claim("iss").unwrap_or_default().to_owned(), jti.to_owned()],
            None => vec![text.to_owned()],
        };
        let ends = claims.get("exp").and_then(serde_json::Value::as_u64).map(Timestamp::from_unix);
        let until = ends.map_or(now.plus(REMEMBERED), |end| end.plus(SKEW + 1));
        Self { what, identifier, until: until.max(now.plus(1)) }
    }

    fn used(&self) -> RegisterError {
        let (code, member, rule) = match self.what {
            UsedOnce::Statement => (
                ErrorCode::UnapprovedSoftwareStatement,
                "software_statement",
                "has registered a client already; each registration needs a statement of its own",
            ),
            _ => (
                ErrorCode::InvalidClientMetadata,
                "jti",
                "was used already; sign each request anew, with a jti of its own",
            ),
        };
        RegisterError::Unproven(Violation { code, member: member.to_owned(), rule: rule.to_owned() })
    }
}
