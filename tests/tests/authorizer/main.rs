//! The authorizer: every kind of API, every kind of credential, good, ended, forged and malformed, in both modes.

mod ask;
mod contexts;
mod hostile;
mod samples;
mod verdicts;
