//! Why a command was not carried out, and the exit code that says so.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use shared::audit::Outcome;
use shared::store::StoreError;
use shared::tenant_deletion::DeletionError;

/// Why a command was not carried out. No text of it holds a secret.
#[derive(Debug)]
pub enum Failure {
    /// What is stored does not allow it: exists already, is not there.
    Refused {
        /// The argument that it is about.
        field: Option<&'static str>,
        /// The reason.
        message: String,
    },
    /// An argument or what was typed breaks a rule.
    Invalid {
        /// Which.
        field: &'static str,
        /// The rule, as a predicate.
        rule: String,
    },
    /// The settings don't lead to a stack, or AWS does not take them.
    Setup(String),
    /// Nobody knows: an outage, or something stored that makes no sense.
    Outage(String),
}

impl Failure {
    /// A refusal that is about one argument.
    pub fn refused(field: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { field: Some(field), message: message.into() }
    }

    /// An argument that breaks a rule.
    pub fn invalid(field: &'static str, rule: impl Into<String>) -> Self {
        Self::Invalid { field, rule: rule.into() }
    }

    /// Tells an outage from settings that AWS does not take: only the first is worth another try.
    pub fn of_aws(doing: &str, error: &(dyn Error + 'static)) -> Self {
        const REFUSED: [&str; 8] = [
            "AccessDenied",
            "UnrecognizedClient",
            "InvalidSignature",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "MissingAuthenticationToken",
        ];
        let text = format!("{doing}: {}", chain(error));
        if causes(error).any(<dyn Error>::is::<CredentialsError>) {
            return Self::Setup(format!("no AWS credentials could be had ({text})"));
        }
        if REFUSED.iter().any(|code| text.contains(code)) {
            return Self::Setup(format!("AWS does not let you ({text})"));
        }
        if text.contains("ResourceNotFoundException") {
            return Self::Setup(format!("the stack isn't there: wrong region, account or names? ({text})"));
        }
        Self::Outage(text)
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } => 1,
            Self::Invalid { .. } | Self::Setup(_) => 2,
            Self::Outage(_) => 3,
        }
    }

    /// How the audit trail calls it: the outcome, and one of a closed list of reasons.
    pub fn audited(&self) -> (Outcome, &'static str) {
        match self {
            Self::Refused { .. } => (Outcome::Refused, "conflict"),
            Self::Invalid { .. } => (Outcome::Refused, "invalid_input"),
            Self::Setup(_) => (Outcome::Refused, "settings"),
            Self::Outage(_) => (Outcome::Failed, "outage"),
        }
    }

    /// The argument that it is about.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Refused { field, .. } => *field,
            Self::Invalid { field, .. } => Some(field),
            Self::Setup(_) | Self::Outage(_) => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { message, .. } | Self::Setup(message) | Self::Outage(message) => f.write_str(message),
            Self::Invalid { field, rule } => write!(f, "{field} {rule}"),
        }
    }
}

impl From<DeletionError> for Failure {
    fn from(error: DeletionError) -> Self {
        match error {
            DeletionError::Store(error) => error.into(),
            busy @ DeletionError::Busy { .. } => Self::Outage(format!("{busy}: run it again")),
            died @ DeletionError::Died(_) => Self::Outage(chain(&died)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable { operation, source } => Self::of_aws(operation, &**source),
            StoreError::Corrupt { .. } => Self::Outage(error.to_string()),
            StoreError::Newer { .. } => Self::Setup(format!("{error}: use the tool of the version that is deployed")),
        }
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error with its causes on one line, each said once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        if !parts.iter().any(|said| said.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Cause(&'static str, Option<Box<Self>>);

    impl std::fmt::Display for Cause {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Cause {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    fn caused_by(cause: &'static str) -> Cause {
        Cause("service error", Some(Box::new(Cause(cause, None))))
    }

    #[test]
    fn only_an_outage_is_worth_another_try() {
        for (cause, code) in [
            ("tcp connect error: Connection refused", 3),
            ("unhandled error (ThrottlingException)", 3),
            ("unhandled error (AccessDeniedException)", 2),
            ("ResourceNotFoundException: no such table", 2),
        ] {
            assert_eq!(Failure::of_aws("Query", &caused_by(cause)).exit_code(), code, "{cause}");
        }
        let error = Cause("dispatch failure", None);
        assert_eq!(Failure::of_aws("Query", &error).to_string(), "Query: dispatch failure");
    }

    #[test]
    fn a_repeated_cause_is_said_once() {
        let error = Cause("refused: closed", Some(Box::new(Cause("closed", None))));
        assert_eq!(chain(&error), "refused: closed");
    }
}
