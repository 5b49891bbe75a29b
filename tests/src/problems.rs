//! Every way in which a request can fail, for tests of closed lists.

use shared::access_token::Action;
use shared::config::ConfigError;
use shared::delivery::DeliveryError;
use shared::error::Problem;
use shared::keyring::KeyringError;
use shared::password::pepper::PepperError;
use shared::password::rules::Broken;
use shared::store::StoreError;
use shared::user::UserId;

/// Every [`Problem`]; one that is missing here does not compile.
#[must_use]
pub fn problems() -> Vec<Problem> {
    let exhaustive = |problem: &Problem| match problem {
        Problem::Invalid { .. }
        | Problem::WeakPassword { .. }
        | Problem::MissingParameter(_)
        | Problem::BodyTooLarge
        | Problem::UnsupportedMediaType
        | Problem::NoSuchRoute
        | Problem::AroundEdge
        | Problem::BadCredentials
        | Problem::PasswordExpired
        | Problem::EmailNotVerified
        | Problem::NoSuchOneTime
        | Problem::DisabledProfile(_)
        | Problem::Unauthenticated
        | Problem::NotFromLogin
        | Problem::AccessTokenMissing
        | Problem::AccessTokenUnknown
        | Problem::AccessTokenExpired(_)
        | Problem::ActionDenied { .. }
        | Problem::NotCovered
        | Problem::CannotMint
        | Problem::NoSuchTicket
        | Problem::NoSuchProfile
        | Problem::TicketGone
        | Problem::NoSuchTenant
        | Problem::NoSuchPersistentLogin
        | Problem::NoSuchAccessToken
        | Problem::TenantExists(_)
        | Problem::ProfileExists(_)
        | Problem::AccessTokenExists
        | Problem::InvalidEmail
        | Problem::NotJson { .. }
        | Problem::GlobalActionDenied(_)
        | Problem::NoNewProfiles(_)
        | Problem::Busy
        | Problem::Unfinished
        | Problem::NoSuchAuthHeader
        | Problem::NoSuchSession
        | Problem::UnknownClient
        | Problem::Store(_)
        | Problem::Keys(_)
        | Problem::Pepper(_)
        | Problem::Delivery(_)
        | Problem::Setting(_)
        | Problem::Internal(_) => 44,
    };
    let problems = vec![
        Problem::invalid("x", "y"),
        Problem::WeakPassword { field: "x", broken: Broken::Common },
        Problem::MissingParameter("x"),
        Problem::BodyTooLarge,
        Problem::UnsupportedMediaType,
        Problem::NoSuchRoute,
        Problem::AroundEdge,
        Problem::BadCredentials,
        Problem::PasswordExpired,
        Problem::EmailNotVerified,
        Problem::NoSuchOneTime,
        Problem::DisabledProfile(UserId::nobody("x")),
        Problem::Unauthenticated,
        Problem::NotFromLogin,
        Problem::AccessTokenMissing,
        Problem::AccessTokenUnknown,
        Problem::AccessTokenExpired("x".to_owned()),
        Problem::ActionDenied { action: Action::ReadTenant, tenant: "x".to_owned() },
        Problem::NotCovered,
        Problem::CannotMint,
        Problem::NoSuchTicket,
        Problem::NoSuchProfile,
        Problem::TicketGone,
        Problem::NoSuchTenant,
        Problem::NoSuchPersistentLogin,
        Problem::NoSuchAccessToken,
        Problem::TenantExists("x".to_owned()),
        Problem::ProfileExists("x"),
        Problem::AccessTokenExists,
        Problem::InvalidEmail,
        Problem::NotJson { parameter: "x", rule: "y" },
        Problem::GlobalActionDenied("x"),
        Problem::NoNewProfiles("x".to_owned()),
        Problem::Busy,
        Problem::Unfinished,
        Problem::NoSuchAuthHeader,
        Problem::NoSuchSession,
        Problem::UnknownClient,
        Problem::Store(StoreError::Corrupt { item: "x", attribute: "y" }),
        Problem::Keys(KeyringError::NoneSigns),
        Problem::Pepper(PepperError::NotRead),
        Problem::Delivery(DeliveryError::NotTaken("x".to_owned())),
        Problem::Setting(ConfigError::Missing("X")),
        Problem::Internal("x"),
    ];
    assert!(problems.iter().all(|problem| exhaustive(problem) == problems.len()));
    problems
}
