//! Checks for values of `[registration]` with which no client could register.

use crate::config::Registration;
use crate::config::verdict::Verdict;

pub(super) fn check(registration: &Registration, verdict: &mut Verdict) {
    let key = |name: &str| format!("registration.{name}");
    let needed = [
        ("grantTypesSupported", &registration.grant_types_supported),
        (
            "tokenEndpointAuthMethodsSupported",
            &registration.token_endpoint_auth_methods_supported,
        ),
    ];
    for (name, _) in needed.into_iter().filter(|(_, list)| list.is_empty()) {
        verdict.warn(
            &key(name),
            "is empty, so no client can register; leave it unset for the defaults",
        );
    }
    if registration.maximum_token_lifetime == 0 {
        verdict.refuse(&key("maximumTokenLifetime"), "must be 1 or more");
    }
    let periods = [
        (
            "rateLimitRegistrationPeriodInSeconds",
            registration.rate_limit_registration_period_in_seconds,
        ),
        (
            "rateLimitTokenPeriodInSeconds",
            registration.rate_limit_token_period_in_seconds,
        ),
        (
            "rateLimitAuthenticationFailurePeriodInSeconds",
            registration.rate_limit_authentication_failure_period_in_seconds,
        ),
    ];
    for (name, _) in periods.into_iter().filter(|(_, seconds)| *seconds == 0) {
        verdict.refuse(
            &key(name),
            "must be 1 or more; for no limit, set the request or failure count to 0",
        );
    }
}
