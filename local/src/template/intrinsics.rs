//! CloudFormation's functions, as far as a template like ours uses them, with the local cloud's answers: a table or a
//! secret is called by its logical id.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};
use yaml_serde::Value as Yaml;

use super::element::Element;
use super::{Problem, Resolved};
use crate::{ACCOUNT_ID, REGION};

/// Deeper than any sensible template; a condition that refers to itself ends here.
const MAX_DEPTH: usize = 64;

/// What names mean: parameters, resources (by logical id), conditions.
pub(super) struct Scope<'a> {
    parameters: &'a BTreeMap<String, String>,
    resources: BTreeMap<String, Element<'a>>,
    conditions: BTreeMap<String, Element<'a>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        parameters: &'a BTreeMap<String, String>,
        resources: BTreeMap<String, Element<'a>>,
        conditions: BTreeMap<String, Element<'a>>,
    ) -> Self {
        Self { parameters, resources, conditions }
    }

    /// The element with every function in it replaced by its answer.
    pub(super) fn resolve(&self, element: &Element<'a>) -> Result<Resolved, Problem> {
        let value = self.value(element, 0)?.ok_or_else(|| element.problem("resolves to nothing"))?;
        Ok(Resolved { element: element.path().to_owned(), value })
    }

    /// Whether the resource is made: its `Condition`, if it has one, holds.
    pub(super) fn makes(&self, resource: &Element<'a>) -> Result<bool, Problem> {
        resource.find("Condition").map_or(Ok(true), |condition| self.truth("Condition", &condition, 0))
    }

    /// `None` is `AWS::NoValue`: the property is as if it weren't there.
    fn value(&self, element: &Element<'a>, depth: usize) -> Result<Option<Json>, Problem> {
        if depth > MAX_DEPTH {
            return Err(element.problem("is nested too deeply, or refers to itself"));
        }
        if let Some((name, argument)) = call(element) {
            return self.call(&name, &argument, depth + 1);
        }
        Ok(Some(match element.value() {
            Yaml::Null => Json::Null,
            Yaml::Bool(truth) => Json::Bool(*truth),
            Yaml::Number(number) => Json::Number(json_number(number, element)?),
            Yaml::String(text) => Json::String(text.clone()),
            Yaml::Sequence(_) => {
                let mut items = Vec::new();
                for item in element.items()? {
                    items.extend(self.value(&item, depth + 1)?);
                }
                Json::Array(items)
            }
            Yaml::Mapping(_) => {
                let mut members = Map::new();
                for (key, member) in element.entries()? {
                    if let Some(value) = self.value(&member, depth + 1)? {
                        members.insert(key, value);
                    }
                }
                Json::Object(members)
            }
            Yaml::Tagged(tagged) => return Err(element.problem(format!("{} is not a function", tagged.tag))),
        }))
    }

    fn call(&self, name: &str, argument: &Element<'a>, depth: usize) -> Result<Option<Json>, Problem> {
        match name {
            "Ref" => self.reference(argument.as_text()?, argument),
            "GetAtt" => self.attribute(argument, depth).map(|text| Some(Json::String(text))),
            "Select" => self.select(argument, depth).map(|text| Some(Json::String(text))),
            "Sub" => self.substitute(argument, depth).map(|text| Some(Json::String(text))),
            "Join" => self.join(argument, depth).map(|text| Some(Json::String(text))),
            "If" => self.choose(argument, depth),
            "Equals" | "Not" | "And" | "Or" | "Condition" => {
                self.truth(name, argument, depth).map(|truth| Some(Json::Bool(truth)))
            }
            _ => Err(argument.problem(format!("uses {name}, which the local cloud doesn't know"))),
        }
    }

    fn reference(&self, name: &str, at: &Element<'_>) -> Result<Option<Json>, Problem> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some((function, "Alias")) = name.split_once('.') {
            // What SAM makes of a function's alias: the local cloud has functions only.
            if !self.resources.contains_key(function) {
                return Err(at.problem(unknown(function)));
            }
            return Ok(Some(Json::String(super::function_arn(function))));
        }
        self.named(name).map(|text| Some(Json::String(text))).ok_or_else(|| at.problem(unknown(name)))
    }

    fn named(&self, name: &str) -> Option<String> {
        let pseudo = match name {
            "AWS::Region" => Some(REGION),
            "AWS::AccountId" => Some(ACCOUNT_ID),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackName" => Some("local"),
            _ => None,
        };
        pseudo
            .or_else(|| self.parameters.get(name).map(String::as_str))
            .or_else(|| self.resources.get_key_value(name).map(|(name, _)| name.as_str()))
            .map(str::to_owned)
    }

    fn attribute(&self, argument: &Element<'a>, depth: usize) -> Result<String, Problem> {
        let (resource, attribute) = match argument.value() {
            Yaml::String(text) => match text.split_once('.') {
                Some((resource, attribute)) => (resource.to_owned(), attribute.to_owned()),
                None => return Err(argument.problem("must be Resource.Attribute")),
            },
            _ => match argument.items()?.as_slice() {
                [resource, attribute] => (resource.as_text()?.to_owned(), attribute.as_text()?.to_owned()),
                _ => return Err(argument.problem("must hold a resource and an attribute")),
            },
        };
        self.attribute_of(&resource, &attribute, argument, depth)
    }

    fn attribute_of(&self, resource: &str, attribute: &str, at: &Element<'_>, depth: usize) -> Result<String, Problem> {
        let element = self.resources.get(resource).ok_or_else(|| at.problem(unknown(resource)))?;
        match (element.get("Type")?.as_text()?, attribute) {
            ("AWS::DynamoDB::GlobalTable", "Arn") => {
                Ok(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{resource}"))
            }
            ("AWS::Serverless::Function", "Arn") => Ok(super::function_arn(resource)),
            ("AWS::SSM::Parameter", "Value") => self.text(&element.get("Properties")?.get("Value")?, depth),
            // Only one set of settings is ever in force here.
            ("AWS::AppConfig::HostedConfigurationVersion", "VersionNumber") => Ok("1".to_owned()),
            (kind, _) => Err(at.problem(format!("asks {kind} for {attribute}, which the local cloud doesn't know"))),
        }
    }

    /// One of a list, or of a parameter that holds one with commas between.
    fn select(&self, argument: &Element<'a>, depth: usize) -> Result<String, Problem> {
        let [index, list] = &argument.items()?[..] else {
            return Err(argument.problem("must hold a number and a list"));
        };
        let index: usize = self.text(index, depth)?.parse().map_err(|_| index.problem("must be a number"))?;
        let items: Vec<String> = match self.value(list, depth)? {
            Some(Json::String(text)) => text.split(',').map(str::to_owned).collect(),
            Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => return Err(list.problem("must be a list")),
        };
        items.get(index).cloned().ok_or_else(|| argument.problem("selects what the list doesn't hold"))
    }

    fn substitute(&self, argument: &Element<'a>, depth: usize) -> Result<String, Problem> {
        let mut own = BTreeMap::new();
        let text = match argument.value() {
            Yaml::Sequence(_) => match argument.items()?.as_slice() {
                [text, variables] => {
                    for (name, value) in variables.entries()? {
                        own.insert(name, self.text(&value, depth)?);
                    }
                    text.as_text()?
                }
                _ => return Err(argument.problem("must hold a text and its variables")),
            },
            _ => argument.as_text()?,
        };
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once("${") {
            let (name, after) = from.split_once('}').ok_or_else(|| argument.problem("has a ${ without its }"))?;
            result.push_str(before);
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str("${");
                result.push_str(literal);
                result.push('}');
            } else {
                let value = match (own.get(name).cloned().or_else(|| self.named(name)), name.split_once('.')) {
                    (Some(value), _) => value,
                    (None, Some((resource, attribute))) => self.attribute_of(resource, attribute, argument, depth)?,
                    (None, None) => return Err(argument.problem(unknown(name))),
                };
                result.push_str(&value);
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    fn join(&self, argument: &Element<'a>, depth: usize) -> Result<String, Problem> {
        let [separator, items] = &argument.items()?[..] else {
            return Err(argument.problem("must hold a separator and a list"));
        };
        let items: Vec<_> = items.items()?.iter().map(|item| self.text(item, depth)).collect::<Result<_, _>>()?;
        Ok(items.join(separator.as_text()?))
    }

    fn choose(&self, argument: &Element<'a>, depth: usize) -> Result<Option<Json>, Problem> {
        let [condition, then, otherwise] = &argument.items()?[..] else {
            return Err(argument.problem("must hold a condition and two values"));
        };
        let holds = self.truth("Condition", condition, depth)?;
        self.value(if holds { then } else { otherwise }, depth)
    }

    fn truth(&self, name: &str, argument: &Element<'a>, depth: usize) -> Result<bool, Problem> {
        match name {
            "Condition" => {
                let name = argument.as_text()?;
                let condition = self.conditions.get(name).ok_or_else(|| argument.problem(unknown(name)))?;
                self.holds(condition, depth)
            }
            "Equals" => match argument.items()?.as_slice() {
                [left, right] => Ok(self.text(left, depth)? == self.text(right, depth)?),
                _ => Err(argument.problem("must hold two values")),
            },
            _ => {
                let mut truths = Vec::new();
                for item in argument.items()? {
                    truths.push(self.holds(&item, depth)?);
                }
                Ok(match name {
                    "And" => truths.iter().all(|truth| *truth),
                    "Or" => truths.iter().any(|truth| *truth),
                    _ => truths == [false],
                })
            }
        }
    }

    fn holds(&self, element: &Element<'a>, depth: usize) -> Result<bool, Problem> {
        match self.value(element, depth + 1)? {
            Some(Json::Bool(truth)) => Ok(truth),
            _ => Err(element.problem("must be a condition")),
        }
    }

    fn text(&self, element: &Element<'a>, depth: usize) -> Result<String, Problem> {
        let value = self.value(element, depth)?.ok_or_else(|| element.problem("resolves to nothing"))?;
        Resolved { element: element.path().to_owned(), value }.into_text()
    }
}

/// The function that the element calls, in its short form (`!Ref x`) or its long one (`Fn::Sub: x`, `Ref: x`).
fn call<'a>(element: &Element<'a>) -> Option<(String, Element<'a>)> {
    match element.value() {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            Some((name.trim_start_matches('!').to_owned(), element.argument(&tagged.value)))
        }
        Yaml::Mapping(mapping) if mapping.len() == 1 => {
            let (key, argument) = mapping.iter().next()?;
            let key = key.as_str()?;
            let name = match key {
                "Ref" | "Condition" => key,
                _ => key.strip_prefix("Fn::")?,
            };
            Some((name.to_owned(), element.argument(argument)))
        }
        _ => None,
    }
}

fn json_number(number: &yaml_serde::Number, element: &Element<'_>) -> Result<Number, Problem> {
    if let Some(whole) = number.as_i64() {
        return Ok(whole.into());
    }
    if let Some(whole) = number.as_u64() {
        return Ok(whole.into());
    }
    number.as_f64().and_then(Number::from_f64).ok_or_else(|| element.problem("is not a finite number"))
}

fn unknown(name: &str) -> String {
    format!("refers to {name}, which the template doesn't declare")
}
