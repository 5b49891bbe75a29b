//! Answers against the OpenAPI document: as much of JSON Schema as the document uses, and an error for anything else.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use shared::api::Route;

static DOCUMENT: LazyLock<Value> = LazyLock::new(shared::openapi::document);

/// Whether the document knows such an answer. One thing is left out of it on purpose: the 404 for another method than
/// the endpoint's, which no gateway passes on.
pub fn check(route: &Route, status: u16, body: &Value) -> Result<(), String> {
    let responses = &operation(route)["responses"];
    let Some(response) = responses.get(status.to_string()) else {
        return if status == 404 { Ok(()) } else { Err("the OpenAPI document knows no such status here".to_owned()) };
    };
    fits(&response["content"]["application/json"]["schema"], body)
        .map_err(|flaw| format!("the OpenAPI document: {flaw}"))
}

/// The operation of an endpoint.
#[must_use]
pub fn operation(route: &Route) -> &'static Value {
    &DOCUMENT["paths"][route.path][route.method.to_ascii_lowercase()]
}

/// The schema of an endpoint's body, where it takes one of that media type.
#[must_use]
pub fn body(route: &Route, media_type: &str) -> Option<&'static Value> {
    operation(route)["requestBody"]["content"].get(media_type).map(|content| &content["schema"])
}

/// The status of an endpoint's success.
#[must_use]
pub fn success(route: &Route) -> u16 {
    let statuses = operation(route)["responses"].as_object().into_iter().flatten();
    let good = statuses.filter_map(|(status, _)| status.parse().ok()).find(|status| (200..300).contains(status));
    good.unwrap_or_else(|| panic!("{} never succeeds", route.name))
}

/// A member of a JSON body, or a parameter of a query string or form.
#[derive(Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub schema: Value,
    /// Whether there is no good request without it.
    pub required: bool,
}

impl Field {
    /// Whether it is a list, which as a parameter may come several times.
    #[must_use]
    pub fn is_list(&self) -> bool {
        is_named("array", &self.schema)
    }
}

fn is_named(name: &str, schema: &Value) -> bool {
    let kind = &schema["type"];
    kind == name || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == name))
}

/// The members of an endpoint's JSON body; of a body that may be one of several objects, those of all of them.
#[must_use]
pub fn members_of_body(route: &Route) -> Vec<Field> {
    body(route, "application/json").map(fields).unwrap_or_default()
}

/// The parameters of an endpoint's query string and form, without the application's access token.
#[must_use]
pub fn parameters(route: &Route) -> Vec<Field> {
    let listed = operation(route)["parameters"].as_array().into_iter().flatten();
    let query = listed.filter(|parameter| parameter["in"] == "query").map(|parameter| Field {
        name: text(&parameter["name"]).to_owned(),
        schema: parameter["schema"].clone(),
        required: parameter["required"] == true,
    });
    let form = body(route, crate::call::FORM).map(fields).unwrap_or_default();
    query.chain(form).filter(|field| field.name != "accessTokenId").collect()
}

fn fields(schema: &Value) -> Vec<Field> {
    let Ok(schema) = whole(schema) else { return Vec::new() };
    if let Some(reference) = schema.get("$ref") {
        return target(reference).map(fields).unwrap_or_default();
    }
    let either = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten().flat_map(fields);
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let own = own.map(|(name, rule)| Field {
        name: name.clone(),
        schema: rule.clone(),
        required: schema.contains_key("required") && required(name),
    });
    own.chain(either).collect()
}

/// Whether a value is as the schema says.
pub fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = whole(schema)?;
    for (keyword, rule) in &schema {
        match keyword.as_str() {
            "$ref" => fits(target(rule)?, value)?,
            "type" if !is_of(rule, value) => return Err(format!("{value} is not of type {rule}")),
            "const" if rule != value => return Err(format!("{value} is not {rule}")),
            "enum" if !rule.as_array().is_some_and(|values| values.contains(value)) => {
                return Err(format!("{value} is none of {rule}"));
            }
            // Nobody is asked here whether a text is of a format or keeps a pattern.
            "type"
            | "const"
            | "enum"
            | "description"
            | "format"
            | "pattern"
            | "additionalProperties"
            | "propertyNames" => {}
            "properties" => members(&schema, rule, value)?,
            "anyOf" => any(rule, value)?,
            "required" => {
                let missing = rule.as_array().into_iter().flatten().find(|name| value.get(text(name)).is_none());
                missing.map_or(Ok(()), |name| Err(format!("{name} is missing")))?;
            }
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| fits(rule, item))?,
            "minLength" | "maxLength" | "minimum" | "maximum" | "minItems" | "maxItems" | "maxProperties" => {
                bounds(keyword, rule, value)?;
            }
            other => return Err(format!("tests/src/document.rs does not know {other}")),
        }
    }
    Ok(())
}

fn any(rules: &Value, value: &Value) -> Result<(), String> {
    let mut flaws = Vec::new();
    for rule in rules.as_array().into_iter().flatten() {
        match fits(rule, value) {
            Ok(()) => return Ok(()),
            Err(flaw) => flaws.push(flaw),
        }
    }
    Err(format!("none fits: {}", flaws.join("; ")))
}

/// A schema with the parts of its `allOf` merged into it, since none of the parts knows the others' members.
fn whole(schema: &Value) -> Result<Map<String, Value>, String> {
    let mut whole = schema.as_object().ok_or("no schema")?.clone();
    let Some(Value::Array(parts)) = whole.remove("allOf") else { return Ok(whole) };
    for part in &parts {
        let part = match part.get("$ref") {
            Some(reference) => self::whole(target(reference)?)?,
            None => self::whole(part)?,
        };
        for (keyword, rule) in part {
            match (whole.get_mut(&keyword), rule) {
                (Some(Value::Object(members)), Value::Object(more)) => members.extend(more),
                (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
                (Some(_), _) if keyword == "description" => {}
                (Some(old), rule) if *old != rule => return Err(format!("the parts of allOf disagree on {keyword}")),
                (Some(_), _) => {}
                (None, rule) => drop(whole.insert(keyword, rule)),
            }
        }
    }
    Ok(whole)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn target(reference: &Value) -> Result<&'static Value, String> {
    let pointer = text(reference).strip_prefix('#').ok_or("a reference out of the document")?;
    DOCUMENT.pointer(pointer).ok_or_else(|| format!("{reference} leads nowhere"))
}

fn is_of(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match text(name) {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is))
}

/// Every member by its own schema; one that the schema does not name is as good as wrong here.
fn members(schema: &Map<String, Value>, properties: &Value, value: &Value) -> Result<(), String> {
    for (name, member) in value.as_object().into_iter().flatten() {
        match (properties.get(name), schema.get("additionalProperties")) {
            (Some(rule), _) | (None, Some(rule @ Value::Object(_))) => fits(rule, member)?,
            (None, _) => return Err(format!("{name} is not in the schema")),
        }
    }
    Ok(())
}

fn bounds(keyword: &str, rule: &Value, value: &Value) -> Result<(), String> {
    let limit = rule.as_u64().ok_or("a limit that is no number")?;
    let length = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let size = match value {
        Value::String(text) => length(text.chars().count()),
        Value::Array(items) => length(items.len()),
        Value::Object(members) => length(members.len()),
        other => other.as_u64().unwrap_or_default(),
    };
    let within = if keyword.starts_with("min") { size >= limit } else { size <= limit };
    // Null is of its own type and has no bounds.
    if within || value.is_null() { Ok(()) } else { Err(format!("{value} breaks {keyword} {limit}")) }
}
