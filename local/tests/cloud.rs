//! The local cloud behaves like the services it stands for, as far as the functions rely on them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, KeysAndAttributes, Put, TimeToLiveStatus, TransactWriteItem,
};
use local::{Cloud, Folder, Template, demo, dynamodb, secrets};

const TABLE: &str = "TicketsTable";

fn parameters() -> BTreeMap<String, String> {
    BTreeMap::from([("Issuer".to_owned(), "http://127.0.0.1:9000".to_owned())])
}

fn in_memory() -> Cloud {
    Cloud::in_memory(&parameters()).unwrap()
}

fn in_folder(path: &Path) -> Cloud {
    let template = Template::read(&local::template_path(), &parameters()).unwrap();
    Cloud::start(&template, Some(Folder::take(path).unwrap())).unwrap()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn key(pk: &str, sk: &str) -> std::collections::HashMap<String, AttributeValue> {
    [("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))].into()
}

async fn create(client: &aws_sdk_dynamodb::Client, pk: &str) -> Result<(), aws_sdk_dynamodb::Error> {
    let put = client.put_item().table_name(TABLE).set_item(Some(key(pk, "T")));
    put.condition_expression("attribute_not_exists(pk)").send().await?;
    Ok(())
}

#[tokio::test]
async fn an_item_is_created_once() {
    let cloud = in_memory();
    let client = dynamodb::client(&cloud.dynamodb_url());
    create(&client, "one").await.unwrap();
    let again = create(&client, "one").await.unwrap_err();
    assert!(matches!(again, aws_sdk_dynamodb::Error::ConditionalCheckFailedException(_)), "{again:?}");
}

#[tokio::test]
async fn one_batch_reads_from_several_tables() {
    let cloud = in_memory();
    let client = dynamodb::client(&cloud.dynamodb_url());
    create(&client, "one").await.unwrap();
    let user = client.put_item().table_name("UsersTable").item("pk", text("user"));
    user.item("tenant", text("demo")).item("name", text("demo")).send().await.unwrap();
    let tickets = KeysAndAttributes::builder().consistent_read(true).keys(key("one", "T")).keys(key("two", "T"));
    let users = KeysAndAttributes::builder().consistent_read(true).keys([("pk".to_owned(), text("user"))].into());
    let batch = client.batch_get_item().request_items(TABLE, tickets.build().unwrap());
    let answer = batch.request_items("UsersTable", users.build().unwrap()).send().await.unwrap();
    let found = answer.responses.unwrap();
    assert_eq!((found[TABLE].len(), found["UsersTable"].len()), (1, 1));
    assert!(answer.unprocessed_keys.is_none_or(|keys| keys.is_empty()));
}

#[tokio::test]
async fn a_cancelled_transaction_says_which_condition_failed_and_changes_nothing() {
    let cloud = in_memory();
    let client = dynamodb::client(&cloud.dynamodb_url());
    create(&client, "taken").await.unwrap();
    let put = |pk| {
        let put = Put::builder().table_name(TABLE).set_item(Some(key(pk, "T")));
        let put = put.condition_expression("attribute_not_exists(pk)").build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let error = client.transact_write_items().transact_items(put("free")).transact_items(put("taken")).send().await;
    let error = error.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(error) =
        error
    else {
        panic!("not cancelled: {error:?}");
    };
    let codes: Vec<_> = error.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("")).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    let free = client.get_item().table_name(TABLE).set_key(Some(key("free", "T"))).send().await.unwrap();
    assert!(free.item.is_none());
}

#[tokio::test]
async fn a_repeated_transaction_with_its_token_is_done_once() {
    let cloud = in_memory();
    let client = dynamodb::client(&cloud.dynamodb_url());
    create(&client, "one").await.unwrap();
    let delete = Delete::builder().table_name(TABLE).set_key(Some(key("one", "T")));
    let delete = delete.condition_expression("attribute_exists(pk)").build().unwrap();
    let check = ConditionCheck::builder().table_name(TABLE).set_key(Some(key("other", "T")));
    let check = check.condition_expression("attribute_not_exists(pk)").build().unwrap();
    for _ in 0..2 {
        let transaction = client.transact_write_items().client_request_token("0123456789");
        let transaction = transaction.transact_items(TransactWriteItem::builder().delete(delete.clone()).build());
        let check = TransactWriteItem::builder().condition_check(check.clone()).build();
        transaction.transact_items(check).send().await.unwrap();
    }
}

#[tokio::test]
async fn every_table_of_the_template_is_there_with_its_ttl() {
    let cloud = in_memory();
    let client = dynamodb::client(&cloud.dynamodb_url());
    for table in cloud.template().tables().unwrap() {
        let ttl = client.describe_time_to_live().table_name(&table.name).send().await.unwrap();
        let ttl = ttl.time_to_live_description.unwrap();
        assert_eq!(ttl.time_to_live_status, Some(TimeToLiveStatus::Enabled), "{}", table.name);
        assert_eq!(ttl.attribute_name, table.ttl);
    }
}

#[tokio::test]
async fn an_index_lists_a_tenants_users_in_order() {
    let cloud = in_memory();
    let client = dynamodb::client(&cloud.dynamodb_url());
    for name in ["carol", "alice", "bob"] {
        let user = client.put_item().table_name("UsersTable").item("pk", text(&format!("id-{name}")));
        user.item("tenant", text("demo")).item("name", text(name)).send().await.unwrap();
    }
    let query = client.query().table_name("UsersTable").index_name("by_tenant");
    let query = query.key_condition_expression("tenant = :t").expression_attribute_values(":t", text("demo"));
    let found = query.send().await.unwrap().items.unwrap();
    let names: Vec<_> = found.iter().map(|item| item["name"].as_s().unwrap().as_str()).collect();
    assert_eq!(names, ["alice", "bob", "carol"]);
}

#[tokio::test]
async fn data_and_secrets_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = in_folder(folder.path());
    create(&dynamodb::client(&cloud.dynamodb_url()), "kept").await.unwrap();
    let client = secrets::client(&cloud.secrets_url());
    client.put_secret_value().secret_id("KeysetSecret").secret_string("first").send().await.unwrap();
    client.put_secret_value().secret_id("KeysetSecret").secret_string("second").send().await.unwrap();
    cloud.stop();

    let cloud = in_folder(folder.path());
    let again = create(&dynamodb::client(&cloud.dynamodb_url()), "kept").await;
    assert!(again.is_err(), "the item is gone");
    let client = secrets::client(&cloud.secrets_url());
    for (stage, expected) in [("AWSCURRENT", "second"), ("AWSPREVIOUS", "first")] {
        let value = client.get_secret_value().secret_id("KeysetSecret").version_stage(stage).send().await.unwrap();
        assert_eq!(value.secret_string(), Some(expected), "{stage}");
    }
}

#[tokio::test]
async fn a_new_secret_has_the_templates_value() {
    let cloud = in_memory();
    let client = secrets::client(&cloud.secrets_url());
    let value = client.get_secret_value().secret_id("KeysetSecret").version_stage("AWSCURRENT").send().await.unwrap();
    assert_eq!(value.secret_string(), Some(r#"{"keys":[]}"#));
}

#[test]
fn secrets_are_for_their_owners_eyes_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let cloud = in_folder(&path);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("secrets.json")), 0o600);
    cloud.stop();
}

#[test]
fn a_data_folder_has_one_user_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = in_folder(folder.path());
    let error = Folder::take(folder.path()).unwrap_err();
    assert!(error.to_string().contains("is in use by another `cargo local`"), "{error}");
    cloud.stop();
    Folder::take(folder.path()).unwrap();
}

#[test]
fn a_reset_removes_the_data_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    in_folder(folder.path()).stop();
    Folder::take(folder.path()).unwrap().reset().unwrap();
    let mut left: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["lock", "notes.txt"]);
}

#[tokio::test]
async fn a_table_with_other_keys_than_the_templates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    in_folder(folder.path()).stop();
    let text = std::fs::read_to_string(local::template_path()).unwrap();
    let changed = text.replace("IndexName: by_tenant", "IndexName: by_somebody");
    let template = Template::parse(Path::new("template.yaml"), &changed, &parameters()).unwrap();
    let error = Cloud::start(&template, Some(Folder::take(folder.path()).unwrap())).unwrap_err();
    assert!(error.to_string().contains("UsersTable has other keys or indexes"), "{error}");
}

#[test]
fn many_clouds_run_side_by_side() {
    let clouds: Vec<_> = (0..8).map(|_| in_memory()).collect();
    let mut urls: Vec<_> = clouds.iter().map(Cloud::dynamodb_url).collect();
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), 8);
}

#[test]
fn the_environment_leads_to_the_cloud_and_nowhere_else() {
    let cloud = in_memory();
    let environment = cloud.environment();
    assert_eq!(environment["AWS_ENDPOINT_URL_DYNAMODB"], cloud.dynamodb_url());
    assert_eq!(environment["AWS_ENDPOINT_URL_SECRETS_MANAGER"], cloud.secrets_url());
    assert_eq!(environment["AWS_ENDPOINT_URL_EVENTBRIDGE"], cloud.events_url());
    assert_eq!(environment["OSTIARY_TABLE_TICKETS"], "TicketsTable");
    assert_eq!(environment["OSTIARY_KEYSET_SECRET_ID"], "KeysetSecret");
    assert_eq!(environment["OSTIARY_ISSUER"], "http://127.0.0.1:9000");
}

#[test]
fn the_demo_data_is_made_once_and_told_in_a_private_file() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = in_folder(folder.path());
    let first = demo::prepare(&cloud, "http://127.0.0.1:9000").unwrap();
    cloud.stop();
    let file = folder.path().join("demo.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let cloud = in_folder(folder.path());
    let again = demo::prepare(&cloud, "http://127.0.0.1:9100").unwrap();
    assert_eq!((&again.password, &again.access_token_id), (&first.password, &first.access_token_id));
    assert_eq!(again.base_url, "http://127.0.0.1:9100");
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut keys: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected =
        ["accessTokenId", "adminPassword", "adminUsername", "baseUrl", "password", "profileId", "tenant", "username"];
    assert_eq!(keys, expected);
}

#[test]
fn an_interrupted_start_is_completed_with_the_same_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = in_folder(folder.path());
    let first = demo::prepare(&cloud, "http://127.0.0.1:9000").unwrap();
    std::fs::rename(folder.path().join("demo.json"), folder.path().join("demo.pending.json")).unwrap();
    let again = demo::prepare(&cloud, "http://127.0.0.1:9000").unwrap();
    assert_eq!(again.password, first.password);
    assert_eq!(again.profile_id, first.profile_id);
}

#[test]
fn lost_passwords_are_not_papered_over() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = in_folder(folder.path());
    demo::prepare(&cloud, "http://127.0.0.1:9000").unwrap();
    std::fs::remove_file(folder.path().join("demo.json")).unwrap();
    let error = demo::prepare(&cloud, "http://127.0.0.1:9000").err().unwrap();
    assert!(error.to_string().contains("--reset"), "{error}");
}

#[test]
fn no_two_clouds_have_the_same_demo_credentials() {
    let [one, two] = [in_memory(), in_memory()].map(|cloud| demo::prepare(&cloud, "http://127.0.0.1:9000").unwrap());
    assert_ne!(one.password, two.password);
    assert_ne!(one.admin_password, one.password);
    assert_ne!(one.access_token_id, two.access_token_id);
}
