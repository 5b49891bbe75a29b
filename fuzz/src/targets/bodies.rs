//! Bodies and query strings.

use serde_json::Value;
use shared::access_token::Action;
use shared::access_token_json::{DescribedAccessToken, meant};
use shared::api::AccessTokenAnswer;
use shared::clock::Timestamp;
use shared::gateway::{Fields, Parameters, Spelling};
use shared::json::Json;
use shared::secret::Digest;
use shared::testing::SeededRandom;

use super::refused;
use crate::oracle;

pub const FORM: &[&str] = &[
    "username=",
    "password=",
    "flag=",
    "flag=on",
    "count=",
    "list=",
    "&",
    "%26",
    "%3D",
    "%75sername=",
    "&username=a",
    "true",
    "NO",
    "+",
    "%2B",
    "%C3%A9",
    "%E9",
    "%0",
    "%gg",
    "99999999999999999999",
    "\n",
];

pub const JSON: &[&str] = &[
    "{\"text\":",
    "\"flag\":true",
    "\"count\":1",
    "\"moment\":\"2030-01-31T12:00:00Z\"",
    "\"list\":[\"a\"]",
    "\"objects\":[{}]",
    "\"password\":\"p\"",
    "\"Text\":",
    "\"te\\u0078t\":",
    "null",
    "1e5",
    "-0",
    "1.0",
    "\"$serde_json::private::RawValue\":",
    "\"$serde_json::private::Number\":",
    "{\"a\":{\"a\":1,\"a\":2}}",
    "\"application\":\"shop\"",
    "\"tenantPermissions\":[",
    "\"tenant\":\"*\"",
    "\"tenant\":\"demo\"",
    "\"allowedActions\":[\"READ_TENANT\"]",
    "\"allowedActions\":[\"*\"]",
    "\"master\":true",
    "\"expiresOn\":1900000000000",
    "\"id\":\"c5b7bdd6-0a2c-4f1e-b8e1-3a1f0d9c7e55\"",
];

const ONCE: &[&str] = &["username", "password", "flag", "count"];
const LISTS: &[&str] = &["list"];

/// A query string, a line's end, and a form.
pub fn form(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (query, body) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    let all = [oracle::form(query), oracle::form(body)].concat();
    let read = |(name, value): &(Vec<u8>, Vec<u8>)| {
        Some((String::from_utf8(name.clone()).ok()?, String::from_utf8(value.clone()).ok()?))
    };
    let pairs: Option<Vec<(String, String)>> = all.iter().map(read).collect();
    let named = |wanted: &str| -> Vec<&str> {
        let found = pairs.iter().flatten().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).collect()
    };
    let good = pairs.is_some() && ONCE.iter().all(|name| named(name).len() <= 1);
    match Parameters::parse_with_lists(&[query, body], ONCE, LISTS) {
        Err(problem) => {
            refused(&problem);
            assert!(!good, "a good form was refused");
        }
        Ok(parameters) => {
            assert!(good, "a bad form was taken");
            for name in ONCE {
                assert_eq!(parameters.get(name), named(name).first().copied(), "{name}");
            }
            assert_eq!(parameters.list("list").collect::<Vec<_>>(), named("list"));
            each_parameter(&parameters, &named);
        }
    }
}

fn each_parameter<'a>(parameters: &Parameters, named: &impl Fn(&str) -> Vec<&'a str>) {
    let given = |name: &str| named(name).first().copied();
    match parameters.optional_flag("flag") {
        Ok(flag) => assert_eq!(flag.is_some(), given("flag").is_some_and(|text| !text.is_empty())),
        Err(problem) => refused(&problem),
    }
    match parameters.optional_count("count") {
        Ok(count) => {
            let expected = given("count").map(|text| text.parse::<u128>().expect("digits").min(u32::MAX.into()));
            assert_eq!(count.map(u128::from), expected);
        }
        Err(problem) => refused(&problem),
    }
    match parameters.required("username", 64) {
        Ok(name) => assert!(given("username") == Some(name) && name.len() <= 64),
        Err(problem) => refused(&problem),
    }
    match parameters.password("password") {
        Ok(_) => assert!(given("password").is_some_and(|text| text.len() <= 1024)),
        Err(problem) => refused(&problem),
    }
}

/// A JSON body, with and without regard to the case of its keys.
pub fn json(input: &[u8]) {
    let value = serde_json::from_slice::<Json>(input).ok().map(|Json(value)| value);
    let object = value.as_ref().and_then(Value::as_object);
    for spelling in [Spelling::Exact, Spelling::AnyCase] {
        let spelt = |name: &str| if spelling == Spelling::Exact { name.to_owned() } else { name.to_ascii_lowercase() };
        match Fields::parse(input, spelling) {
            Err(problem) => refused(&problem),
            Ok(fields) => {
                assert_eq!(oracle::has_doubled_keys(input), Some(false), "a key was taken twice");
                let values = fields.into_values();
                // Stored and read again, it has to be the same: the applications' own data are.
                let text = serde_json::to_string(&values).expect("JSON");
                let again =
                    Fields::parse(text.as_bytes(), spelling).unwrap_or_else(|_| panic!("{text} was taken once"));
                assert_eq!(again.into_values(), values);
                let Some(object) = object else { panic!("{text} was taken for an object") };
                let expected = object.iter().map(|(name, value)| (spelt(name), value.clone())).collect();
                assert_eq!(values, expected, "what was read is not what was sent");
                assert!(values.len() <= 64);
            }
        }
        if let Ok(fields) = Fields::parse(input, spelling) {
            each_field(fields);
        }
    }
}

fn each_field(mut fields: Fields) {
    let known = ["text", "flag", "count", "moment", "list", "objects", "password"];
    let text = fields.text("text", 64);
    assert!(text.as_ref().is_ok_and(|text| (1..=64).contains(&text.len())) || text.is_err());
    let list = fields.texts("list", 3, 8);
    assert!(list.as_ref().is_ok_and(|list| list.len() <= 3 && list.iter().all(|it| it.len() <= 8)) || list.is_err());
    let objects = fields.objects("objects", 2);
    assert!(objects.as_ref().is_ok_and(|objects| objects.len() <= 2) || objects.is_err());
    let problems = [
        text.err(),
        list.err(),
        objects.err(),
        fields.flag("flag").err(),
        fields.optional_integer("count", "must be a whole number").err(),
        fields.optional_moment("moment").err(),
        fields.password("password").err(),
    ];
    problems.iter().flatten().for_each(refused);
    assert!(known.iter().all(|name| !fields.has(name)));
    if let Err(problem) = fields.finish() {
        refused(&problem);
    }
}

/// The description of an access token; and a text that is to name one.
pub fn access_token(input: &[u8]) {
    let now = Timestamp::from_seconds(1_800_000_000);
    if let Ok(text) = std::str::from_utf8(input) {
        let digests = meant(text);
        assert!(digests.iter().all(|it| *it == Digest::of(input) || it.to_base64url() == text), "{text}");
        assert!(digests.is_empty() || input.len() <= 256);
    }
    let read = |bytes: &[u8]| {
        let described = DescribedAccessToken::read(Fields::parse(bytes, Spelling::Exact)?, now)?;
        Ok(described.issue(now, &SeededRandom::new(9)))
    };
    match read(input) {
        Err(problem) => refused(&problem),
        Ok((token, text)) => {
            let text = text.expose_secret();
            let any = String::from_utf8_lossy(input).matches(['*', '\\']).count();
            let wildcards =
                token.permissions.iter().map(|it| usize::from(it.tenant.is_none()) + usize::from(it.actions.is_none()));
            assert!(wildcards.sum::<usize>() <= any, "more was given than was asked for");
            let somewhere = Action::ALL.into_iter().any(|action| token.allows_somewhere(action));
            assert!(somewhere != token.permissions.is_empty());
            assert!((16..=256).contains(&text.len()) && token.digest == Digest::of(text.as_bytes()));
            assert!(!token.is_expired(now) && meant(text).contains(&token.digest));
            let told = serde_json::to_vec(&AccessTokenAnswer::shown(&token, text)).expect("JSON");
            let (again, _) =
                read(&told).unwrap_or_else(|_: shared::error::Problem| panic!("what is told can't be read"));
            assert_eq!(again, token);
        }
    }
}
