//! `template.yaml` as tests read it.

use serde_json::Value;

use crate::read;

/// The template as JSON: short forms of intrinsic functions become `{"Ref": …}`, `{"Fn::GetAtt": …}` and so on.
#[must_use]
pub fn template() -> Value {
    parsed(&read("template.yaml"))
}

/// The same of another template's text.
#[must_use]
pub fn parsed(text: &str) -> Value {
    plain(yaml_serde::from_str(text).unwrap_or_else(|error| panic!("a template: {error}")))
}

fn plain(yaml: yaml_serde::Value) -> Value {
    use yaml_serde::Value as Yaml;
    match yaml {
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let name = if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") };
            Value::Object([(name, plain(tagged.value))].into_iter().collect())
        }
        Yaml::Sequence(items) => items.into_iter().map(plain).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.into_iter().map(|(key, value)| (text(&plain(key)).to_owned(), plain(value)));
            Value::Object(entries.collect())
        }
        other => serde_json::to_value(other).unwrap_or_else(|error| panic!("template.yaml: {error}")),
    }
}

/// Every function of the template: logical id, binary and resource.
#[must_use]
pub fn functions(template: &Value) -> Vec<(&str, &str, &Value)> {
    let functions = members(&template["Resources"]).filter(|(_, it)| it["Type"] == "AWS::Serverless::Function");
    functions.map(|(id, it)| (id.as_str(), text(&it["Metadata"]["BuildProperties"]["Binary"]), it)).collect()
}

/// Every resource of a type: logical id and resource.
pub fn resources<'a>(template: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    members(&template["Resources"]).filter(move |(_, it)| it["Type"] == kind).map(|(id, it)| (id.as_str(), it))
}

/// The value, which is a text.
#[must_use]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The members of the value, which is an object.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).iter()
}
