use std::collections::BTreeMap;
use std::path::Path;

use super::{Error, Route, Template};

const TEMPLATE: &str = "
Parameters:
  Issuer: {Type: String}
  Seconds: {Type: Number, Default: 3600}
  Protection: {Type: String, Default: 'true'}
  Tables: {Type: CommaDelimitedList, Default: 'none,none'}
Conditions:
  IsProtected: !Equals [!Ref Protection, 'true']
  OtherUsers: !Not [!Equals [!Select [1, !Ref Tables], none]]
Globals:
  Function:
    Environment:
      Variables:
        ISSUER: !Ref Issuer
        SECONDS: !Ref Seconds
        JWKS: !Sub '${Issuer}/jwks.json'
        TABLE: !GetAtt UsersName.Value
        SECRET: !Ref KeysetSecret
        LEVEL: !If [IsProtected, warn, debug]
Resources:
  UserLogin:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: rust-cargolambda
      BuildProperties: {Binary: user-login}
    Properties:
      Environment:
        Variables:
          LEVEL: info
          TABLE_ARN: {'Fn::GetAtt': [UsersTable, Arn]}
      Events:
        Route:
          Type: HttpApi
          Properties: {Method: post, Path: /user/login}
        Nightly:
          Type: Schedule
          Properties: {Schedule: rate(1 day)}
  UsersName:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: !If [OtherUsers, !Select [1, !Ref Tables], !Ref UsersTable]
  UsersTable:
    Type: AWS::DynamoDB::GlobalTable
    Properties:
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: tenant, AttributeType: S}
      KeySchema:
        - {AttributeName: pk, KeyType: HASH}
      GlobalSecondaryIndexes:
        - IndexName: by_tenant
          KeySchema: [{AttributeName: tenant, KeyType: HASH}, {AttributeName: pk, KeyType: RANGE}]
          Projection: {ProjectionType: ALL}
      BillingMode: PAY_PER_REQUEST
      Replicas: [{Region: !Ref AWS::Region, DeletionProtectionEnabled: !Ref Protection}]
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}
  KeysetSecret:
    Type: AWS::SecretsManager::Secret
    Properties:
      SecretString: '{\"keys\":[]}'
";

fn issuer() -> BTreeMap<String, String> {
    BTreeMap::from([("Issuer".to_owned(), "http://127.0.0.1:9000".to_owned())])
}

fn parse(text: &str) -> Result<Template, Error> {
    Template::parse(Path::new("template.yaml"), text, &issuer())
}

#[test]
fn a_function_has_the_globals_and_its_own_environment() {
    let functions = parse(TEMPLATE).unwrap().functions().unwrap();
    assert_eq!(functions.len(), 1);
    assert_eq!(functions[0].logical_id, "UserLogin");
    assert_eq!(functions[0].binary, "user-login");
    let expected = [
        ("ISSUER", "http://127.0.0.1:9000"),
        ("JWKS", "http://127.0.0.1:9000/jwks.json"),
        ("LEVEL", "info"),
        ("SECONDS", "3600"),
        ("SECRET", "KeysetSecret"),
        ("TABLE", "UsersTable"),
        ("TABLE_ARN", "arn:aws:dynamodb:us-east-1:123456789012:table/UsersTable"),
    ];
    let found: Vec<_> = functions[0].environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_table_is_the_one_that_a_parameter_names() {
    let mut parameters = issuer();
    parameters.insert("Tables".to_owned(), "none,restored".to_owned());
    let template = Template::parse(Path::new("template.yaml"), TEMPLATE, &parameters).unwrap();
    assert_eq!(template.functions().unwrap()[0].environment["TABLE"], "restored");
}

#[test]
fn only_events_of_the_http_api_are_routes() {
    let functions = parse(TEMPLATE).unwrap().functions().unwrap();
    assert_eq!(functions[0].routes, [Route { method: "POST".to_owned(), path: "/user/login".to_owned() }]);
}

#[test]
fn a_table_has_its_keys_indexes_and_ttl() {
    let tables = parse(TEMPLATE).unwrap().tables().unwrap();
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].name, "UsersTable");
    assert_eq!(tables[0].keys.len(), 1);
    assert_eq!(tables[0].attributes.len(), 2);
    assert_eq!(tables[0].indexes[0].name, "by_tenant");
    assert_eq!(tables[0].indexes[0].keys[1].attribute, "pk");
    assert_eq!(tables[0].ttl.as_deref(), Some("ttl"));
}

#[test]
fn a_secret_has_its_initial_value() {
    let secrets = parse(TEMPLATE).unwrap().secrets().unwrap();
    assert_eq!(secrets[0].name, "KeysetSecret");
    assert_eq!(secrets[0].initial, r#"{"keys":[]}"#);
}

#[track_caller]
fn assert_refused(from: &str, to: &str, expected: &str) {
    assert!(TEMPLATE.contains(from), "the test's template has no {from}");
    let template = parse(&TEMPLATE.replacen(from, to, 1));
    let refused = template.and_then(|template| {
        template.tables()?;
        template.secrets()?;
        template.functions()
    });
    assert_eq!(refused.unwrap_err().to_string(), expected);
}

#[test]
fn an_error_names_the_file_and_the_element() {
    assert_refused(
        "ISSUER: !Ref Issuer",
        "ISSUER: !Ref Isuer",
        "template.yaml: Globals.Function.Environment.Variables.ISSUER: refers to Isuer, which the template doesn't declare",
    );
    assert_refused(
        "ISSUER: !Ref Issuer",
        "ISSUER: !ImportValue Issuer",
        "template.yaml: Globals.Function.Environment.Variables.ISSUER: uses ImportValue, which the local cloud doesn't know",
    );
    assert_refused(
        "- {AttributeName: pk, KeyType: HASH}",
        "- {AttributeName: pk}",
        "template.yaml: Resources.UsersTable.Properties.KeySchema[0]: has no KeyType",
    );
    assert_refused(
        "BillingMode: PAY_PER_REQUEST",
        "LocalSecondaryIndexes: []",
        "template.yaml: Resources.UsersTable.Properties.LocalSecondaryIndexes: is a property that the local cloud doesn't know",
    );
    assert_refused(
        "      BuildProperties: {Binary: user-login}\n",
        "",
        "template.yaml: Resources.UserLogin.Metadata: has no BuildProperties",
    );
    assert_refused(
        "IsProtected: !Equals [!Ref Protection, 'true']",
        "IsProtected: !Condition IsProtected",
        "template.yaml: Conditions.IsProtected: is nested too deeply, or refers to itself",
    );
}

#[test]
fn a_parameter_needs_a_value() {
    let error = Template::parse(Path::new("template.yaml"), TEMPLATE, &BTreeMap::new()).unwrap_err();
    assert_eq!(error.to_string(), "template.yaml: Parameters.Issuer: has no default and was given no value");
}

#[test]
fn a_value_for_no_parameter_is_refused() {
    let mut parameters = issuer();
    parameters.insert("Isuer".to_owned(), "x".to_owned());
    let error = Template::parse(Path::new("template.yaml"), TEMPLATE, &parameters).unwrap_err();
    assert_eq!(error.to_string(), "template.yaml has no parameter Isuer");
}

#[test]
fn the_projects_own_template_is_understood() {
    let template = Template::read(&crate::template_path(), &issuer()).unwrap();
    let names: Vec<_> = template.tables().unwrap().into_iter().map(|table| table.name).collect();
    assert_eq!(names, ["CredentialsTable", "UsersTable", "TicketsTable", "AuthHeadersTable", "ApplicationsTable"]);
    let functions = template.functions().unwrap();
    assert!(functions.iter().all(|function| !function.environment.is_empty()));
    let rotations = template.rotations().unwrap();
    assert_eq!(rotations.len(), 1);
    assert_eq!((rotations[0].secret.as_str(), rotations[0].binary.as_str()), ("KeysetSecret", "rotate-signing-keys"));
    let secrets =
        |template: &Template| -> Vec<_> { template.secrets().unwrap().into_iter().map(|secret| secret.name).collect() };
    assert_eq!(secrets(&template), ["KeysetSecret"]);
    for usage in ["verify-only", "required"] {
        let mut peppered = issuer();
        peppered.insert("Pepper".to_owned(), usage.to_owned());
        let peppered = Template::read(&crate::template_path(), &peppered).unwrap();
        assert_eq!(secrets(&peppered), ["KeysetSecret", "PepperSecret"]);
        let functions = peppered.functions().unwrap();
        assert_eq!(functions[0].environment["OSTIARY_PEPPER_SECRET_ID"], "PepperSecret");
    }
    let mut never = issuer();
    never.insert("KeyRotationDays".to_owned(), "0".to_owned());
    assert_eq!(Template::read(&crate::template_path(), &never).unwrap().rotations().unwrap(), []);
}
