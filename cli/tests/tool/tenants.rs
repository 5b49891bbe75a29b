//! `ostiary tenant`.

use crate::cloud;

#[test]
fn a_tenant_is_made_once_and_listed() {
    let (_cloud, tool) = cloud();
    assert!(tool.run(&["tenant", "list"]).stdout.contains("no tenant yet"));
    assert_eq!(tool.json(&["tenant", "list"]).json()["tenants"].as_array().map(Vec::len), Some(0));

    let made = tool.json(&["tenant", "create", "acme"]).json();
    assert_eq!(made["name"], "acme");
    assert!(made["created"].as_str().is_some_and(|date| date.ends_with('Z')), "{made}");

    let again = tool.json(&["tenant", "create", "acme"]).error(1);
    assert_eq!(again["field"], "name");
    assert_eq!(again["error"], "the tenant acme exists already");
    let again = tool.run(&["tenant", "create", "acme"]);
    assert_eq!((again.code, again.stderr.as_str()), (1, "error: the tenant acme exists already\n"));

    assert_eq!(tool.run(&["tenant", "create", "Acme"]).code, 0, "names are compared exactly");
    let list = tool.run(&["tenant", "list"]);
    let lines: Vec<_> = list.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME  CREATED"), "{}", list.stdout);
    assert!(lines[1].starts_with("Acme  20") && lines[2].starts_with("acme  20"), "{}", list.stdout);
}

#[test]
fn a_bad_name_is_refused_with_its_rule() {
    let (_cloud, tool) = cloud();
    let bad = tool.json(&["tenant", "create", "a/b"]).error(2);
    assert_eq!(bad["field"], "name");
    assert!(bad["error"].as_str().unwrap().starts_with("name must be 1 to 64 letters"), "{bad}");
    let bad = tool.run(&["tenant", "create", "a/b"]);
    assert_eq!(bad.code, 2);
    assert!(bad.stderr.contains("must be 1 to 64 letters"), "{}", bad.stderr);
}
