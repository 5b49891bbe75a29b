//! `ostiary access-token`.

use std::path::Path;

use shared::secret::Token;

use crate::cloud_with_tenant;

#[test]
fn a_token_is_shown_once_and_then_known_by_its_id() {
    let (_cloud, tool) = cloud_with_tenant();
    assert!(tool.run(&["access-token", "list"]).stdout.contains("no access token yet"));
    let create = ["access-token", "create", "--application", "shop", "--expires", "2999-12-31T00:00:00Z"];
    let rights = ["--tenant", "acme=MANAGE_TICKETS,READ_TENANT", "--tenant", "*=CREATE_TENANT"];
    let mut made = tool.json(&[&create[..], &rights].concat()).json();
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("osa_"));
    assert_eq!(made["id"], Token::new(token.clone()).digest().to_base64url());
    assert_eq!(
        made["tenantPermissions"],
        serde_json::json!([
            { "tenant": "acme", "allowedActions": ["READ_TENANT", "MANAGE_TICKETS"] },
            { "tenant": "*", "allowedActions": ["CREATE_TENANT"] },
        ])
    );
    assert_eq!((&made["expires"], &made["expired"]), (&"2999-12-31T00:00:00Z".into(), &false.into()));

    let list = tool.json(&["access-token", "list"]);
    assert!(!list.stdout.contains(&token), "{}", list.stdout);
    made.as_object_mut().unwrap().remove("token");
    assert_eq!(list.json()["accessTokens"], serde_json::json!([made]));

    let text = tool.run(&["access-token", "list"]).stdout;
    assert!(text.contains("acme=READ_TENANT,MANAGE_TICKETS *=CREATE_TENANT"), "{text}");
    assert!(!text.contains(&token), "{text}");
}

#[test]
fn a_token_for_people_comes_with_the_advice_to_keep_it() {
    let (_cloud, tool) = cloud_with_tenant();
    let made = tool.run(&["access-token", "create", "--application", "console", "--master"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.starts_with("token:       osa_"), "{}", made.stdout);
    assert!(made.stdout.contains("\nmaster:      yes\n"), "{}", made.stdout);
    assert!(made.stderr.contains("not shown again"), "{}", made.stderr);
}

#[test]
fn a_token_is_deleted_by_id_or_from_standard_input_and_is_no_argument() {
    let (_cloud, tool) = cloud_with_tenant();
    let create = || tool.json(&["access-token", "create", "--application", "shop", "--tenant", "*"]).json();
    let text = |made: &serde_json::Value, member: &str| made[member].as_str().unwrap().to_owned();
    let delete = |which: &str, input: &str| {
        let arguments = ["access-token", "delete", which, "--output", "json"];
        tool.run_with(&arguments, input, Path::new("."))
    };

    let (one, two, three) = (create(), create(), create());
    let deleted = delete(&text(&one, "id"), "").json();
    assert_eq!((&deleted["id"], &deleted["application"]), (&one["id"], &"shop".into()));
    let refused = delete(&text(&two, "token"), "");
    assert_eq!(refused.error(2)["field"], "token");
    assert!(!refused.stderr.contains(&text(&two, "token")), "{}", refused.stderr);
    delete("-", &format!("{}\n", text(&two, "id"))).json();
    delete("-", &format!("{}\n", text(&three, "token"))).json();
    assert_eq!(tool.json(&["access-token", "list"]).json()["accessTokens"], serde_json::json!([]));

    for gone in [text(&one, "id"), text(&two, "id"), "--never-made".to_owned()] {
        let refused = delete(&gone, "");
        assert_eq!(refused.error(1)["field"], "token");
        assert!(!refused.stderr.contains(&gone), "{}", refused.stderr);
    }
}

#[test]
fn an_expiry_in_the_past_is_refused_with_the_time() {
    let (_cloud, tool) = cloud_with_tenant();
    let create = ["access-token", "create", "--application", "shop", "--tenant", "*", "--expires"];
    let error = tool.json(&[&create[..], &["2020-01-01T00:00:00+01:00"]].concat()).error(2);
    assert_eq!(error["field"], "expires");
    let told = error["error"].as_str().unwrap();
    assert!(told.starts_with("expires must be in the future; 2019-12-31T23:00:00Z is past, it is 2"), "{told}");
    let error = tool.json(&[&create[..], &["tomorrow"]].concat()).error(2);
    assert!(error["error"].as_str().unwrap().contains("such as 2027-12-31T00:00:00Z"), "{error}");
    assert_eq!(tool.json(&["access-token", "list"]).json()["accessTokens"], serde_json::json!([]));
}

#[test]
fn bad_input_names_its_argument() {
    let (_cloud, tool) = cloud_with_tenant();
    for (arguments, field) in [
        (&["--application", "shop", "--tenant", "acme"][..], "tenant"),
        (&["--application", "shop", "--tenant", "acme=READ"], "tenant"),
        (&["--application", "shop"], "tenant"),
        (&["--application", " ", "--master"], "application"),
        (&["--master"], "application"),
    ] {
        let error = tool.json(&[&["access-token", "create"], arguments].concat()).error(2);
        assert_eq!(error["field"], field, "{error}");
    }
}

#[test]
fn a_right_in_a_tenant_that_is_not_there_is_warned_of() {
    let (_cloud, tool) = cloud_with_tenant();
    let create = ["access-token", "create", "--application", "shop", "--tenant", "amce=*"];
    let made = tool.run(&create);
    assert_eq!(made.code, 0);
    assert!(made.stderr.starts_with("warning: there is no tenant amce yet\n"), "{}", made.stderr);
    let made = tool.json(&create);
    assert_eq!(made.stderr, "{\"warning\":\"there is no tenant amce yet\"}\n");
}
