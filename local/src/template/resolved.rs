//! A value without functions in it, which still knows where it came from.

use serde_json::Value as Json;

use super::Problem;

/// A resolved value and the element it came from.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) element: String,
    pub(super) value: Json,
}

impl Resolved {
    pub(super) fn problem(&self, text: impl Into<String>) -> Problem {
        Problem { element: self.element.clone(), text: text.into() }
    }

    pub(super) fn find(&self, key: &str) -> Option<Resolved> {
        let value = self.value.get(key)?.clone();
        Some(Resolved { element: format!("{}.{key}", self.element), value })
    }

    pub(super) fn get(&self, key: &str) -> Result<Resolved, Problem> {
        self.find(key).ok_or_else(|| self.problem(format!("has no {key}")))
    }

    pub(super) fn text(&self, key: &str) -> Result<String, Problem> {
        self.get(key)?.into_text()
    }

    pub(super) fn into_text(self) -> Result<String, Problem> {
        match self.value {
            Json::String(text) => Ok(text),
            Json::Number(number) => Ok(number.to_string()),
            Json::Bool(truth) => Ok(truth.to_string()),
            Json::Null | Json::Array(_) | Json::Object(_) => {
                Err(Problem { element: self.element, text: "must be a text, a number or true or false".to_owned() })
            }
        }
    }

    pub(super) fn items(&self) -> Result<Vec<Resolved>, Problem> {
        let Json::Array(items) = &self.value else {
            return Err(self.problem("must be a list"));
        };
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Resolved { element: format!("{}[{index}]", self.element), value: value.clone() })
            .collect())
    }

    pub(super) fn keys(&self) -> Result<Vec<String>, Problem> {
        let Json::Object(members) = &self.value else {
            return Err(self.problem("must be a mapping"));
        };
        Ok(members.keys().cloned().collect())
    }
}
