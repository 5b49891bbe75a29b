//! The ARN of the method that was called, and the stage that it names.

/// A stage of an API, as the beginning of the ARNs of all its methods: `arn:aws:execute-api:…:<api>/<stage>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage(String);

impl Stage {
    /// Reads the stage out of a method's ARN; `None` unless each part is of the alphabet that AWS makes it of. A policy
    /// is written from it, where `*`, `?` and `$` have a meaning, so nothing else may pass.
    #[must_use]
    pub fn of_method(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition) = (parts.next()?, parts.next()?);
        let (service, region, account) = (parts.next()?, parts.next()?, parts.next()?);
        let mut path = parts.next()?.splitn(4, '/');
        let (api, stage, method) = (path.next()?, path.next()?, path.next()?);
        let name =
            |text: &str| is_of(text, 32, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let valid = scheme == "arn"
            && name(partition)
            && service == "execute-api"
            && name(region)
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && is_of(api, 32, |byte| byte.is_ascii_alphanumeric())
            && (stage == "$default" || is_of(stage, 128, word))
            && !method.is_empty();
        valid.then(|| Self(format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}")))
    }

    /// Every method of the stage, for a policy.
    #[must_use]
    pub fn every_method(&self) -> String {
        format!("{}/*", self.0)
    }
}

fn is_of(text: &str, longest: usize, alphabet: impl Fn(u8) -> bool) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(alphabet)
}

#[cfg(test)]
mod tests {
    use super::Stage;

    #[test]
    fn a_stage_is_the_api_s_own_and_whole() {
        for (arn, expected) in [
            (
                "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/prod/GET/orders/7",
                "arn:aws:execute-api:eu-central-1:123456789012:abcde12345/prod/*",
            ),
            (
                "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abcde12345/$default/POST/",
                "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abcde12345/$default/*",
            ),
            (
                "arn:aws:execute-api:us-east-1:123456789012:abcde12345/v_1-x/$connect",
                "arn:aws:execute-api:us-east-1:123456789012:abcde12345/v_1-x/*",
            ),
            (
                "arn:aws:execute-api:us-east-1:123456789012:abcde12345/prod/GET/a:b/*/../?",
                "arn:aws:execute-api:us-east-1:123456789012:abcde12345/prod/*",
            ),
        ] {
            assert_eq!(Stage::of_method(arn).unwrap().every_method(), expected);
        }
    }

    #[test]
    fn what_would_widen_a_policy_is_no_stage() {
        for arn in [
            "",
            "*",
            "arn:aws:execute-api:us-east-1:123456789012:abcde12345",
            "arn:aws:execute-api:us-east-1:123456789012:abcde12345/prod",
            "arn:aws:execute-api:us-east-1:123456789012:abcde12345/prod/",
            "arn:aws:execute-api:us-east-1:123456789012:*/prod/GET/",
            "arn:aws:execute-api:us-east-1:123456789012:abcde12345/*/GET/",
            "arn:aws:execute-api:us-east-1:123456789012:abcde12345/pr?d/GET/",
            "arn:aws:execute-api:us-east-1:123456789012:abcde12345/${aws:username}/GET/",
            "arn:aws:execute-api:us-east-1:123456789012:abcde12345//GET/",
            "arn:aws:execute-api:us-east-1:123456789012:/prod/GET/",
            "arn:aws:execute-api:*:123456789012:abcde12345/prod/GET/",
            "arn:aws:execute-api:us-east-1:*:abcde12345/prod/GET/",
            "arn:aws:execute-api:us-east-1:12345678901:abcde12345/prod/GET/",
            "arn:aws:execute-api:us-east-1:١٢٣٤٥٦:abcde12345/prod/GET/",
            "arn:*:execute-api:us-east-1:123456789012:abcde12345/prod/GET/",
            "arn:aws:lambda:us-east-1:123456789012:abcde12345/prod/GET/",
            "ARN:aws:execute-api:us-east-1:123456789012:abcde12345/prod/GET/",
            " arn:aws:execute-api:us-east-1:123456789012:abcde12345/prod/GET/",
        ] {
            assert_eq!(Stage::of_method(arn), None, "{arn}");
        }
    }
}
