//! The domain of Ostiary, and everything in it that security rests on. It knows no endpoint.
//!
//! A request passes [`gateway`] (event in, checked), an endpoint of its own package, [`authorize`] or [`login`] (who
//! may), [`store`] (what is), and leaves through [`error`] or an answer of [`api`].

pub mod access_token;
pub mod access_token_json;
pub mod api;
#[cfg(any(test, feature = "testing"))]
pub mod assurance;
pub mod audit;
pub mod auth_header;
pub mod authorize;
pub mod aws;
mod base62;
pub mod clock;
pub mod concurrent;
pub mod config;
pub mod delivery;
pub mod edge;
pub mod error;
pub mod gateway;
pub mod invocation;
pub mod invoke;
pub mod json;
pub mod jwt;
pub mod keyring;
pub mod lockout;
pub mod log;
pub mod login;
pub mod metrics;
pub mod one_time;
#[cfg(feature = "openapi")]
pub mod openapi;
mod owned;
pub mod password;
pub mod persistent_login;
pub mod profile_access;
pub mod profile_answer;
pub mod profile_api;
pub mod profile_listing;
pub mod profiles;
pub mod random;
pub mod recovery;
pub mod renewal;
pub mod secret;
pub mod source;
pub mod start;
pub mod store;
pub mod tenant;
pub mod tenant_deletion;
pub mod tenant_json;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod ticket;
pub mod user;
