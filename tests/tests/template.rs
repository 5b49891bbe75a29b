//! What the template promises beyond its routes: each function may do what its code does and nothing else, data survives
//! whatever is changed, logs hold no secret, and a new setting reaches the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use shared::api::{ROUTES, UNROUTED};
use tests::template::{functions, members, parsed, resources, template, text};
use tests::{note, read, workspace};

/// What a function may do: for each table, secret or bus its actions.
type Rights = BTreeMap<String, BTreeSet<String>>;

/// The policy that a function has where its condition holds, if it has one; it has none otherwise.
fn unconditional(policy: &Value) -> &Value {
    let Some(choice) = policy.get("Fn::If") else { return policy };
    assert_eq!((&choice[0], &choice[2]), (&json!("HasPepper"), &json!({ "Ref": "AWS::NoValue" })));
    &choice[1]
}

/// The one bus that events may be put on.
const EVENT_BUS: &str = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}";

/// The resource of a statement: a table in use, its index, a secret in use, or the event bus.
fn resource(statement: &Value) -> String {
    let resource = &statement["Resource"];
    if let Some(arn) = resource["Fn::Sub"].as_str() {
        if arn == EVENT_BUS {
            return "Event bus".to_owned();
        }
        let (table, index) = arn.split_once(".Value}/index/").unwrap_or_else(|| panic!("{arn} is no index"));
        return format!("{}, index {index}", table.strip_prefix("${").unwrap().strip_suffix("Arn").unwrap());
    }
    let attribute =
        resource["Fn::GetAtt"].as_str().unwrap_or_else(|| panic!("{resource} names nothing of the template"));
    attribute.strip_suffix("Arn.Value").unwrap_or_else(|| panic!("{attribute} is no ARN in use")).to_owned()
}

/// What each function may do.
fn rights(template: &Value) -> BTreeMap<&str, Rights> {
    let globals = &template["Globals"]["Function"];
    assert!(globals.get("Policies").is_none() && globals.get("Role").is_none(), "no right is given to all at once");
    let mut found: BTreeMap<&str, Rights> = BTreeMap::new();
    for (id, name, function) in functions(template) {
        let properties = &function["Properties"];
        assert!(properties.get("Role").is_none(), "{id} has a role from elsewhere");
        let rights = found.entry(name).or_default();
        for policy in properties["Policies"].as_array().into_iter().flatten() {
            for statement in unconditional(policy)["Statement"].as_array().unwrap() {
                assert_eq!(statement["Effect"], "Allow", "{id}");
                let keys: BTreeSet<&str> = members(statement).map(|(key, _)| key.as_str()).collect();
                let known = BTreeSet::from(["Sid", "Effect", "Action", "Resource", "Condition"]);
                assert!(keys.is_subset(&known), "{id}: {keys:?}");
                let actions = statement["Action"].as_array().unwrap().iter().map(|action| text(action).to_owned());
                rights.entry(resource(statement)).or_default().extend(actions);
            }
        }
    }
    found
}

const PERMISSIONS: &str = "docs/permissions.md";

/// The page of permissions, in the order of the routes.
fn page(rights: &BTreeMap<&str, Rights>) -> String {
    let names = ROUTES.iter().map(|route| route.name).chain(UNROUTED.iter().map(|function| function.name));
    let mut page = String::from(
        "# Permissions\n\n\
         What each function may do in AWS, beside writing its log. Made from [template.yaml](../template.yaml) by \
         `UPDATE_PERMISSIONS=1\ncargo test -p tests --test template`; a change of it is a change of what a break-in into \
         that function can do, so read it as\none. The deployment that CI runs in an emulator holds each function to its \
         role, and takes every single permission away\nonce, to see that something fails then \
         (`tests/emulator/`).\n\n\
         Actions on tables and indexes are DynamoDB's, on `Keyset` and `Pepper` Secrets Manager's, on the event bus \
         EventBridge's.\n`Pepper` is allowed only where the stack has one. Lambda's own policy for logs \
         (`AWSLambdaBasicExecutionRole`) and, where\n`Tracing` is on, X-Ray's, come with SAM; AWS limits neither to one \
         resource.\n\n\
         | Function | Resource | Actions |\n|---|---|---|\n",
    );
    for name in names {
        let rights = &rights[name];
        if rights.is_empty() {
            writeln!(page, "| `{name}` | none | |").unwrap();
        }
        for (index, (resource, actions)) in rights.iter().enumerate() {
            let name = if index == 0 { format!("`{name}`") } else { String::new() };
            let actions: Vec<&str> = actions.iter().map(|action| action.split_once(':').unwrap().1).collect();
            writeln!(page, "| {name} | {resource} | {} |", actions.join(", ")).unwrap();
        }
    }
    page
}

#[test]
fn each_function_may_do_what_is_listed_and_nothing_else() {
    let template = template();
    let generated = page(&rights(&template));
    let path = workspace().join(PERMISSIONS);
    if std::env::var_os("UPDATE_PERMISSIONS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{PERMISSIONS} is not current. Look at what you changed, then: UPDATE_PERMISSIONS=1 cargo test -p tests --test template"
    );
}

/// Of each service, the actions that a function may have at all: none that makes, lists or deletes what others own.
const KNOWN_ACTIONS: [&str; 11] = [
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
    "events:PutEvents",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
];

#[test]
fn no_function_may_do_what_none_needs() {
    let template = template();
    for (name, rights) in rights(&template) {
        for action in rights.values().flatten() {
            assert!(KNOWN_ACTIONS.contains(&action.as_str()), "{name} may {action}");
        }
    }
}

#[test]
fn who_only_asks_whose_a_name_is_may_read_no_hash() {
    let template = template();
    let policies = &template["Resources"]["Api1ProfileByUsername"]["Properties"]["Policies"];
    let statements = policies[0]["Statement"].as_array().unwrap();
    let credentials = statements.iter().filter(|statement| resource(statement) == "Credentials");
    let conditions: Vec<&Value> = credentials.map(|statement| &statement["Condition"]).collect();
    let expected = json!({
        "ForAllValues:StringEquals": { "dynamodb:Attributes": ["pk", "user"] },
        // Who names no attributes would be given all.
        "StringEqualsIfExists": { "dynamodb:Select": "SPECIFIC_ATTRIBUTES" },
    });
    assert_eq!(conditions, [&expected]);
}

fn takes_passwords(function: &Value) -> bool {
    function["Properties"]["MemorySize"] == json!({ "Ref": "PasswordMemoryMiB" })
}

#[test]
fn only_those_who_take_a_password_may_read_the_pepper() {
    let template = template();
    let rights = rights(&template);
    for (id, name, function) in functions(&template) {
        assert_eq!(rights[name].contains_key("Pepper"), takes_passwords(function), "{id}");
    }
}

#[test]
fn a_flood_of_passwords_is_held_back_wherever_one_is_taken() {
    let template = template();
    let settings = &template["Resources"]["Api"]["Properties"]["RouteSettings"];
    let throttle = json!({
        "ThrottlingRateLimit": { "Ref": "LoginRateLimit" }, "ThrottlingBurstLimit": { "Ref": "LoginBurstLimit" },
    });
    let reserved = json!({
        "Fn::If": ["HasLoginConcurrency", { "Ref": "LoginConcurrency" }, { "Ref": "AWS::NoValue" }],
    });
    for (id, _, function) in functions(&template) {
        let properties = &function["Properties"];
        let expected = if takes_passwords(function) { &reserved } else { &Value::Null };
        assert_eq!(&properties["ReservedConcurrentExecutions"], expected, "{id}");
        let events = properties["Events"].as_object().into_iter().flatten().filter(|_| takes_passwords(function));
        for route in events.map(|(_, event)| &event["Properties"]) {
            let route = format!("{} {}", text(&route["Method"]), text(&route["Path"]));
            assert_eq!(settings[&route], throttle, "{route}");
        }
    }
    let all = &template["Resources"]["Api"]["Properties"]["DefaultRouteSettings"];
    let expected =
        json!({ "ThrottlingRateLimit": { "Ref": "RateLimit" }, "ThrottlingBurstLimit": { "Ref": "BurstLimit" } });
    assert_eq!(all, &expected, "and every other route has its own limit");
}

#[test]
fn nothing_is_allowed_by_a_wildcard() {
    fn statements<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Object(members) if members.contains_key("Effect") && members.contains_key("Action") => {
                found.push(value);
            }
            Value::Object(members) => members.values().for_each(|value| statements(value, found)),
            Value::Array(items) => items.iter().for_each(|value| statements(value, found)),
            _ => {}
        }
    }
    let template = template();
    let mut found = Vec::new();
    statements(&template["Resources"], &mut found);
    let (denied, allowed): (Vec<&Value>, Vec<&Value>) = found.into_iter().partition(|it| it["Effect"] == "Deny");
    assert!(allowed.len() > 100 && !denied.is_empty());
    for statement in &allowed {
        assert_eq!(statement["Effect"], "Allow");
        assert!(!statement.to_string().contains('*'), "{statement}");
    }
    note("Q28", "statements-without-a-wildcard", allowed.len());
    for (id, secret) in resources(&template, "AWS::SecretsManager::Secret").filter(|(id, _)| *id != "EdgeSecret") {
        let policy = &template["Resources"][format!("{id}Policy")]["Properties"];
        assert_eq!((&policy["SecretId"], &policy["BlockPublicPolicy"]), (&json!({ "Ref": id }), &json!(true)));
        assert_eq!(policy["ResourcePolicy"]["Statement"][0]["Effect"], "Deny", "{secret}");
    }
}

#[test]
fn every_table_is_kept_backed_up_encrypted_and_swept() {
    let template = template();
    let tables: Vec<_> = resources(&template, "AWS::DynamoDB::GlobalTable").collect();
    assert_eq!(tables.len(), 5);
    for (id, table) in tables {
        let properties = &table["Properties"];
        assert_eq!(
            (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain")),
            "{id}"
        );
        assert_eq!(properties["TimeToLiveSpecification"], json!({ "AttributeName": "ttl", "Enabled": true }), "{id}");
        assert_eq!(properties["SSESpecification"], json!({ "SSEEnabled": true, "SSEType": "KMS" }), "{id}");
        assert!(properties.get("TableName").is_none(), "{id}: a second stack stands beside the first");
        let replicas = properties["Replicas"].as_array().unwrap();
        assert_eq!(replicas.len(), 2, "{id}");
        for replica in [&replicas[0], &replicas[1]["Fn::If"][1]] {
            assert_eq!(replica["DeletionProtectionEnabled"], json!({ "Ref": "DeletionProtection" }), "{id}");
            let backups = &replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
            assert_eq!(backups, &json!(true), "{id}");
        }
    }
    for (id, secret) in resources(&template, "AWS::SecretsManager::Secret").filter(|(id, _)| *id != "EdgeSecret") {
        assert_eq!(
            (&secret["DeletionPolicy"], &secret["UpdateReplacePolicy"]),
            (&json!("Retain"), &json!("Retain")),
            "{id}"
        );
        assert!(secret["Properties"].get("Name").is_none(), "{id}");
    }
}

/// Properties of a table that `CloudFormation` can only change by replacing the table. No parameter may reach one.
const REPLACING: [&str; 4] = ["KeySchema", "LocalSecondaryIndexes", "TableName", "AttributeDefinitions"];

#[test]
fn no_parameter_replaces_a_table() {
    let template = template();
    for (id, table) in resources(&template, "AWS::DynamoDB::GlobalTable") {
        for property in REPLACING {
            let value = table["Properties"][property].to_string();
            assert!(!value.contains("Ref") && !value.contains("Fn::"), "{id}.{property}: {value}");
        }
    }
}

#[test]
fn the_access_log_holds_no_header_address_path_or_query() {
    let template = template();
    let format = text(&template["Resources"]["Api"]["Properties"]["AccessLogSettings"]["Format"]);
    let variables: BTreeSet<&str> = format.split('"').filter_map(|part| part.strip_prefix("$context.")).collect();
    let expected = BTreeSet::from([
        "requestId",
        "requestTimeEpoch",
        "routeKey",
        "status",
        "responseLength",
        "responseLatency",
        "integrationLatency",
        "integrationStatus",
        "error.responseType",
    ]);
    assert_eq!(variables, expected);
    assert_eq!(format.matches('$').count(), expected.len(), "every variable is one of these");
}

/// Parameters that the value refers to, the conditions in it followed.
fn parameters<'a>(template: &'a Value, value: &'a Value, found: &mut BTreeSet<&'a str>) {
    let declared = |name: &str| template["Parameters"].get(name).is_some();
    match value {
        Value::Object(object) => {
            for (key, argument) in object {
                match (key.as_str(), argument) {
                    ("Ref", Value::String(name)) if declared(name) => {
                        found.insert(name);
                    }
                    ("Fn::If", Value::Array(choice)) => {
                        parameters(template, &template["Conditions"][text(&choice[0])], found);
                    }
                    ("Condition", Value::String(name)) => parameters(template, &template["Conditions"][name], found),
                    ("Fn::Sub", Value::String(text)) => found.extend(names(text).filter(|name| declared(name))),
                    _ => {}
                }
                parameters(template, argument, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| parameters(template, item, found)),
        _ => {}
    }
}

/// The names between `${` and `}`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// What changes no published version: the alias leads to another one, or it is a setting of the function and not of its
/// versions.
const OF_NO_VERSION: [&str; 6] = [
    "DeploymentPreference",
    "Policies",
    "Events",
    "ReservedConcurrentExecutions",
    "LoggingConfig",
    "VersionDescription",
];

#[test]
fn a_new_setting_makes_a_new_version_of_every_function() {
    let template = template();
    let content = &template["Resources"]["Settings"]["Properties"]["Content"]["Fn::Sub"];
    // Not by its pointer, which is not there without a pepper.
    assert_eq!(content[1], json!({ "PepperSecret": { "Fn::Select": [1, { "Ref": "Secrets" }] } }));
    let content = text(&content[0]);
    let document: BTreeMap<String, String> = serde_json::from_str(content).expect("the settings are JSON");
    let listed: BTreeSet<&str> = names(content).collect();
    assert_eq!(document.len(), listed.len(), "each is there once");

    let globals = &template["Globals"]["Function"];
    let variables = &globals["Environment"]["Variables"];
    let version = json!({ "Fn::GetAtt": "Settings.VersionNumber" });
    assert_eq!(variables["OSTIARY_SETTINGS_VERSION"], version);
    assert_eq!(globals["AutoPublishAlias"], "live");
    let mut needed = BTreeSet::new();
    let relevant = |properties: &'_ Value| -> Vec<(String, Value)> {
        let own = members(properties).filter(|(name, _)| !OF_NO_VERSION.contains(&name.as_str()));
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut properties = relevant(globals);
    for (id, _, function) in functions(&template) {
        assert_eq!(function["Properties"]["VersionDescription"], version, "{id}");
        assert_eq!(function["Properties"]["AutoPublishAliasAllProperties"], true, "{id}");
        assert!(function["Properties"].get("AutoPublishAlias").is_none(), "{id}");
        properties.extend(relevant(&function["Properties"]));
    }
    for (_, value) in &properties {
        let mut found = BTreeSet::new();
        parameters(&template, value, &mut found);
        needed.extend(found.into_iter().map(str::to_owned));
    }
    // The tables and secrets in use stand for the parameters that choose them.
    for (_, value) in members(variables) {
        if let Some(pointer) = value["Fn::GetAtt"].as_str().filter(|it| it.ends_with(".Value")) {
            assert!(listed.contains(pointer), "{pointer} reaches the functions and not the settings");
        }
    }
    let missing: Vec<&String> = needed.iter().filter(|name| !listed.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "reach the functions and not the settings: {missing:?}");
}

#[test]
fn other_apis_call_the_alias_of_the_authorizer() {
    let template = template();
    let alias = json!({ "Ref": "Authorizer.Alias" });
    assert_eq!(template["Resources"]["AuthorizerPermission"]["Properties"]["FunctionName"], alias);
    assert_eq!(template["Outputs"]["AuthorizerArn"]["Value"], alias);
}

/// A kept yes lets in what was ended meanwhile: where an example has our authorizer, it keeps none, and what an answer
/// would be kept by is said of those that read more than one header.
#[test]
fn no_example_keeps_what_the_authorizer_answered() {
    fn identities<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        if let Value::Object(members) = value {
            if members.contains_key("FunctionArn") {
                found.push(value);
            }
            members.values().for_each(|value| identities(value, found));
        }
    }
    let mut kept = 0;
    for example in ["http-api-with-authorizer", "rest-api"] {
        let template = parsed(&read(&format!("examples/{example}/template.yaml")));
        let mut found = Vec::new();
        identities(&template["Resources"], &mut found);
        assert_eq!(found.len(), 2, "{example}");
        for authorizer in found {
            assert_eq!(authorizer["Identity"]["ReauthorizeEvery"], 0, "{example}: {authorizer}");
            kept += 1;
        }
    }
    note("Q28", "authorizers-that-keep-nothing", kept);
}

#[test]
fn every_parameter_is_described_bounded_and_grouped() {
    let template = template();
    let groups = &template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"];
    let mut grouped = Vec::new();
    for group in groups.as_array().unwrap() {
        grouped.extend(group["Parameters"].as_array().unwrap().iter().map(text));
    }
    let declared: BTreeSet<&str> = members(&template["Parameters"]).map(|(name, _)| name.as_str()).collect();
    assert_eq!(grouped.len(), declared.len(), "each is in one group");
    assert_eq!(grouped.into_iter().collect::<BTreeSet<_>>(), declared);
    for (name, parameter) in members(&template["Parameters"]) {
        assert!(!text(&parameter["Description"]).is_empty(), "{name}");
        let bounded = ["AllowedValues", "AllowedPattern", "MinValue"].iter().any(|rule| parameter.get(rule).is_some());
        assert!(bounded, "{name} takes anything");
        let explained = parameter.get("AllowedPattern").is_none() || parameter.get("ConstraintDescription").is_some();
        assert!(explained, "{name}: a pattern tells nobody what is wrong");
    }
}

#[test]
fn every_alarm_leads_to_its_page_and_watches_what_there_is() {
    let template = template();
    let page = tests::read("docs/operations.md");
    let alarms: Vec<_> = resources(&template, "AWS::CloudWatch::Alarm").collect();
    assert!(alarms.len() >= 9);
    for (id, alarm) in &alarms {
        let link = format!("docs/operations.md#{}", id.to_ascii_lowercase());
        assert!(text(&alarm["Properties"]["AlarmDescription"]).ends_with(&link), "{id}");
        assert!(page.contains(&format!("\n### {id}\n")), "docs/operations.md has no section {id}");
        for told in ["AlarmActions", "OKActions"] {
            let topic = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
            assert_eq!(alarm["Properties"][told], topic, "{id}");
        }
    }
    let known: BTreeSet<&str> = shared::metrics::ALL.iter().map(|metric| metric.name).collect();
    let mut watched = BTreeSet::new();
    for (id, alarm) in &alarms {
        let all = alarm["Properties"]["Metrics"].as_array().into_iter().flatten();
        let metrics = all.map(|metric| &metric["MetricStat"]["Metric"]).chain([&alarm["Properties"]]);
        for metric in metrics.filter(|metric| metric["Namespace"] == shared::metrics::NAMESPACE) {
            let Some(name) = metric["MetricName"].as_str() else { continue };
            assert!(known.contains(name), "{id} watches {name}, which nobody writes");
            let stack = json!([{ "Name": shared::metrics::STACK, "Value": { "Ref": "AWS::StackName" } }]);
            assert_eq!(metric["Dimensions"], stack, "{id}");
            watched.insert(name);
        }
    }
    assert_eq!(watched, BTreeSet::from(["LoginFailures", "Lockouts", "SigningKeyAge"]));
}

#[test]
fn the_dashboard_shows_every_metric_and_none_that_nobody_writes() {
    let template = template();
    let body = text(&template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]);
    let body: Value = serde_json::from_str(body).expect("the dashboard is JSON");
    let mut shown = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            if metric[0] == shared::metrics::NAMESPACE && metric[2] == shared::metrics::STACK {
                shown.insert(text(&metric[1]).to_owned());
            }
            if let Some(expression) = metric[0]["expression"].as_str() {
                let name = expression.split("MetricName=\"").nth(1).unwrap().split('"').next().unwrap();
                let by = shared::metrics::ALL.iter().find(|metric| metric.name == name).and_then(|it| it.by.as_ref());
                let by = by.unwrap_or_else(|| panic!("{name} has no second dimension"));
                assert!(expression.contains(&format!("{{Ostiary,Stack,{}}}", by.name)), "{expression}");
                shown.insert(name.to_owned());
            }
        }
    }
    let known: BTreeSet<String> = shared::metrics::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(shown, known);
}

#[test]
fn what_stands_in_front_is_believed_for_what_it_sets_itself() {
    let template = template();
    let resources = &template["Resources"];
    let code = text(&resources["EdgeViewer"]["Properties"]["FunctionCode"]);
    assert!(
        code.contains(&format!("request.headers['{}'] = {{ value: event.viewer.ip }};", shared::edge::VIEWER_HEADER))
    );
    let edge = &resources["Edge"]["Properties"]["DistributionConfig"];
    assert_eq!(edge["WebACLId"], json!({ "Ref": "WebAclArn" }));
    let secret = json!([{
        "HeaderName": shared::edge::SECRET_HEADER, "HeaderValue": { "Fn::GetAtt": "EdgeKey.Value" },
    }]);
    assert_eq!(edge["Origins"][0]["OriginCustomHeaders"], secret);
    assert_eq!(edge["Origins"][0]["CustomOriginConfig"]["OriginProtocolPolicy"], "https-only");
    let behavior = &edge["DefaultCacheBehavior"];
    let function =
        json!([{ "EventType": "viewer-request", "FunctionARN": { "Fn::GetAtt": "EdgeViewer.FunctionARN" } }]);
    assert_eq!(behavior["FunctionAssociations"], function);
    // AWS's own CachingDisabled and AllViewerExceptHostHeader.
    assert_eq!(behavior["CachePolicyId"], "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
    assert_eq!(behavior["OriginRequestPolicyId"], "b689b0a8-53d0-40ab-baf2-68738e2966ac");
    assert!(edge.get("CacheBehaviors").is_none(), "and every path is treated alike");
    let errors = edge["CustomErrorResponses"].as_array().unwrap();
    let kept = errors.iter().filter(|error| error["ErrorCachingMinTTL"] != 0).count();
    assert_eq!((errors.len(), kept), (10, 0));
    let policy = &edge["ViewerCertificate"]["MinimumProtocolVersion"];
    assert_eq!(policy, "TLSv1.2_2021");
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    let key = json!({ "Fn::If": ["HasEdge", { "Fn::GetAtt": "EdgeKey.Value" }, "none"] });
    assert_eq!(variables["OSTIARY_EDGE"], key);
}
