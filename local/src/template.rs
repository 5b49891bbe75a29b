//! What the local cloud takes from `template.yaml`: its tables, its secrets, and its functions with their routes and
//! environment.
//!
//! The template is the one truth. Nothing here repeats a name, a key or a setting, and what isn't understood is an
//! error that names the element, never a silent default.

mod element;
mod intrinsics;
mod resolved;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use yaml_serde::Value as Yaml;

use element::Element;
use intrinsics::Scope;
use resolved::Resolved;

/// Why a template can't be used. Each names the file and the element, as `Resources.UsersTable.Properties`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("can't read {}", .path.display())]
    Read {
        /// The template.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The file isn't YAML.
    #[error("{} is not YAML", .path.display())]
    Yaml {
        /// The template.
        path: PathBuf,
        /// Where and why.
        source: yaml_serde::Error,
    },
    /// An element that the local cloud needs is missing, malformed or beyond what it understands.
    #[error("{}: {element}: {problem}", .path.display())]
    Element {
        /// The template.
        path: PathBuf,
        /// The element's way from the root.
        element: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A value was given for a parameter that the template hasn't.
    #[error("{} has no parameter {name}", .path.display())]
    UnknownParameter {
        /// The template.
        path: PathBuf,
        /// The parameter's name.
        name: String,
    },
}

/// An `AWS::DynamoDB::GlobalTable`, of which the local cloud has this region's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Logical id, which is the table's name in the local cloud.
    pub name: String,
    /// Partition key, then sort key if it has one.
    pub keys: Vec<Key>,
    /// Types of all key attributes, the indexes' included.
    pub attributes: Vec<Attribute>,
    /// Global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute that holds the expiry in epoch seconds, if items expire.
    pub ttl: Option<String>,
}

/// One element of a key schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Attribute name.
    pub attribute: String,
    /// `HASH` or `RANGE`.
    pub kind: String,
}

/// The type of a key attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// Attribute name.
    pub name: String,
    /// `S`, `N` or `B`.
    pub kind: String,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Partition key, then sort key if it has one.
    pub keys: Vec<Key>,
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection: String,
    /// Attributes of an `INCLUDE` projection.
    pub included: Vec<String>,
}

/// An `AWS::SecretsManager::Secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Logical id, which is the secret's name in the local cloud.
    pub name: String,
    /// The value that it is created with.
    pub initial: String,
}

/// An `AWS::Serverless::Function`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Logical id.
    pub logical_id: String,
    /// Name of its binary, its package and its folder.
    pub binary: String,
    /// What it finds in its environment: the globals and its own.
    pub environment: BTreeMap<String, String>,
    /// The routes that lead to it.
    pub routes: Vec<Route>,
}

/// An `AWS::SecretsManager::RotationSchedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The secret's name.
    pub secret: String,
    /// The binary of the function that rotates it.
    pub binary: String,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// HTTP method in capitals.
    pub method: String,
    /// Path with parameters as `{id}`.
    pub path: String,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A template, read, with a value for each of its parameters.
#[derive(Debug, Clone)]
pub struct Template {
    path: PathBuf,
    root: Yaml,
    parameters: BTreeMap<String, String>,
}

impl Template {
    /// Reads the file. `parameters` are values that go before the defaults; a parameter without either is an error.
    pub fn read(path: &Path, parameters: &BTreeMap<String, String>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text, parameters)
    }

    /// Like [`Template::read`], from a text; `path` is for the errors.
    pub fn parse(path: &Path, text: &str, parameters: &BTreeMap<String, String>) -> Result<Self, Error> {
        let root = yaml_serde::from_str(text).map_err(|source| Error::Yaml { path: path.to_owned(), source })?;
        let mut template = Self { path: path.to_owned(), root, parameters: BTreeMap::new() };
        template.parameters = template.parameter_values(parameters)?;
        Ok(template)
    }

    /// The parameters and the values they have here.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// Every table, in the template's order.
    pub fn tables(&self) -> Result<Vec<Table>, Error> {
        let scope = self.scope()?;
        self.resources_of_type("AWS::DynamoDB::GlobalTable")?
            .into_iter()
            .map(|(name, resource)| {
                let properties = scope.resolve(&resource.get("Properties")?)?;
                Table::from_properties(name, &properties)
            })
            .collect::<Result<_, Problem>>()
            .map_err(|problem| self.error(problem))
    }

    /// Every secret that is made, in the template's order.
    pub fn secrets(&self) -> Result<Vec<Secret>, Error> {
        let scope = self.scope()?;
        let secret = |(name, resource): (String, Element<'_>)| {
            if !scope.makes(&resource)? {
                return Ok(None);
            }
            let initial = scope.resolve(&resource.get("Properties")?.get("SecretString")?)?.into_text()?;
            Ok(Some(Secret { name, initial }))
        };
        let secrets = self.resources_of_type("AWS::SecretsManager::Secret")?.into_iter();
        let secrets: Result<Vec<_>, Problem> = secrets.filter_map(|resource| secret(resource).transpose()).collect();
        secrets.map_err(|problem| self.error(problem))
    }

    /// Which function rotates which secret.
    pub fn rotations(&self) -> Result<Vec<Rotation>, Error> {
        let scope = self.scope()?;
        let functions = self.functions()?;
        let rotation = |resource: Element<'_>| {
            let properties = resource.get("Properties")?;
            let secret = scope.resolve(&properties.get("SecretId")?)?.into_text()?;
            let arn = scope.resolve(&properties.get("RotationLambdaARN")?)?.into_text()?;
            let function = functions.iter().find(|function| function_arn(&function.logical_id) == arn);
            let function = function.ok_or_else(|| properties.problem("names no function of this template"))?;
            Ok(Rotation { secret, binary: function.binary.clone() })
        };
        let mut rotations = Vec::new();
        for (_, resource) in self.resources_of_type("AWS::SecretsManager::RotationSchedule")? {
            if scope.makes(&resource).map_err(|problem| self.error(problem))? {
                rotations.push(rotation(resource).map_err(|problem| self.error(problem))?);
            }
        }
        Ok(rotations)
    }

    /// Every function, in the template's order.
    pub fn functions(&self) -> Result<Vec<Function>, Error> {
        let scope = self.scope()?;
        let globals = self.global_environment(&scope).map_err(|problem| self.error(problem))?;
        self.resources_of_type("AWS::Serverless::Function")?
            .into_iter()
            .map(|(logical_id, resource)| function(logical_id, &resource, &globals, &scope))
            .collect::<Result<_, Problem>>()
            .map_err(|problem| self.error(problem))
    }

    fn global_environment(&self, scope: &Scope<'_>) -> Result<BTreeMap<String, String>, Problem> {
        let Some(function) = self.element("Globals").and_then(|globals| globals.find("Function")) else {
            return Ok(BTreeMap::new());
        };
        environment(&function, scope)
    }

    fn resources_of_type(&self, kind: &str) -> Result<Vec<(String, Element<'_>)>, Error> {
        let mut found = Vec::new();
        for (name, resource) in self.section("Resources")? {
            let stated = resource.get("Type").and_then(|kind| kind.as_text()).map_err(|problem| self.error(problem))?;
            if stated == kind {
                found.push((name, resource));
            }
        }
        Ok(found)
    }

    fn parameter_values(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
        let mut values = BTreeMap::new();
        for (name, declared) in self.section("Parameters")? {
            let value = match (given.get(&name), declared.find("Default")) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => default.as_scalar().map_err(|problem| self.error(problem))?,
                (None, None) => return Err(self.error(declared.problem("has no default and was given no value"))),
            };
            values.insert(name, value);
        }
        if let Some(name) = given.keys().find(|name| !values.contains_key(*name)) {
            return Err(Error::UnknownParameter { path: self.path.clone(), name: name.clone() });
        }
        Ok(values)
    }

    fn scope(&self) -> Result<Scope<'_>, Error> {
        let resources = self.section("Resources")?.into_iter().collect();
        let conditions = self.section("Conditions")?.into_iter().collect();
        Ok(Scope::new(&self.parameters, resources, conditions))
    }

    fn section(&self, name: &str) -> Result<Vec<(String, Element<'_>)>, Error> {
        match self.element(name) {
            None => Ok(Vec::new()),
            Some(section) => section.entries().map_err(|problem| self.error(problem)),
        }
    }

    fn element(&self, name: &str) -> Option<Element<'_>> {
        Element::root(&self.root).find(name)
    }

    fn error(&self, problem: Problem) -> Error {
        Error::Element { path: self.path.clone(), element: problem.element, problem: problem.text }
    }
}

fn function_arn(logical_id: &str) -> String {
    format!("arn:aws:lambda:{}:{}:function:{logical_id}", crate::REGION, crate::ACCOUNT_ID)
}

/// What is wrong with which element, before the file's name is known.
#[derive(Debug)]
struct Problem {
    element: String,
    text: String,
}

fn function(
    logical_id: String,
    resource: &Element<'_>,
    globals: &BTreeMap<String, String>,
    scope: &Scope<'_>,
) -> Result<Function, Problem> {
    let binary = resource.get("Metadata")?.get("BuildProperties")?.get("Binary")?.as_text()?.to_owned();
    let properties = resource.get("Properties")?;
    let mut variables = globals.clone();
    variables.extend(environment(&properties, scope)?);
    let mut routes = Vec::new();
    if let Some(events) = properties.find("Events") {
        for (_, event) in events.entries()? {
            if event.get("Type")?.as_text()? == "HttpApi" {
                let route = event.get("Properties")?;
                let method = route.get("Method")?.as_text()?.to_ascii_uppercase();
                routes.push(Route { method, path: route.get("Path")?.as_text()?.to_owned() });
            }
        }
    }
    Ok(Function { logical_id, binary, environment: variables, routes })
}

fn environment(owner: &Element<'_>, scope: &Scope<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(variables) = owner.find("Environment").and_then(|environment| environment.find("Variables")) else {
        return Ok(BTreeMap::new());
    };
    variables.entries()?.into_iter().map(|(name, value)| Ok((name, scope.resolve(&value)?.into_text()?))).collect()
}

#[cfg(test)]
mod tests;
