//! The description of the API, and that nothing else is in its way.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use local::cloud::Cloud;
use local::docs::{Front, PATH};
use serde_json::Value;

/// A front before what listens at `port`, and its own port.
fn front(port: u16) -> (Front, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    (Front::start(listener, port).unwrap(), own)
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

fn answer(port: u16, request: &str) -> String {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    text
}

fn unused_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn the_page_holds_every_operation_and_asks_nobody_else_for_anything() {
    let (_front, port) = front(unused_port());
    let answer = answer(port, &format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"));
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");

    let (_, document) = page.split_once("<script type=\"application/json\" id=\"document\">").unwrap();
    let shown: Value = serde_json::from_str(document.split_once("</script>").unwrap().0).unwrap();
    let described = std::fs::read_to_string(local::workspace().join("docs/openapi.json")).unwrap();
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(shown, described, "docs/api.html is not current. Update it by: tools/api_page.py");

    let policy =
        page.split_once("http-equiv=\"Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe-eval"), "{policy}");
}

#[test]
fn everything_else_is_handed_on_as_it_came() {
    // Any server of ours will do: this one looks at headers, path and body, and its client at all of the answer.
    let cloud = Cloud::in_memory(&BTreeMap::from([
        ("Issuer".to_owned(), "http://127.0.0.1:9000".to_owned()),
        ("DefaultTenant".to_owned(), "demo".to_owned()),
    ]))
    .unwrap();
    let (front, port) = front(port(&cloud.dynamodb_url()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tables = |url: String| {
        let names = runtime.block_on(local::dynamodb::client(&url).list_tables().send()).unwrap();
        names.table_names().to_vec()
    };
    let direct = tables(cloud.dynamodb_url());
    assert_eq!(tables(format!("http://127.0.0.1:{port}")), direct);
    assert!(!direct.is_empty());

    let request =
        format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}");
    assert!(!answer(port, &request).starts_with("HTTP/1.1 200 "), "the page is for reading");
    drop(front);
}

#[test]
fn functions_that_are_gone_are_a_bad_gateway() {
    let (_front, port) = front(unused_port());
    let answer = answer(port, "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}
