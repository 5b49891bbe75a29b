//! A YAML value that knows its way from the root, so that every complaint can name it.

use yaml_serde::Value as Yaml;

use super::Problem;

/// A value of the template and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Element<'a> {
    path: String,
    value: &'a Yaml,
}

impl<'a> Element<'a> {
    pub(super) fn root(value: &'a Yaml) -> Self {
        Self { path: String::new(), value }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn value(&self) -> &'a Yaml {
        self.value
    }

    pub(super) fn problem(&self, text: impl Into<String>) -> Problem {
        Problem { element: self.path.clone(), text: text.into() }
    }

    pub(super) fn find(&self, key: &str) -> Option<Element<'a>> {
        let value = self.value.as_mapping()?.get(key)?;
        Some(self.child(key, value))
    }

    pub(super) fn get(&self, key: &str) -> Result<Element<'a>, Problem> {
        self.find(key).ok_or_else(|| self.problem(format!("has no {key}")))
    }

    pub(super) fn entries(&self) -> Result<Vec<(String, Element<'a>)>, Problem> {
        let mapping = self.value.as_mapping().ok_or_else(|| self.problem("must be a mapping"))?;
        mapping
            .iter()
            .map(|(key, value)| {
                let key = key.as_str().ok_or_else(|| self.problem("has a key that is not a text"))?;
                Ok((key.to_owned(), self.child(key, value)))
            })
            .collect()
    }

    pub(super) fn items(&self) -> Result<Vec<Element<'a>>, Problem> {
        let items = self.value.as_sequence().ok_or_else(|| self.problem("must be a list"))?;
        let items = items.iter().enumerate();
        Ok(items.map(|(index, value)| Element { path: format!("{}[{index}]", self.path), value }).collect())
    }

    pub(super) fn as_text(&self) -> Result<&'a str, Problem> {
        self.value.as_str().ok_or_else(|| self.problem("must be a text"))
    }

    /// A text, a number or a truth value as CloudFormation would hand it on: as a text.
    pub(super) fn as_scalar(&self) -> Result<String, Problem> {
        match self.value {
            Yaml::String(text) => Ok(text.clone()),
            Yaml::Number(number) => Ok(number.to_string()),
            Yaml::Bool(truth) => Ok(truth.to_string()),
            Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
                Err(self.problem("must be a text, a number or true or false"))
            }
        }
    }

    /// The value of a function such as `!Sub`, under the name that the error should show.
    pub(super) fn argument(&self, value: &'a Yaml) -> Element<'a> {
        Element { path: self.path.clone(), value }
    }

    fn child(&self, key: &str, value: &'a Yaml) -> Element<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Element { path, value }
    }
}
