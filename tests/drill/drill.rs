//! The restore drill: `tests/drill/run` starts an engine, and this does what docs/restore.md says, with the operator's own
//! tool and every endpoint's own code. Tells each step; ends with an error where one doesn't come out as it must.
//!
//! `drill URL TOOL ENGINE` needs a DynamoDB at URL and the binary of `ostiary`. With `--write FILE` what was told takes the
//! place of the block `drill` in that file.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PointInTimeRecoverySpecification};
use local::dynamodb;
use local::template::Template;
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};
use shared::gateway::Event;
use shared::random::SystemRandom;
use shared::store::dynamo::{DynamoStore, Tables};
use shared::testing::Stack;
use tests::call::Call;
use tests::world::{Handler, endpoints};

/// The tenant of [`shared::testing::variable`].
const TENANT: &str = "demo";
const PASSWORD: &str = "seven lamps above a quiet harbour";
const NEW_PASSWORD: &str = "eleven kites below a loud mountain";
/// Who lives in the stack, and what will have become of them.
const PEOPLE: [&str; 7] = ["anna", "bert", "carl", "dora", "emil", "fred", "gina"];

/// What is told, and how many steps did not come out as they must.
#[derive(Default)]
struct Transcript {
    text: String,
    failed: usize,
}

impl Transcript {
    fn say(&mut self, line: &str) {
        println!("{line}");
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    fn part(&mut self, title: &str) {
        self.say(&format!("\n## {title}"));
    }

    fn check(&mut self, what: &str, holds: bool) {
        self.say(&format!("{} {what}", if holds { "ok  " } else { "FAIL" }));
        self.failed += usize::from(!holds);
    }
}

/// One stack: which tables its functions and the tool work with.
struct Deployed {
    tables: Tables,
    functions: BTreeMap<&'static str, Handler>,
}

struct Drill {
    url: String,
    tool: String,
    client: Client,
    stack: Stack,
    folder: tempfile::TempDir,
    told: Transcript,
}

/// What a user has that opens something.
#[derive(Clone)]
struct Held {
    jwt: String,
    header: String,
}

impl Drill {
    fn deploy(&self, tables: &Tables) -> Deployed {
        let store = DynamoStore::new(self.client.clone(), tables.clone(), Arc::new(SystemRandom));
        let functions = endpoints(&self.stack, None, store, Arc::new(SystemClock));
        Deployed { tables: tables.clone(), functions }
    }

    /// Runs the tool against a stack's tables.
    fn ostiary(&mut self, stack: &Deployed, line: &str) -> Option<Value> {
        self.told.say(&format!("$ ostiary {line}"));
        let Tables { credentials, users, tickets, auth_headers, applications } = &stack.tables;
        let output = Command::new(&self.tool)
            .args(line.split(' '))
            .args(["--output", "json"])
            .env_clear()
            .envs([
                ("AWS_REGION", local::REGION),
                ("AWS_ACCESS_KEY_ID", local::CREDENTIAL),
                ("AWS_SECRET_ACCESS_KEY", local::CREDENTIAL),
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("AWS_ENDPOINT_URL", &self.url),
                ("OSTIARY_DEFAULT_TENANT", TENANT),
                ("OSTIARY_KEYSET_SECRET_ID", "keyset"),
                ("OSTIARY_TABLE_CREDENTIALS", credentials),
                ("OSTIARY_TABLE_USERS", users),
                ("OSTIARY_TABLE_TICKETS", tickets),
                ("OSTIARY_TABLE_AUTH_HEADERS", auth_headers),
                ("OSTIARY_TABLE_APPLICATIONS", applications),
                ("OSTIARY_ARGON2_MEMORY_KIB", "7168"),
                ("OSTIARY_ARGON2_ITERATIONS", "1"),
                ("OSTIARY_ARGON2_PARALLELISM", "1"),
            ])
            .current_dir(self.folder.path())
            .output()
            .expect("the tool starts");
        if output.status.success() {
            return Some(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null));
        }
        self.told.say(&format!("  {}", String::from_utf8_lossy(&output.stderr).trim()));
        None
    }

    /// The same, where it has to succeed.
    fn done(&mut self, stack: &Deployed, line: &str) -> Value {
        let answer = self.ostiary(stack, line);
        if answer.is_none() {
            self.told.check("the command succeeds", false);
        }
        answer.unwrap_or_default()
    }
}

async fn ask(stack: &Deployed, call: Call) -> (u16, Value) {
    let name = call.route().name;
    let response = stack.functions[name](None, Event::from(call.event())).await;
    (response.status(), serde_json::from_str(response.body()).unwrap_or_default())
}

async fn log_in(stack: &Deployed, name: &str, password: &str) -> Option<String> {
    let (status, body) =
        ask(stack, Call::to("user-login").json(&json!({ "username": name, "password": password }))).await;
    (status == 200).then(|| body["Token"].as_str().unwrap_or_default().to_owned())
}

async fn opens(stack: &Deployed, header: (&str, &str)) -> bool {
    ask(stack, Call::to("test-secure").header(header.0, header.1)).await.0 == 200
}

async fn jwt_opens(stack: &Deployed, jwt: &str) -> bool {
    opens(stack, ("authorization", &format!("Bearer {jwt}"))).await
}

async fn header_opens(stack: &Deployed, header: &str) -> bool {
    opens(stack, ("x-authorization", header)).await
}

/// Whether an application gets in.
async fn application_opens(stack: &Deployed, token: &str, jwt: &str) -> bool {
    ask(stack, Call::to("oauth2-introspect").header("x-api-key", token).form(&[("token", jwt)])).await.0 == 200
}

/// The template's tables under other names, with point-in-time recovery where the engine knows that.
async fn found(client: &Client) -> Tables {
    let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
    let template = Template::read(&local::template_path(), &parameters).expect("the template");
    let mut tables = template.tables().expect("tables");
    for table in &mut tables {
        table.name = format!("drill-{}", table.name);
    }
    dynamodb::create_tables(client, &tables).await.expect("tables");
    let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build().expect("whole");
    for table in &tables {
        let update = client.update_continuous_backups().table_name(&table.name);
        let _ = update.point_in_time_recovery_specification(on.clone()).send().await;
    }
    let name = |table: &str| format!("drill-{table}Table");
    Tables {
        credentials: name("Credentials"),
        users: name("Users"),
        tickets: name("Tickets"),
        auth_headers: name("AuthHeaders"),
        applications: name("Applications"),
    }
}

/// What stands in for a restore where the engine has none: new tables with what is in the old ones now.
async fn copied(client: &Client, from: &Tables, moment: &str) -> Tables {
    let parameters = BTreeMap::from([("Issuer".to_owned(), "https://auth.example.com".to_owned())]);
    let template = Template::read(&local::template_path(), &parameters).expect("the template");
    let mut into = from.clone();
    let suffix = moment.replace(['-', ':'], "");
    for (slug, source, target) in [
        ("credentials", &from.credentials, &mut into.credentials),
        ("users", &from.users, &mut into.users),
        ("auth-headers", &from.auth_headers, &mut into.auth_headers),
        ("applications", &from.applications, &mut into.applications),
    ] {
        *target = format!("drill-{slug}-{suffix}");
        let mut table =
            template.tables().expect("tables").into_iter().find(|table| source.ends_with(&table.name)).expect("it");
        table.name.clone_from(target);
        dynamodb::create_tables(client, &[table]).await.expect("a table");
        for item in items(client, source).await {
            client.put_item().table_name(&*target).set_item(Some(item)).send().await.expect("a copy");
        }
    }
    into
}

async fn items(client: &Client, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    client.scan().table_name(table).send().await.expect("a scan").items.unwrap_or_default()
}

fn tables_of(parameter: &str) -> Tables {
    let names: Vec<String> = parameter.split(',').map(str::to_owned).collect();
    let [credentials, users, tickets, auth_headers, applications] = names.try_into().expect("five tables");
    Tables { credentials, users, tickets, auth_headers, applications }
}

/// Whether all of that is so, and of what it isn't.
fn all_of(answers: &[(&str, bool)]) -> (bool, String) {
    let not: Vec<_> = answers.iter().filter(|(_, holds)| !holds).map(|(who, _)| *who).collect();
    (not.is_empty(), if not.is_empty() { String::new() } else { format!(" (not: {})", not.join(", ")) })
}

impl Drill {
    /// Everybody has a session and an auth header, and two applications have access tokens.
    async fn settle(&mut self, stack: &Deployed) -> (BTreeMap<&'static str, Held>, [Value; 2]) {
        self.told.part("Before: everything is in use");
        self.done(stack, &format!("tenant create {TENANT}"));
        let mut held = BTreeMap::new();
        for name in PEOPLE {
            let line = format!("user create --username {name} --id {name}-id --email {name}@example.com --no-password");
            self.done(stack, &line);
            self.give_password(stack, name).await;
            let jwt = log_in(stack, name, PASSWORD).await.unwrap_or_default();
            let (_, made) = ask(stack, Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "key" }))).await;
            held.insert(name, Held { jwt, header: made["token"].as_str().unwrap_or_default().to_owned() });
        }
        let tokens = ["shop", "desk"].map(|application| {
            self.done(stack, &format!("access-token create --application {application} --tenant {TENANT}=*"))
        });
        let mut answers = Vec::new();
        for (name, Held { jwt, header }) in &held {
            answers.push((*name, jwt_opens(stack, jwt).await && header_opens(stack, header).await));
        }
        let (holds, not) = all_of(&answers);
        self.told.check(&format!("all {} users get in by JWT and by auth header{not}", PEOPLE.len()), holds);
        (held, tokens)
    }

    /// Sets a first password by a token, as its owner would by a mail.
    async fn give_password(&self, stack: &Deployed, name: &str) {
        use shared::one_time::{OneTime, Purpose};
        use shared::store::{LoginName, Lookup, Store as _};
        use shared::user::UserId;
        let store = DynamoStore::new(self.client.clone(), stack.tables.clone(), Arc::new(SystemRandom));
        let login = LoginName::typed(TENANT, name);
        let id = UserId::parse(&format!("{name}-id")).expect("an id");
        let wanted = Lookup { credential: Some(login.clone()), users: vec![id], ..Lookup::default() };
        let found = store.lookup(wanted).await.expect("a store");
        let (version, now) = (found.credential.expect("a credential").version, SystemClock.now());
        let (token, text) = OneTime::issue(&found.users[0], Purpose::Reset { version }, now, &SystemRandom);
        let _stored = store.create_one_time(&login, &token, now).await.expect("a store");
        let body = json!({ "token": text.expose_secret(), "new": PASSWORD, "confirm": PASSWORD });
        let (status, answer) = ask(stack, Call::to("user-reset").json(&body)).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The restore itself; and the moment that it is of.
    async fn restore(&mut self, stack: &Deployed) -> (String, Tables) {
        self.told.part("The restore");
        self.told.say("# The engine has no past: what it restores is what is in the tables NOW. So the tables are restored first,");
        self.told.say(
            "# and all that happens \"since then\" happens next. On AWS the restore comes last, for an earlier moment.",
        );
        // A moment is a second, and what was made in it is not in a restore.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let line = "restore --to latest --prefix drill --table users --table credentials --table auth-headers --table applications --yes";
        if let Some(done) = self.ostiary(stack, line) {
            for table in done["tables"].as_array().into_iter().flatten() {
                let told =
                    format!("  {} -> {}, {} items of a sample read", table["from"], table["to"], table["sampled"]);
                self.told.say(&told.replace('"', ""));
            }
            let (moment, parameter) =
                (done["moment"].as_str().unwrap_or_default(), done["parameter"].as_str().unwrap_or_default());
            return (moment.to_owned(), tables_of(parameter));
        }
        self.told
            .say("# NOT RUN HERE: the engine has no RestoreTableToPointInTime. The drill copies the tables itself.");
        let moment = format!("{}Z", SystemClock.now().as_zoneless());
        let tables = copied(&self.client, &stack.tables, &moment).await;
        (moment, tables)
    }

    /// What people and operators end, and then the damage.
    async fn meanwhile(&mut self, stack: &Deployed, held: &BTreeMap<&str, Held>, shop: &Value) {
        self.told.part("Since then: things are ended, as on any day");
        self.done(stack, "user disable --username bert");
        let change = json!({ "username": "carl", "old": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD });
        let (changed, _) = ask(stack, Call::to("user-password").json(&change)).await;
        self.told.check("carl changes the password (POST /user/password)", changed == 200);
        self.done(stack, "user delete --username dora --yes");
        let (left, _) = ask(stack, Call::to("user-logout").bearer(&held["emil"].jwt)).await;
        self.told.check("emil logs out (GET /user/logout)", left == 200);
        let Held { jwt, header } = &held["fred"];
        let (ended, _) = ask(stack, Call::to("authheader-delete").bearer(jwt).json(&json!({ "text": header }))).await;
        self.told.check("fred deletes an auth header (POST /authheader/delete)", ended == 200);
        self.done(stack, &format!("access-token delete {}", shop["id"].as_str().unwrap_or_default()));
        self.told.part("The damage: anna is gone from Users, and gina's password hash is overwritten");
        let delete = self.client.delete_item().table_name(&stack.tables.users);
        delete.key("pk", AttributeValue::S("anna-id".to_owned())).send().await.expect("a delete");
        let update = self.client.update_item().table_name(&stack.tables.credentials);
        let update = update.key("pk", AttributeValue::S(format!("NAME#{TENANT}#gina")));
        let update = update
            .update_expression("SET phc = :x")
            .expression_attribute_values(":x", AttributeValue::S("x".to_owned()));
        update.send().await.expect("an update");
        let stays_out =
            log_in(stack, "anna", PASSWORD).await.is_none() && log_in(stack, "gina", PASSWORD).await.is_none();
        self.told.check("anna and gina can't log in any more", stays_out);
    }

    /// What a restore alone would bring back: the control of everything after it.
    async fn control(&mut self, tables: &Tables, held: &BTreeMap<&str, Held>, shop: &Value) {
        self.told.part("The control: what a switch to the restored tables as they are would bring back");
        let raw = self.deploy(tables);
        let token = shop["accessToken"].as_str().or(shop["token"].as_str()).unwrap_or_default();
        let back = [
            ("bert's password", log_in(&raw, "bert", PASSWORD).await.is_some()),
            ("carl's old password", log_in(&raw, "carl", PASSWORD).await.is_some()),
            ("dora, who was deleted", log_in(&raw, "dora", PASSWORD).await.is_some()),
            ("fred's auth header", header_opens(&raw, &held["fred"].header).await),
            ("the deleted access token", application_opens(&raw, token, &held["gina"].jwt).await),
        ];
        for (what, comes) in back {
            self.told.check(&format!("{what} would be good again"), comes);
        }
    }

    fn keep_ended(&mut self, stack: &Deployed, moment: &str) {
        self.told.part("What was ended stays ended");
        let shown = self.done(stack, &format!("restore compare --to {moment} --prefix drill"));
        self.told.say(&format!("  {}", shown["changes"]));
        self.told
            .say("# The audit log tells that dora was deleted (act operator-user-delete); anna is what was damaged.");
        std::fs::write(self.folder.path().join("deleted.txt"), "dora-id\n").expect("a file");
        let line = format!(
            "restore keep-ended --to {moment} --prefix drill --missing-is-damage users --ended deleted.txt --yes"
        );
        self.done(stack, &line);
    }

    async fn verify(&mut self, new: &Deployed, held: &BTreeMap<&str, Held>, tokens: &[Value; 2]) {
        self.told.part("After the switch (functions with the restored tables): what was good is good");
        let gina = &held["gina"];
        let text =
            |token: &Value| token["accessToken"].as_str().or(token["token"].as_str()).unwrap_or_default().to_owned();
        let (shop, desk) = (text(&tokens[0]), text(&tokens[1]));
        for (what, holds) in [
            ("anna is back: her password opens", log_in(new, "anna", PASSWORD).await.is_some()),
            ("gina is back: her password opens", log_in(new, "gina", PASSWORD).await.is_some()),
            (
                "gina's JWT and auth header of before open",
                jwt_opens(new, &gina.jwt).await && header_opens(new, &gina.header).await,
            ),
            ("fred's JWT of before opens", jwt_opens(new, &held["fred"].jwt).await),
            ("emil's auth header of before opens", header_opens(new, &held["emil"].header).await),
            ("carl's new password opens", log_in(new, "carl", NEW_PASSWORD).await.is_some()),
            ("the other access token opens", application_opens(new, &desk, &gina.jwt).await),
        ] {
            self.told.check(what, holds);
        }
        self.told.part("and what was ended is ended");
        for (what, opens) in [
            ("bert's password, JWT and auth header (disabled)", {
                let bert = &held["bert"];
                log_in(new, "bert", PASSWORD).await.is_some()
                    || jwt_opens(new, &bert.jwt).await
                    || header_opens(new, &bert.header).await
            }),
            (
                "carl's old password, and the JWT from before it was changed",
                log_in(new, "carl", PASSWORD).await.is_some() || jwt_opens(new, &held["carl"].jwt).await,
            ),
            (
                "dora's password and auth header (deleted)",
                log_in(new, "dora", PASSWORD).await.is_some() || header_opens(new, &held["dora"].header).await,
            ),
            ("emil's JWT (logged out)", jwt_opens(new, &held["emil"].jwt).await),
            ("fred's auth header (deleted)", header_opens(new, &held["fred"].header).await),
            ("the deleted access token", application_opens(new, &shop, &gina.jwt).await),
            (
                "anna's JWT and auth header of before: nobody knows whether they were ended",
                jwt_opens(new, &held["anna"].jwt).await || header_opens(new, &held["anna"].header).await,
            ),
        ] {
            self.told.check(&format!("refused: {what}"), !opens);
        }
    }

    async fn once_more(&mut self, old: &Deployed, new: &Deployed, moment: &str) {
        self.told.part("Once more after the switch, for what was ended in between");
        self.done(old, "user disable --username gina");
        let Tables { credentials, users, tickets, auth_headers, applications } = &old.tables;
        let before = [credentials, users, tickets, auth_headers, applications].map(String::as_str).join(",");
        let line = format!(
            "restore keep-ended --to {moment} --prefix drill --missing-is-damage users --ended deleted.txt --before {before} --yes"
        );
        let done = self.done(new, &line);
        self.told.say(&format!("  {}", done["changes"]));
        self.told.check("gina, disabled in between, can't log in", log_in(new, "gina", PASSWORD).await.is_none());
        self.told.check("anna, who has logged in since, still can", log_in(new, "anna", PASSWORD).await.is_some());
    }
}

async fn run(mut drill: Drill) -> Transcript {
    let old = drill.deploy(&found(&drill.client).await);
    let (held, tokens) = drill.settle(&old).await;
    let (moment, restored) = drill.restore(&old).await;
    drill.meanwhile(&old, &held, &tokens[0]).await;
    drill.control(&restored, &held, &tokens[0]).await;
    drill.keep_ended(&old, &moment);
    let new = drill.deploy(&restored);
    drill.verify(&new, &held, &tokens).await;
    drill.once_more(&old, &new, &moment).await;
    drill.told
}

/// Puts the transcript into a document, between the lines that mark its place.
fn write(path: &str, transcript: &str) {
    let text = std::fs::read_to_string(path).expect("a document");
    let (begin, end) = ("<!-- drill -->\n", "<!-- /drill -->");
    let (head, rest) = text.split_once(begin).expect("a place for it");
    let (_, tail) = rest.split_once(end).expect("an end of it");
    std::fs::write(path, format!("{head}{begin}```text\n{}\n```\n{end}{tail}", transcript.trim())).expect("written");
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, tool, engine, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: drill URL TOOL ENGINE [--write FILE]");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut told = Transcript::default();
    told.say(&format!("Restore drill of {}Z, engine: {engine}", SystemClock.now().as_zoneless()));
    told.say("Not AWS: no table is restored to a moment of the past here, and no stack is deployed for the switch.");
    let drill = Drill {
        url: url.clone(),
        tool: tool.clone(),
        client: dynamodb::client(url),
        stack: Stack::new(),
        folder: tempfile::tempdir().expect("a folder"),
        told,
    };
    let mut told = runtime.block_on(run(drill));
    let end = if told.failed == 0 {
        "The drill went as it must.".to_owned()
    } else {
        format!("{} steps FAILED.", told.failed)
    };
    told.say(&format!("\n{end}"));
    if let [flag, file] = rest
        && flag == "--write"
        && told.failed == 0
    {
        write(file, &told.text);
    }
    ExitCode::from(u8::from(told.failed > 0))
}
