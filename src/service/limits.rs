//! Rate limits. Each limit has its own options and its own quotas.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::Registration;
use crate::http::{Failures, RateLimit, TooOften};

/// Requests for decisions that each registration allows.
const POLLS: u32 = 10;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Registrations, for each address or each initial access token.
    Registrations,
    /// Challenges for client attestations, for each address; the limit for registrations applies.
    Challenges,
    /// Requests for decisions about registrations that wait, for each address; ten times the limit for registrations
    /// applies.
    Polls,
    /// Access tokens for clients that registered themselves, for each address.
    Tokens,
    /// Failed client authentications, for each address and client.
    Failures,
}

impl Limit {
    /// Returns the option of `[registration]` that sets this limit.
    pub(crate) const fn option(self) -> &'static str {
        match self {
            Self::Registrations | Self::Challenges | Self::Polls => {
                "rateLimitRegistrationRequestCount"
            }
            Self::Tokens => "rateLimitTokenRequestCount",
            Self::Failures => "rateLimitAuthenticationFailureCount",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Registrations => {
                "registrations from this address or with this initial access token"
            }
            Self::Challenges => "requests for challenges from this address",
            Self::Polls => "requests for decisions about registrations from this address",
            Self::Tokens => "requests for access tokens from this address",
            Self::Failures => "failed client authentications from this address",
        }
    }
}

/// A caller exceeded a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    /// The limit.
    pub(crate) limit: Limit,
    /// Seconds until the caller may retry; at least 1.
    pub(crate) retry_after: u64,
}

impl std::error::Error for Limited {}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, option, seconds) = (self.limit.what(), self.limit.option(), self.retry_after);
        let unit = if seconds == 1 { "second" } else { "seconds" };
        write!(
            f,
            "too many {what}: retry in {seconds} {unit}; the operator of this server sets {option}"
        )
    }
}

/// The limits of one configuration, and how much of them is used.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateLimits {
    registrations: Option<Arc<RateLimit>>,
    challenges: Option<Arc<RateLimit>>,
    polls: Option<Arc<RateLimit>>,
    tokens: Option<Arc<RateLimit>>,
    failures: Option<Arc<Failures>>,
}

impl RateLimits {
    /// The limits of `settings`, unused.
    pub(crate) fn new(settings: &Registration) -> Self {
        let limit = |(count, seconds)| RateLimit::new(count, seconds).map(Arc::new);
        let (count, seconds) = failures(settings);
        Self {
            registrations: limit(registrations(settings)),
            challenges: limit(registrations(settings)),
            polls: limit(polls(settings)),
            tokens: limit(tokens(settings)),
            failures: Failures::new(count, seconds).map(Arc::new),
        }
    }

    /// Returns the limits of `after`. The usage of a limit that is the same in `before` is kept.
    #[must_use]
    pub(crate) fn following(&self, before: &Registration, after: &Registration) -> Self {
        let (old, new) = (self.clone(), Self::new(after));
        let is_same = |limit: fn(&Registration) -> (u32, u32)| limit(before) == limit(after);
        let has_same_registrations = is_same(registrations);
        Self {
            registrations: if has_same_registrations {
                old.registrations
            } else {
                new.registrations
            },
            challenges: if has_same_registrations {
                old.challenges
            } else {
                new.challenges
            },
            polls: if has_same_registrations {
                old.polls
            } else {
                new.polls
            },
            tokens: if is_same(tokens) {
                old.tokens
            } else {
                new.tokens
            },
            failures: if is_same(failures) {
                old.failures
            } else {
                new.failures
            },
        }
    }

    /// Counts a registration from `address`.
    ///
    /// # Errors
    /// When the limit is exceeded.
    pub(crate) fn count_registration(&self, address: IpAddr) -> Result<(), Limited> {
        limited(
            Limit::Registrations,
            self.registrations
                .as_ref()
                .map(|limit| limit.check(address)),
        )
    }

    /// Counts a registration with the initial access token `id`.
    ///
    /// # Errors
    /// When the limit is exceeded.
    pub(crate) fn count_registration_with(&self, id: &str) -> Result<(), Limited> {
        limited(
            Limit::Registrations,
            self.registrations
                .as_ref()
                .map(|limit| limit.check_named(id)),
        )
    }

    /// Counts a challenge for `address`.
    ///
    /// # Errors
    /// When the limit is exceeded.
    pub(crate) fn count_challenge(&self, address: IpAddr) -> Result<(), Limited> {
        limited(
            Limit::Challenges,
            self.challenges.as_ref().map(|limit| limit.check(address)),
        )
    }

    /// Counts a request from `address` for a decision about a registration that waits.
    ///
    /// # Errors
    /// When the limit is exceeded.
    pub(crate) fn count_poll(&self, address: IpAddr) -> Result<(), Limited> {
        limited(
            Limit::Polls,
            self.polls.as_ref().map(|limit| limit.check(address)),
        )
    }

    /// Counts an access token for a client at `address`.
    ///
    /// # Errors
    /// When the limit is exceeded.
    pub(crate) fn count_token(&self, address: IpAddr) -> Result<(), Limited> {
        limited(
            Limit::Tokens,
            self.tokens.as_ref().map(|limit| limit.check(address)),
        )
    }

    /// Checks whether the caller at `address` may authenticate as `client`, without counting. Meant for
    /// proofs whose verification is expensive.
    ///
    /// # Errors
    /// When too many attempts have failed.
    pub(crate) fn check_failures(&self, address: IpAddr, client: &str) -> Result<(), Limited> {
        limited(
            Limit::Failures,
            self.failures
                .as_ref()
                .map(|limit| limit.check(address, client)),
        )
    }

    /// Counts a failed attempt of the caller at `address` to authenticate as `client`.
    ///
    /// # Errors
    /// When too many attempts had already failed.
    pub(crate) fn count_failure(&self, address: IpAddr, client: &str) -> Result<(), Limited> {
        limited(
            Limit::Failures,
            self.failures
                .as_ref()
                .map(|limit| limit.count(address, client)),
        )
    }
}

/// Returns the number of requests, and the period in seconds.
fn registrations(settings: &Registration) -> (u32, u32) {
    let count = settings.rate_limit_registration_request_count.unwrap_or(0);
    (count, settings.rate_limit_registration_period_in_seconds)
}

/// A client that waits asks again and again, so that its quota is larger.
fn polls(settings: &Registration) -> (u32, u32) {
    let (count, seconds) = registrations(settings);
    (count.saturating_mul(POLLS), seconds)
}

fn tokens(settings: &Registration) -> (u32, u32) {
    (
        settings.rate_limit_token_request_count.unwrap_or(0),
        settings.rate_limit_token_period_in_seconds,
    )
}

fn failures(settings: &Registration) -> (u32, u32) {
    let count = settings
        .rate_limit_authentication_failure_count
        .unwrap_or(0);
    (
        count,
        settings.rate_limit_authentication_failure_period_in_seconds,
    )
}

fn limited(limit: Limit, checked: Option<Result<(), TooOften>>) -> Result<(), Limited> {
    let Some(Err(TooOften { retry_after })) = checked else {
        return Ok(());
    };
    Err(Limited { limit, retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(count: u32) -> Registration {
        Registration {
            rate_limit_registration_request_count: Some(count),
            rate_limit_token_request_count: Some(count),
            rate_limit_authentication_failure_count: Some(count),
            ..Registration::default()
        }
    }

    /// Tries one more request of an address on each limit.
    fn one_more(limits: &RateLimits) -> [Option<Limit>; 4] {
        let address = IpAddr::from([192, 0, 2, 1]);
        let said = |counted: Result<(), Limited>| counted.err().map(|limited| limited.limit);
        [
            said(limits.count_registration(address)),
            said(limits.count_challenge(address)),
            said(limits.count_token(address)),
            said(limits.count_failure(address, "a")),
        ]
    }

    #[test]
    fn each_limit_has_its_own_quota() {
        let limits = RateLimits::new(&settings(1));
        let all = [
            Limit::Registrations,
            Limit::Challenges,
            Limit::Tokens,
            Limit::Failures,
        ]
        .map(Some);
        assert_eq!(one_more(&limits), [None; 4]);
        assert_eq!(one_more(&limits), all);
        assert_eq!(limits.count_registration_with("a token"), Ok(()));
    }

    #[test]
    fn the_use_of_a_limit_is_reset_only_when_that_limit_changes() {
        let (before, mut after) = (settings(1), settings(1));
        let limits = RateLimits::new(&before);
        one_more(&limits);
        after.rate_limit_token_request_count = Some(2);
        let next = limits.following(&before, &after);
        let expected = [
            Some(Limit::Registrations),
            Some(Limit::Challenges),
            None,
            Some(Limit::Failures),
        ];
        assert_eq!(one_more(&next), expected);
    }

    #[test]
    fn a_number_of_0_or_none_disables_the_limit() {
        let absent = Registration {
            rate_limit_registration_request_count: None,
            rate_limit_authentication_failure_count: None,
            ..Registration::default()
        };
        for limits in [RateLimits::new(&settings(0)), RateLimits::new(&absent)] {
            for _ in 0..2_000 {
                assert_eq!(one_more(&limits), [None; 4]);
            }
        }
    }

    #[test]
    fn the_error_says_when_to_retry_and_names_the_option() {
        let said = Limited {
            limit: Limit::Failures,
            retry_after: 1,
        }
        .to_string();
        let expected = "too many failed client authentications from this address: retry in 1 second; the \
                        operator of this server sets rateLimitAuthenticationFailureCount";
        assert_eq!(said, expected);
    }
}
