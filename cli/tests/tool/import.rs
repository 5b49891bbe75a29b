//! `ostiary import`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use local::Cloud;
use serde_json::{Value, json};
use shared::clock::SystemClock;
use shared::config::Config;
use shared::error::Problem;
use shared::login::{LoggedIn, Login, Opening};
use shared::password::{Cost, Hasher};
use shared::random::SystemRandom;
use shared::secret::Password;
use shared::source::Source;
use shared::store::dynamo::DynamoStore;
use shared::store::{Administration as _, LoginName, Lookup, Store as _};
use shared::tenant::TenantName;
use shared::ticket::Origin;

use crate::{Run, Tool, cloud, cloud_with_tenant, service};

const PASSWORD: &str = "correct horse battery staple";

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).display().to_string()
}

/// A folder of the test's own, which is gone at its end.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn file(folder: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn import(tool: &Tool, file: &str, more: &[&str]) -> Run {
    tool.json(&[&["import", file], more].concat())
}

/// The summary and the rows that were told, of a run that ended with `code`.
#[track_caller]
fn summary(run: &Run, code: i32) -> (Value, Vec<Value>) {
    assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
    let told = run.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (serde_json::from_str(&run.stdout).unwrap(), told.filter(|line| line["line"].is_u64()).collect())
}

#[track_caller]
fn counted(summary: &Value, imported: u64, existing: u64, refused: u64) {
    let counts = (&summary["imported"], &summary["existing"], &summary["refused"]);
    assert_eq!(counts, (&imported.into(), &existing.into(), &refused.into()), "{summary}");
}

pub fn lines(users: impl Iterator<Item = Value>) -> String {
    users.fold(String::new(), |mut text, user| {
        let _ = writeln!(text, "{user}");
        text
    })
}

fn numbered(count: usize) -> String {
    lines((0..count).map(|number| json!({ "username": format!("user{number}"), "id": format!("id{number}") })))
}

pub struct Stack {
    pub config: Config,
    pub store: DynamoStore,
}

impl Stack {
    pub fn of(cloud: &Cloud) -> Self {
        let config = Config::read(|variable| cloud.environment().get(variable).cloned()).unwrap();
        let client = local::dynamodb::client(&cloud.dynamodb_url());
        let store = DynamoStore::new(client, config.tables.clone(), Arc::new(SystemRandom));
        Self { config, store }
    }

    pub async fn login(&self, name: &str, password: &str) -> Result<LoggedIn, Problem> {
        let hasher = Arc::new(Hasher::new(Cost { memory_kib: 7168, iterations: 1, parallelism: 1 }).unwrap());
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let login = Login::new(self.store.clone(), hasher, clock, random, &self.config);
        let question = login.question("acme", name);
        let mut found = self.store.lookup(question.lookup()).await?;
        let named = login.named(question, &mut found).await?;
        let opening = Opening { origin: Origin::Login, source: Source::default() };
        Box::pin(login.with_password(named, Password::from_input(password).unwrap(), opening)).await
    }

    async fn stored_hash(&self, name: &str) -> String {
        let credential = Some(LoginName::typed("acme", name));
        let found = self.store.lookup(Lookup { credential, ..Lookup::default() }).await.unwrap();
        found.credential.unwrap().phc.unwrap().expose_secret().to_owned()
    }

    async fn users(&self) -> usize {
        let acme = TenantName::parse("acme").unwrap();
        let (mut count, mut start) = (0, None);
        loop {
            let page = self.store.users_of(&acme, start.as_deref(), 100).await.unwrap();
            count += page.items.len();
            start = page.next;
            if start.is_none() {
                return count;
            }
        }
    }
}

#[tokio::test]
async fn who_was_moved_signs_in_with_the_old_password_whatever_hashed_it() {
    let firebase = fixture("firebase-hash-config.txt");
    for (file, more, imported, refused, who) in [
        ("users.csv", &[][..], 9, 0, &["django", "pbkdf2", "scrypt", "ssha", "profile", "profile2"][..]),
        ("users.jsonl", &[], 9, 0, &["J-django", "j-ssha", "J-PROFILE@example.com"]),
        ("keycloak-realm.json", &["--format", "keycloak"], 4, 2, &["jane", "OLD", "jane@example.com"]),
        ("auth0-import.json", &["--format", "auth0"], 4, 1, &["scrypt@example.com", "ldap@example.com"]),
        ("auth0-hashes.ndjson", &["--format", "auth0"], 2, 1, &[]),
        ("firebase-users.json", &["--format", "firebase", "--firebase-hash-config", &firebase], 3, 1, &[]),
    ] {
        let (cloud, tool) = cloud_with_tenant();
        let stack = Stack::of(&cloud);
        let (told, _) = summary(&import(&tool, &fixture(file), more), i32::from(refused > 0));
        counted(&told, imported, 0, refused);
        let published = match file {
            "firebase-users.json" => ("jane@example.com", "user1password"),
            "auth0-hashes.ndjson" => ("jane@example.com", "U*U"),
            "auth0-import.json" => ("plain@example.com", "U*U"),
            "users.jsonl" => ("J-bcrypt", "U*U"),
            "users.csv" => ("argon2", "password"),
            _ => ("jane", PASSWORD),
        };
        let all = who.iter().map(|name| (*name, PASSWORD)).chain([published]);
        for (name, password) in all {
            let wrong = stack.login(name, &format!("{password}?")).await;
            assert!(matches!(wrong, Err(Problem::BadCredentials)), "{file} {name}");
            let login = stack.login(name, password).await.unwrap_or_else(|_| panic!("{file} {name}"));
            let canonical = login.user.name.as_str().to_owned();
            assert!(stack.stored_hash(&canonical).await.starts_with("$argon2id$"), "hashed anew: {name}");
        }
    }
}

#[tokio::test]
async fn what_the_other_system_said_of_an_account_still_holds() {
    let (cloud, tool) = cloud_with_tenant();
    let stack = Stack::of(&cloud);
    let run = import(&tool, &fixture("keycloak-realm.json"), &["--format", "keycloak"]);
    let (told, refused) = summary(&run, 1);
    assert_eq!((&told["skipped"], told["notes"].as_object().unwrap().len()), (&1.into(), 2), "{told}");
    let refused: Vec<_> = refused.iter().map(|row| (row["username"].as_str().unwrap(), &row["field"])).collect();
    assert_eq!(refused, [("bob", &json!("credentials")), ("eve", &json!("roles"))]);
    assert!(matches!(stack.login("joe", PASSWORD).await, Err(Problem::PasswordExpired)), "joe has to change it");
    assert!(matches!(stack.login("ann", "password").await, Err(Problem::DisabledProfile(_))));
    let jane = tool.json(&["user", "show", "--username", "jane"]).json();
    assert_eq!(jane["roles"], json!(["buyer", "shop:editor"]));
    assert_eq!((&jane["created"], &jane["lastName"]), (&json!("2017-07-14T02:40:00Z"), &json!("Doe")));
    assert!(!run.stdout.contains("pbkdf2") && !run.stderr.contains("$pbkdf2"), "no hash is shown");
}

#[tokio::test]
async fn an_import_that_is_repeated_finds_what_is_there() {
    let (cloud, tool) = cloud_with_tenant();
    let folder = folder();
    let text = numbered(60) + "{\"username\":\"noid\"}\n{\"username\":\"bad name\"}\n";
    let path = file(&folder, "users.jsonl", &text);
    let path = path.to_str().unwrap();
    counted(&summary(&import(&tool, path, &[]), 1).0, 61, 0, 1);
    // DynamoDB takes no empty transaction; the local one does.
    let url = cloud.dynamodb_url();
    let strict = Tool::of(&cloud).with(
        "AWS_ENDPOINT_URL_DYNAMODB",
        &service(move |request| {
            let empty = request.contains(r#""TransactItems":[]"#);
            if empty { (400, json!({ "__type": "ValidationException" }).to_string()) } else { forward(&url, request) }
        }),
    );
    counted(&summary(&import(&strict, path, &["--parallel", "1"]), 1).0, 0, 61, 1);
    let (told, rows) = summary(&import(&tool, path, &["--on-existing", "report"]), 1);
    counted(&told, 0, 61, 1);
    assert_eq!(rows.len(), 62);
    assert_eq!(Stack::of(&cloud).users().await, 61);

    // Some are there, some are not, some are somebody else.
    let mixed = numbered(70)
        + &lines(
            [
                json!({ "username": "user3", "id": "other" }),
                json!({ "username": "renamed", "id": "id4" }),
                json!({ "username": "USER5" }),
                json!({ "username": "new", "email": "new@example.com" }),
                json!({ "username": "newer", "email": "NEW@example.com" }),
                json!({ "username": "new@example.com" }),
                json!({ "username": "elsewhere", "tenant": "nowhere" }),
            ]
            .into_iter(),
        );
    let path = file(&folder, "mixed.jsonl", &mixed);
    let (told, rows) = summary(&import(&tool, path.to_str().unwrap(), &[]), 1);
    counted(&told, 11, 61, 5);
    let told: Vec<_> = rows.iter().map(|row| (row["line"].as_u64().unwrap(), row["field"].as_str().unwrap())).collect();
    for expected in [(71, "username"), (72, "id"), (75, "email"), (76, "username"), (77, "tenant")] {
        assert!(told.contains(&expected), "{told:?}");
    }
}

#[tokio::test]
async fn of_two_rows_for_one_name_the_first_one_counts() {
    let (cloud, tool) = cloud_with_tenant();
    let users =
        (0..200).map(|number| json!({ "username": format!("user{}", number % 100), "firstName": number.to_string() }));
    let folder = folder();
    let path = file(&folder, "users.jsonl", &lines(users));
    counted(&summary(&import(&tool, path.to_str().unwrap(), &[]), 0).0, 100, 100, 0);
    for number in [0, 42, 99] {
        let shown = tool.json(&["user", "show", "--username", &format!("user{number}")]).json();
        assert_eq!(shown["firstName"], number.to_string());
    }
    assert_eq!(Stack::of(&cloud).users().await, 100);
}

#[tokio::test]
async fn a_dry_run_tells_all_of_it_and_writes_nothing() {
    let (cloud, tool) = cloud_with_tenant();
    let folder = folder();
    let errors = folder.path().join("errors.jsonl");
    let text =
        numbered(30) + "{\"username\":\"x\",\"passwordHash\":\"hunter2\"}\n{\"username\":\"y\",\"tenant\":\"z\"}\n";
    let path = file(&folder, "users.jsonl", &text);
    let run = import(&tool, path.to_str().unwrap(), &["--dry-run", "--errors", errors.to_str().unwrap()]);
    let (told, rows) = summary(&run, 1);
    counted(&told, 30, 0, 2);
    assert_eq!((&told["dryRun"], rows.len()), (&true.into(), 2));
    let kept = fs::read_to_string(&errors).unwrap();
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kept, rows);
    assert_eq!((&rows[0]["line"], &rows[0]["username"]), (&31.into(), &json!("x")));
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    assert_eq!(Stack::of(&cloud).users().await, 0);
}

#[tokio::test]
async fn a_checkpoint_lets_the_next_run_go_on_where_the_last_one_ended() {
    let (cloud, tool) = cloud_with_tenant();
    let folder = folder();
    let path = file(&folder, "users.jsonl", &numbered(500));
    let path = path.to_str().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let with = ["--checkpoint", checkpoint.to_str().unwrap()];
    // The tables go away in the middle: what was written is known, and nothing else is said to be.
    let gone = || (400, json!({ "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException" }).to_string());
    let url = between(&cloud, move |number, _| (number >= 4).then(gone));
    let broken = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
    let (told, _) = summary(&import(&broken, path, &[&with[..], &["--parallel", "2"]].concat()), 2);
    let done: Value = serde_json::from_slice(&fs::read(&checkpoint).unwrap()).unwrap();
    let (imported, rows) = (told["imported"].as_u64().unwrap(), done["rows"].as_u64().unwrap());
    assert!(0 < rows && rows <= imported && imported < 500, "{told} {done}");

    let (told, _) = summary(&import(&tool, path, &with), 0);
    assert_eq!((&told["doneBefore"], &told["rows"]), (&rows.into(), &(500 - rows).into()));
    assert_eq!(told["imported"].as_u64().unwrap() + imported, 500, "{told}");
    assert_eq!(Stack::of(&cloud).users().await, 500);
    let (told, _) = summary(&import(&tool, path, &with), 0);
    counted(&told, 0, 0, 0);
    assert_eq!((&told["doneBefore"], &told["allDoneBefore"]), (&500.into(), &true.into()));
    let run = tool.run(&["import", path, "--checkpoint", with[1]]);
    assert!(run.stderr.contains("nothing to do: all done before"), "{}", run.stderr);

    fs::write(path, numbered(501)).unwrap();
    let error = import(&tool, path, &with).error(2);
    assert_eq!(error["field"], "checkpoint");
    let other = import(&tool, path, &["--checkpoint", checkpoint.to_str().unwrap(), "--tenant", "other"]).error(2);
    assert_eq!(other["field"], "checkpoint");
}

#[test]
fn a_checkpoint_is_of_the_tenant_that_it_saw() {
    let (_cloud, tool) = cloud_with_tenant();
    assert_eq!(tool.run(&["tenant", "create", "other"]).code, 0);
    let folder = folder();
    let users = numbered(3) + "{\"username\":\"jane\",\"tenant\":\"other\"}\n";
    let path = file(&folder, "users.jsonl", &users);
    let checkpoint = folder.path().join("checkpoint");
    let with = ["--checkpoint", checkpoint.to_str().unwrap()];
    for (tenant, imported) in [("acme", 3), ("other", 1)] {
        summary(&import(&tool, path.to_str().unwrap(), &with), 0);
        let default_too = if tenant == "acme" { &["--default-too"][..] } else { &[] };
        let delete = tool.run(&[&["tenant", "delete", tenant, "--yes"], default_too].concat());
        assert_eq!(delete.code, 0, "{}", delete.stderr);
        for create in [false, true] {
            if create {
                assert_eq!(tool.run(&["tenant", "create", tenant]).code, 0);
            }
            let error = import(&tool, path.to_str().unwrap(), &with).error(2);
            assert!(error["field"] == "checkpoint" && error["error"].as_str().unwrap().contains(tenant), "{error}");
        }
        fs::remove_file(&checkpoint).unwrap();
        counted(&summary(&import(&tool, path.to_str().unwrap(), &with), 0).0, imported, 4 - imported, 0);
    }
}

#[test]
fn rows_that_were_refused_before_a_crash_are_not_forgotten() {
    let (cloud, tool) = cloud_with_tenant();
    let folder = folder();
    let path = file(&folder, "users.jsonl", &format!("{{\"username\":\"bad name\"}}\n{}", numbered(500)));
    let (checkpoint, errors) = (folder.path().join("checkpoint"), folder.path().join("errors.jsonl"));
    let with = ["--checkpoint", checkpoint.to_str().unwrap(), "--errors", errors.to_str().unwrap()];
    let gone = || (400, json!({ "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException" }).to_string());
    let url = between(&cloud, move |number, _| (number >= 4).then(gone));
    let broken = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
    summary(&import(&broken, path.to_str().unwrap(), &[&with[..], &["--parallel", "1"]].concat()), 2);
    let kept = fs::read_to_string(&errors).unwrap();
    assert_eq!(kept.lines().count(), 1, "{kept}");
    for rows in [true, false] {
        let run = import(&tool, path.to_str().unwrap(), &with);
        let (told, now) = summary(&run, 1);
        assert_eq!((&told["refused"], &told["listedBefore"], now.len()), (&0.into(), &1.into(), 0), "{told}");
        assert_eq!(told["rows"] != 0, rows, "{told}");
        assert!(run.stderr.contains("1 of which an earlier run told"), "{}", run.stderr);
        assert_eq!(fs::read_to_string(&errors).unwrap(), kept);
    }
}

#[tokio::test]
async fn a_checkpoint_knows_of_no_row_that_a_crash_has_lost() {
    use std::process::{Command, Stdio};
    let (cloud, _) = cloud_with_tenant();
    let folder = folder();
    let path = file(&folder, "users.jsonl", &format!("{{\"username\":\"bad name\"}}\n{}", numbered(20_000)));
    let (checkpoint, errors) = (folder.path().join("checkpoint"), folder.path().join("errors.jsonl"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_ostiary"))
        .args(["import", path.to_str().unwrap(), "--checkpoint", checkpoint.to_str().unwrap()])
        .args(["--errors", errors.to_str().unwrap()])
        .env_clear()
        .envs(cloud.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let noted = || {
        let text = fs::read(&checkpoint).unwrap_or_default();
        serde_json::from_slice::<Value>(&text).unwrap_or_default()
    };
    while noted()["rows"].as_u64().is_none_or(|rows| rows < 2) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let noted = noted();
    assert_eq!(noted["listed"], 1, "{noted}");
    assert_eq!(fs::read_to_string(&errors).unwrap().lines().count(), 1);
    let rows = usize::try_from(noted["rows"].as_u64().unwrap()).unwrap();
    assert!(Stack::of(&cloud).users().await >= rows - 1, "{noted}");
}

#[test]
fn nothing_is_written_over_but_what_an_import_wrote() {
    let (_cloud, tool) = cloud_with_tenant();
    let folder = folder();
    let text = numbered(2) + "{\"username\":\"bad name\"}\n";
    let (users, notes) = (file(&folder, "users.jsonl", &text), file(&folder, "notes", "my notes\n"));
    // Two names of one file are one file.
    let (alias, parts) = (folder.path().join("alias"), folder.path().join("x/.."));
    fs::hard_link(&users, &alias).unwrap();
    fs::create_dir(folder.path().join("x")).unwrap();
    let key = file(&folder, "own.key", "");
    let [users, notes, alias, key] = [&users, &notes, &alias, &key].map(|path| path.to_str().unwrap());
    let (new, same) = (folder.path().join("new"), parts.join("new"));
    let (new, same) = (new.to_str().unwrap(), same.to_str().unwrap());
    file(&folder, "beside.new", &text);
    let (input, beside) = (folder.path().join("beside.new"), folder.path().join("beside"));
    for (file, more, field) in [
        (users, &["--errors", users][..], "errors"),
        (users, &["--errors", alias], "errors"),
        (users, &["--errors", notes], "errors"),
        (users, &["--errors", key, "--identity", key], "errors"),
        (users, &["--errors", new, "--checkpoint", same], "errors"),
        (users, &["--checkpoint", alias], "checkpoint"),
        (input.to_str().unwrap(), &["--checkpoint", beside.to_str().unwrap(), "--format", "jsonl"], "checkpoint"),
    ] {
        assert_eq!(import(&tool, file, more).error(2)["field"], field, "{more:?}");
    }
    for (path, content) in [(users, text.as_str()), (notes, "my notes\n"), (input.to_str().unwrap(), &text), (key, "")]
    {
        assert_eq!(fs::read_to_string(path).unwrap(), content, "{path}");
    }
    assert!(fs::metadata(new).is_err());
    for _ in 0..2 {
        summary(&import(&tool, users, &["--errors", new]), 1);
        assert_eq!(fs::read_to_string(new).unwrap().lines().count(), 1, "it begins anew");
    }
}

#[tokio::test]
async fn an_outage_is_waited_out_and_lost_answers_double_nobody() {
    let (cloud, _) = cloud_with_tenant();
    let folder = folder();
    let users = (0..300).map(|number| match number % 2 {
        0 => json!({ "username": format!("user{number}"), "id": format!("id{number}") }),
        _ => json!({ "username": format!("user{number}"), "email": format!("user{number}@example.com") }),
    });
    let path = file(&folder, "users.jsonl", &lines(users));
    let lost = || Some((500, json!({ "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError" }).to_string()));
    // Six transactions are written and their answers are lost, six are not even written.
    let url = between(&cloud, move |number, write| match number {
        1..7 => {
            write();
            lost()
        }
        7..13 => lost(),
        _ => None,
    });
    let shaky = Tool::of(&cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
    let (told, _) = summary(&import(&shaky, path.to_str().unwrap(), &["--parallel", "2"]), 0);
    counted(&told, 300, 0, 0);
    assert_eq!(Stack::of(&cloud).users().await, 300);
}

/// The cloud's DynamoDB behind one that may answer the transaction of this number, from 0, itself; it is given a way to
/// carry it out nevertheless.
fn between(
    cloud: &Cloud,
    answer: impl Fn(usize, &dyn Fn() -> (u16, String)) -> Option<(u16, String)> + Send + 'static,
) -> String {
    let url = cloud.dynamodb_url();
    let seen = std::sync::atomic::AtomicUsize::new(0);
    service(move |request| {
        let write = || forward(&url, request);
        if !request.contains("TransactWriteItems") {
            return write();
        }
        answer(seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed), &write).unwrap_or_else(write)
    })
}

fn forward(url: &str, request: &str) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head: Vec<&str> = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    write!(stream, "{}\r\nconnection: close\r\n\r\n{body}", head.join("\r\n")).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn an_interrupted_import_ends_with_whole_accounts_and_says_so() {
    use std::process::{Command, Stdio};
    let (cloud, tool) = cloud_with_tenant();
    let folder = folder();
    let path = file(&folder, "users.jsonl", &numbered(20_000));
    let checkpoint = folder.path().join("checkpoint");
    let child = Command::new(env!("CARGO_BIN_EXE_ostiary"))
        .args(["import", path.to_str().unwrap(), "--output", "json", "--checkpoint", checkpoint.to_str().unwrap()])
        .env_clear()
        .envs(cloud.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stack = Stack::of(&cloud);
    while stack.users().await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    let run = Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    let (told, _) = summary(&run, 3);
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    let imported = told["imported"].as_u64().unwrap();
    assert!(imported < 20_000, "it was interrupted in time");
    assert_eq!(stack.users().await, usize::try_from(imported).unwrap());
    let done: Value = serde_json::from_slice(&fs::read(&checkpoint).unwrap()).unwrap();
    assert!(done["rows"].as_u64().unwrap() <= imported);
    assert_eq!(tool.json(&["user", "show", "--username", "user0"]).json()["id"], "id0");
}

#[test]
fn what_stands_in_the_way_is_told_before_anything_is_written() {
    let (_cloud, tool) = cloud();
    let folder = folder();
    let users = file(&folder, "users.jsonl", &numbered(3));
    let users = users.to_str().unwrap();
    let run = import(&tool, users, &[]);
    assert_eq!(run.code, 1, "there is no tenant");
    assert!(run.stderr.contains("ostiary tenant create"), "{}", run.stderr);
    let other = file(&folder, "users.xml", "");
    for (arguments, field) in [
        (vec![other.to_str().unwrap()], "format"),
        (vec!["/nonexistent.csv"], "file"),
        (vec![users, "--errors", "/nonexistent/errors"], "errors"),
        (vec![users, "--checkpoint", "/nonexistent/checkpoint"], "checkpoint"),
        (vec!["-", "--format", "jsonl", "--checkpoint", "checkpoint"], "checkpoint"),
        (vec!["-"], "format"),
    ] {
        let run = tool.json(&[&["import"], &arguments[..]].concat());
        assert_eq!(run.error(2)["field"], field, "{arguments:?}");
    }
}

#[test]
fn a_pipe_is_read_and_people_are_told_in_words() {
    let (_cloud, tool) = cloud_with_tenant();
    let text = format!("{}{{\"username\":\"bad name\"}}\n", numbered(2));
    let run = tool.run_with(&["import", "-", "--format", "jsonl"], &text, Path::new("."));
    assert_eq!(run.code, 1);
    for line in ["rows:            3\n", "imported:        2\n", "refused:         1\n"] {
        assert!(run.stdout.contains(line), "{}", run.stdout);
    }
    assert!(run.stderr.starts_with("line 3: username: must be 1 to 128 characters"), "{}", run.stderr);
    assert!(run.stderr.ends_with("error: 1 row was not imported: see above\n"), "{}", run.stderr);
}

/// The most memory that the tool has while it reads a file, in KiB.
fn peak(tool: &Tool, path: &Path, format: &str) -> u64 {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_ostiary"))
        .args(["import", path.to_str().unwrap(), "--dry-run", "--format", format])
        .env_clear()
        .envs(&tool.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.map_or(peak, |line| line.trim().trim_end_matches(" kB").parse().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    peak
}

#[test]
fn memory_does_not_grow_with_the_file_nor_with_a_row() {
    const MIB: usize = 1 << 20;
    let (_cloud, tool) = cloud_with_tenant();
    let folder = folder();
    let few = peak(&tool, &file(&folder, "few.jsonl", &numbered(1000)), "jsonl");
    let long = "x".repeat(64 * MIB);
    for (name, format, content) in [
        ("many.jsonl", "jsonl", numbered(200_000)),
        (
            "many.csv",
            "csv",
            (0..200_000).fold("username\n".to_owned(), |text, number| text + &format!("user{number}\n")),
        ),
        ("long.jsonl", "jsonl", format!("\"{long}\"\n{}", numbered(10))),
        ("long.csv", "csv", format!("username\n\"{long}\"\n")),
        ("long.json", "keycloak", format!("[\"{long}\",{{\"username\":\"jane\"}}]")),
        ("far.json", "keycloak", format!("{{\"x\":\"{long}\",\"users\":[{{\"username\":\"jane\"}}]}}")),
    ] {
        let most = peak(&tool, &file(&folder, name, &content), format);
        assert!(few < most + 4096 && most < few + 12 * 1024, "{name}: {few} KiB for a few rows, {most} KiB for it");
    }
}
