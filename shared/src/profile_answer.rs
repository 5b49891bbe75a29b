//! What the endpoints that answer profiles have in common: a request that may say which attributes it wants, and names
//! the profile or not, and the profile as it is shown.

use std::collections::BTreeSet;

use crate::access_token::Action;
pub use crate::api::ProfileAnswer;
use crate::authorize::{ACCESS_TOKEN_PARAMETER, Presented};
use crate::error::Problem;
use crate::gateway::{Parameters, Request, Response};
use crate::profile_api::ProfileApi;
use crate::profiles;
use crate::store::{Administration, Store};
use crate::user::{Attributes, Email, User};

/// The parameters, each repeatable, by which a client says which attributes it wants: both spellings are in use.
pub const ATTRIBUTES_TO_RETURN: [&str; 2] = ["attributeToReturn", "attributesToReturn"];

/// Stands for no attribute at all.
const NONE: &str = "$none";

/// Which attributes of a profile a client wants to see.
pub enum WantedAttributes {
    /// All that there are.
    All,
    /// Those of these names, as far as there are such.
    Only(BTreeSet<String>),
}

impl WantedAttributes {
    /// Reads [`ATTRIBUTES_TO_RETURN`], which have to be among the lists of `parameters`.
    pub fn of(parameters: &Parameters) -> Result<Self, Problem> {
        const { assert!(profiles::MAX_ATTRIBUTES == 64) };
        let mut names = BTreeSet::new();
        for parameter in ATTRIBUTES_TO_RETURN {
            for name in parameters.list(parameter).filter(|name| !name.is_empty()) {
                let name = profiles::attribute_name(name)
                    .ok_or_else(|| Problem::invalid(parameter, profiles::ATTRIBUTE_NAME_RULE))?;
                names.insert(name.to_owned());
                if names.len() > profiles::MAX_ATTRIBUTES {
                    return Err(Problem::invalid(parameter, "must be at most 64 names"));
                }
            }
        }
        if names.is_empty() {
            return Ok(Self::All);
        }
        if names.contains(NONE) {
            names.clear();
        }
        Ok(Self::Only(names))
    }

    /// Those of `user`.
    #[must_use]
    pub fn of_user(&self, user: &User) -> Attributes {
        match self {
            Self::All => user.attributes.clone(),
            Self::Only(names) => {
                let attribute = |name: &String| Some((name.clone(), user.attributes.get(name)?.clone()));
                names.iter().filter_map(attribute).collect()
            }
        }
    }
}

/// A request of an application that is answered with profiles.
pub struct ProfilesRequest {
    /// Its parameters.
    pub parameters: Parameters,
    /// Which attributes are to be answered.
    pub wanted: WantedAttributes,
    /// The application's access token.
    pub presented: Presented,
}

impl ProfilesRequest {
    /// Reads the parameters that every such request has, those of `once`, and the repeatable ones of `lists`: from the
    /// query string and a form.
    pub fn of(request: &Request, once: &[&'static str], lists: &[&'static str]) -> Result<Self, Problem> {
        let (once, lists) = ([&[ACCESS_TOKEN_PARAMETER], once].concat(), [&ATTRIBUTES_TO_RETURN, lists].concat());
        Self::with(request, request.parameters_and_lists(&once, &lists)?)
    }

    fn with(request: &Request, parameters: Parameters) -> Result<Self, Problem> {
        let presented = Presented::in_request(request, &parameters)?;
        Ok(Self { wanted: WantedAttributes::of(&parameters)?, parameters, presented })
    }

    /// The answer: one profile.
    #[must_use]
    pub fn answer(&self, user: &User) -> Response {
        Response::json(200, &ProfileAnswer::new(user, &self.wanted))
    }
}

/// A request of an application about the profile that its path names.
pub struct ProfileRequest<'a> {
    /// The request.
    pub request: ProfilesRequest,
    /// The profile's id, as it was sent.
    pub id: &'a str,
}

impl<'a> ProfileRequest<'a> {
    /// Reads it as [`ProfilesRequest::of`] does.
    pub fn of(request: &'a Request, once: &[&'static str], lists: &[&'static str]) -> Result<Self, Problem> {
        Ok(Self { request: ProfilesRequest::of(request, once, lists)?, id: request.path_parameter("id")? })
    }

    /// The same of a request whose body is JSON: from the query string alone.
    pub fn of_query(request: &'a Request) -> Result<Self, Problem> {
        let parameters = request.query_and_lists(&[ACCESS_TOKEN_PARAMETER], &ATTRIBUTES_TO_RETURN)?;
        Ok(Self { request: ProfilesRequest::with(request, parameters)?, id: request.path_parameter("id")? })
    }

    /// The values of the parameter `name`, which has to come at least once.
    pub fn needed(&self, name: &'static str) -> Result<impl Iterator<Item = &str>, Problem> {
        let mut values = self.request.parameters.list(name).peekable();
        if values.peek().is_some() { Ok(values) } else { Err(Problem::MissingParameter(name)) }
    }

    /// The profile, for an application that may do all of `needed` in its tenant.
    pub async fn profile<S: Store>(&self, api: &ProfileApi<S>, needed: &[Action]) -> Result<User, Problem> {
        api.profile(&self.request.presented, self.id, needed).await
    }

    /// Makes of `user`, the profile, what `edit` says, and answers it.
    pub async fn changed<S: Administration>(
        &self,
        api: &ProfileApi<S>,
        user: User,
        edit: impl Fn(User) -> Result<User, Problem>,
    ) -> Result<Response, Problem> {
        let user = profiles::change(&api.store, &*api.clock, user, edit).await?;
        Ok(self.answer(&user))
    }

    /// The answer: the profile.
    #[must_use]
    pub fn answer(&self, user: &User) -> Response {
        self.request.answer(user)
    }
}

impl ProfileAnswer {
    /// `user`, with the attributes that are wanted.
    #[must_use]
    pub fn new(user: &User, wanted: &WantedAttributes) -> Self {
        Self {
            id: user.id.to_string(),
            tenant: user.tenant.to_string(),
            username: user.name.as_str().to_owned(),
            email: user.email.as_ref().map(|email| Email::as_str(email).to_owned()),
            verified: user.email_verified,
            enabled: user.enabled,
            created_on: user.created.as_millis(),
            last_modified: user.modified.as_millis(),
            roles: user.roles.clone(),
            attributes: wanted.of_user(user),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::testing;

    fn shown(query: &str) -> Result<Attributes, String> {
        let mut user = testing::user("u-1");
        user.attributes = BTreeMap::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!({ "c": null }))]);
        let parameters = Parameters::parse_with_lists(&[query.as_bytes()], &[], &ATTRIBUTES_TO_RETURN).unwrap();
        match WantedAttributes::of(&parameters) {
            Ok(wanted) => Ok(wanted.of_user(&user)),
            Err(problem) => Err(format!("{problem:?}")),
        }
    }

    #[test]
    fn attributes_are_shown_as_far_as_they_are_asked_for() {
        let names = |query: &str| shown(query).unwrap().into_keys().collect::<Vec<_>>().join("+");
        for (query, expected) in [
            ("", "a+b"),
            ("other=a", "a+b"),
            ("attributeToReturn=a", "a"),
            ("attributesToReturn=b", "b"),
            ("attributeToReturn=a&attributesToReturn=b&attributeToReturn=a", "a+b"),
            ("attributeToReturn=c", ""),
            ("attributeToReturn=", "a+b"),
            ("attributeToReturn=&attributesToReturn=b", "b"),
            ("attributesToReturn=%24none", ""),
            ("attributeToReturn=a&attributeToReturn=$none", ""),
        ] {
            assert_eq!(names(query), expected, "{query}");
        }
        for bad in ["attributesToReturn=%07", &format!("attributeToReturn={}", "x".repeat(129))] {
            assert!(shown(bad).unwrap_err().contains("attribute"), "{bad}");
        }
        let many = |count: usize| (0..count).map(|n| format!("attributeToReturn=n{n}")).collect::<Vec<_>>().join("&");
        assert!(shown(&[many(64), many(64)].join("&")).is_ok(), "each counts once");
        assert!(shown(&many(65)).unwrap_err().contains("at most 64"));
    }

    #[test]
    fn a_profile_is_shown_by_the_names_of_the_contract() {
        let shown = serde_json::to_value(ProfileAnswer::new(&testing::user("u-1"), &WantedAttributes::All)).unwrap();
        let expected = json!({
            "id": "u-1", "tenant": "demo", "username": "name-of-u-1", "email": null, "verified": false,
            "enabled": true, "createdOn": 1_700_000_000_000_u64, "lastModified": 1_700_000_000_000_u64, "roles": [],
            "attributes": {},
        });
        assert_eq!(shown, expected);
    }
}
