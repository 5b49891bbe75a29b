//! `ostiary export`, and `ostiary import` of what it wrote.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use local::Cloud;
use serde_json::{Value, json};
use shared::auth_header::{AuthHeader, Choices};
use shared::authorize::{Shown, Verifier};
use shared::aws::SecretsManager;
use shared::clock::{Clock as _, SystemClock};
use shared::keyring::{Algorithm, Keyring};
use shared::lockout;
use shared::password::Phc;
use shared::password::rules::PasswordRules;
use shared::random::SystemRandom;
use shared::secret::{Digest, Token};
use shared::store::{Administration as _, Creation, Credential, LoginName, Lookup, NewUser, Store as _, Update, Write};
use shared::tenant::{Lifetimes, Settings, Tenant, TenantName};
use shared::user::{User, UserId, UserName};

use crate::import::{Stack, lines};
use crate::{Run, Tool, cloud, cloud_with_tenant, in_front_of};

const PASSWORD: &str = "correct horse battery staple";

/// A name, its password, and a hash of it: test vectors that each scheme's authors published, or computed with Python's
/// hashlib.
const HASHES: [(&str, &str, &str); 13] = [
    ("argon2id", "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
    ("bcrypt2a", "U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    ("bcrypt2b", "U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("bcrypt2y", "U*U*U", "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    ("scrypt", "password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"),
    (
        "firebase",
        "user1password",
        "$firebase-scrypt$ln=14,r=8,sep=Bw,key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA$42xEC+ixf3L2lw$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ",
    ),
    ("pbkdf2-sha1", "password", "$pbkdf2-sha1$i=4096,l=20$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE"),
    (
        "pbkdf2-sha256",
        "Password",
        "$pbkdf2-sha256$i=80000,l=64$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ",
    ),
    (
        "pbkdf2-sha512",
        "password",
        "$pbkdf2-sha512$i=4096,l=64$c2FsdA$0Zexsz2wFD4BixLz0dFHnmzevcyXxcD4f2kC4HL0V7UUPzBgJkGz1VzTNZiMs2uEN2Bg7NUy4Dm3QqI5Q0ry1Q",
    ),
    ("sha256-1001", "admin", "$sha256-1001$AAECAwQFBgcICQoLDA0ODw$zTHCucvhqnZVeAJ4q0GawwsnNCI9v24kWq//6N0Q0r8"),
    ("ssha", "l\u{e8}tmein", "$ssha$AAECAwQFBgc$zCyB0yOIAKNCxw1zl1I29dxNpzM"),
    ("ssha256", "l\u{e8}tmein", "$ssha256$AAECAwQFBgc$fiyO6vwTeHjFHm99tp6sV0BIlE9y6BPye0LPTMHYh+s"),
    (
        "ssha512",
        "l\u{e8}tmein",
        "$ssha512$AAECAwQFBgc$GoKnqrPIN5mpqjMyeMtm1gLFWa1uRgPK8f25VKsEJ9D1yXXkYHKzgWFOw/ZOk/cPI+jLVtqYpZ4n6cuVxITGTA",
    ),
];

/// A folder with a key and a file for an export.
struct Place {
    folder: tempfile::TempDir,
    recipient: String,
    secret: String,
}

impl Place {
    fn new() -> Self {
        let (folder, key) = (tempfile::tempdir().unwrap(), x25519::Identity::generate());
        let secret = key.to_string().expose_secret().to_owned();
        fs::write(folder.path().join("own.key"), format!("# made by a test\n{secret}\n")).unwrap();
        Self { folder, recipient: key.to_public().to_string(), secret }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// How many files there are that no export has completed.
    fn parts(&self) -> usize {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "part")).count()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.text(name)
    }

    fn export(&self, tool: &Tool, name: &str, more: &[&str]) -> Run {
        tool.json(&[&["export", "--to", &self.text(name)], more].concat())
    }

    fn import(&self, tool: &Tool, name: &str) -> Run {
        self.import_with(tool, name, &["--with-credentials"])
    }

    fn import_with(&self, tool: &Tool, name: &str, more: &[&str]) -> Run {
        let own = self.text("own.key");
        tool.json(&[&["import", &self.text(name), "--identity", &own], more].concat())
    }
}

fn name(tenant: &str) -> TenantName {
    TenantName::parse(tenant).unwrap()
}

impl Stack {
    async fn user(&self, id: &str) -> User {
        let id = UserId::parse(id).unwrap();
        self.store.lookup(Lookup { users: vec![id], ..Lookup::default() }).await.unwrap().users.pop().unwrap()
    }

    async fn credential(&self, tenant: &str, name: &str) -> Credential {
        self.store.credentials(&[LoginName::typed(tenant, name)]).await.unwrap().pop().unwrap()
    }

    async fn tenant(&self, tenant: &str) -> Tenant {
        let wanted = Lookup { tenant: Some(name(tenant)), ..Lookup::default() };
        self.store.lookup(wanted).await.unwrap().tenant.unwrap()
    }

    async fn make_header(&self, user: &str, choices: Choices) -> (AuthHeader, Token) {
        let (header, token) = AuthHeader::issue(&self.user(user).await, choices, SystemClock.now(), &SystemRandom);
        assert_eq!(self.store.create_auth_header(&header).await.unwrap(), Write::Done);
        (header, token)
    }

    /// Whom an auth header opens here, and its scopes.
    async fn opens(&self, cloud: &Cloud, header: &Token) -> Option<(UserId, Vec<String>)> {
        let client = local::secrets::client(&cloud.secrets_url());
        let source = SecretsManager { client, id: self.config.keyset_secret.clone() };
        let keyring = Arc::new(Keyring::new(source, Arc::new(SystemClock)));
        let (store, party) = (self.store.clone(), self.config.party.clone());
        let verifier = Verifier { store, keyring, party, clock: Arc::new(SystemClock) };
        let caller = verifier.caller(Shown::AuthHeader(header.expose_secret())).await.ok()?;
        Some((caller.user.id, caller.scopes))
    }
}

/// Everything that a stack can hold.
struct Full {
    cloud: Cloud,
    tool: Tool,
    stack: Stack,
    live: Token,
    limited: Token,
    /// Auth headers that open nothing any more.
    ended: Vec<Token>,
    access_token: String,
}

async fn full(place: &Place) -> Full {
    let (cloud, tool) = cloud();
    for tenant in ["acme", "other"] {
        assert_eq!(tool.run(&["tenant", "create", tenant]).code, 0);
    }
    let stack = Stack::of(&cloud);
    let settings = settings();
    let tenant = Tenant { settings, ..stack.tenant("acme").await };
    assert_eq!(stack.store.update_tenant(&tenant).await.unwrap(), Write::Done);
    let users = place.write("users.jsonl", &users());
    assert_eq!(tool.run(&["import", &users]).code, 0);
    let ours = ["user", "create", "--tenant", "acme", "--username", "ours", "--password-stdin"];
    assert_eq!(tool.run_with(&ours, PASSWORD, Path::new(".")).code, 0);

    let (_, live) = stack.make_header("full", Choices::default()).await;
    let expires = Some(SystemClock.now().plus(Duration::from_secs(3600)));
    let choices = Choices { name: "nightly".to_owned(), expires, scopes: vec!["read".to_owned()] };
    let (_, limited) = stack.make_header("full", choices).await;
    let past = Choices { expires: Some(SystemClock.now().minus(Duration::from_secs(1))), ..Choices::default() };
    let mut ended = vec![stack.make_header("full", past).await.1];
    for user in ["switched-off", "back-again"] {
        ended.push(stack.make_header(user, Choices::default()).await.1);
        assert_eq!(tool.run(&["user", "disable", "--id", user]).code, 0);
    }
    assert_eq!(tool.run(&["user", "enable", "--id", "back-again"]).code, 0);
    let mut make = vec!["access-token", "create", "--application", "shop", "--expires", "2099-01-01T00:00:00.5Z"];
    make.extend(["--tenant", "acme=READ_TENANT,MANAGE_TICKETS", "--tenant", "other=*"]);
    let answer = tool.json(&make).json();
    let access_token = answer.get("token").and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(tool.run(&["access-token", "create", "--application", "admin", "--master"]).code, 0);
    Full { cloud, tool, stack, live, limited, ended, access_token }
}

fn settings() -> Settings {
    let minutes = |count: u64| Some(Duration::from_secs(60 * count));
    let day = Duration::from_secs(86_400);
    Settings {
        lifetimes: Lifetimes { login_jwt: minutes(5), ticket_max: minutes(90), ..Lifetimes::default() },
        password: PasswordRules { min_chars: 12, history: 3, max_age: Some(day * 3650), warn: day * 7 },
        lockout: lockout::Rules { per_network: 9, from_strangers: 90, ..lockout::Rules::DEFAULT },
        verified_email: false,
        algorithms: vec![Algorithm::Rs256, Algorithm::EdDsa],
        accepts_new_profiles: false,
        available_roles: vec!["author".to_owned()],
    }
}

fn users() -> String {
    let hashed = HASHES.iter().map(|(name, _, hash)| json!({ "username": name, "passwordHash": hash }));
    let others = [
        json!({
            "id": "full", "username": "Z\u{eb}\u{e9}", "email": "Full@Example.com", "emailVerified": true,
            "firstName": "F\u{fc}ll", "lastName": "\"Quoted\\ name\u{2028}\"", "roles": ["tenant-admin", "b"],
            "attributes": {
                "team": "night=shift", "empty": "", "a=b": { "list": [1, 0.1, null, "two\nlines"] }, "json": { "json": "x" },
            },
            "displayName": "Z. \u{eb}", "application": "portal", "created": "2020-02-29T12:34:56.789Z",
            "modified": "2021-01-01T00:00:00.001Z", "passwordHash": HASHES[2].2,
            "passwordChanged": "2024-05-06T07:08:09.010Z", "passwordExpires": "2098-01-01T00:00:00.5Z",
            "passwordHistory": [HASHES[1].2, HASHES[10].2],
        }),
        json!({ "id": "switched-off", "username": "switched-off", "tenant": "other", "passwordHash": HASHES[2].2 }),
        json!({ "id": "back-again", "username": "back-again", "tenant": "other" }),
        json!({ "username": "mixed", "tenant": "other", "email": "mixed@example.com" }),
    ];
    lines(hashed.chain(others))
}

/// What an account is, without what holds in one stack only.
fn comparable(user: &User, credential: &Credential) -> impl PartialEq + std::fmt::Debug + use<> {
    let user = User { session_epoch: 0, key_epoch: 0, ..user.clone() };
    let phc = |phc: &Phc| phc.expose_secret().to_owned();
    let history: Vec<String> = credential.history.iter().map(phc).collect();
    let password = credential.phc.as_ref().map(|hash| (phc(hash), credential.password_changed));
    (user, password, credential.password_expires, history)
}

async fn accounts(stack: &Stack, tenant: &str) -> Vec<(User, Credential)> {
    let page = stack.store.users_of(&name(tenant), None, 1000).await.unwrap();
    let mut accounts = Vec::new();
    for user in page.items {
        let credential = stack.credential(tenant, user.name.as_str()).await;
        accounts.push((user, credential));
    }
    accounts
}

#[tokio::test]
async fn everything_opens_in_an_empty_stack_what_it_opened_before() {
    let place = Place::new();
    let full = full(&place).await;
    let run = place.export(&full.tool, "all.jsonl.age", &["--recipient", &place.recipient]);
    let told = run.json();
    let users = HASHES.len() + 5;
    for (member, count) in [("tenants", 2), ("users", users), ("authHeaders", 2), ("accessTokens", 2)] {
        assert_eq!(told[member], count, "{told}");
    }
    assert_eq!((&told["hashes"], &told["leftOut"]["authHeadersEnded"]), (&(users - 2).into(), &3.into()), "{told}");
    let bytes = fs::read(place.path("all.jsonl.age")).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1"));
    assert!(!bytes.windows(8).any(|window| window == b"username"), "it is encrypted");
    assert_eq!(fs::metadata(place.path("all.jsonl.age")).unwrap().permissions().mode() & 0o777, 0o600);

    let (cloud, tool) = cloud();
    let stack = Stack::of(&cloud);
    let done = place.import(&tool, "all.jsonl.age").json();
    assert_eq!((&done["imported"], &done["refused"]), (&users.into(), &0.into()), "{done}");
    assert_eq!(done["authHeaders"], json!({ "imported": 2, "existing": 0 }));
    for tenant in ["acme", "other"] {
        let (before, after) = (accounts(&full.stack, tenant).await, accounts(&stack, tenant).await);
        assert_eq!(before.len(), after.len());
        for ((user, credential), (other, copy)) in before.iter().zip(&after) {
            assert_eq!(comparable(user, credential), comparable(other, copy));
        }
        let revision = |tenant: Tenant| Tenant { revision: 0, ..tenant };
        assert_eq!(revision(full.stack.tenant(tenant).await), revision(stack.tenant(tenant).await));
    }
    let sorted = |mut tokens: Vec<_>| {
        tokens.sort_by_key(|token: &shared::access_token::AccessToken| token.digest);
        tokens
    };
    let (before, after) = (full.stack.store.access_tokens().await, stack.store.access_tokens().await);
    assert_eq!(sorted(before.unwrap()), sorted(after.unwrap()));

    signs_in(&[&full.stack, &stack]).await;
    let opened = Some((UserId::parse("full").unwrap(), vec![]));
    assert_eq!(stack.opens(&cloud, &full.live).await, opened);
    assert_eq!(stack.opens(&cloud, &full.limited).await, opened.map(|(id, _)| (id, vec!["read".to_owned()])));
    for header in &full.ended {
        assert_eq!(full.stack.opens(&full.cloud, header).await, None);
        assert_eq!(stack.opens(&cloud, header).await, None, "what has ended does not come back");
    }
    let digest = Token::new(full.access_token.clone()).digest();
    let found = stack.store.lookup(Lookup { access_token: Some(digest), ..Lookup::default() }).await.unwrap();
    assert_eq!(found.access_token.unwrap().application, "shop");

    let again = place.import(&tool, "all.jsonl.age").json();
    assert_eq!((&again["imported"], &again["existing"]), (&0.into(), &users.into()), "{again}");
    for other in ["tenants", "authHeaders", "accessTokens"] {
        assert_eq!(again[other], json!({ "imported": 0, "existing": 2 }), "{again}");
    }
    for text in [run.stdout, run.stderr, done.to_string(), again.to_string()] {
        for secret in [HASHES[2].2, full.live.expose_secret(), &full.access_token, &place.secret, "$argon2id"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

async fn signs_in(stacks: &[&Stack]) {
    let names = HASHES.iter().map(|(name, password, _)| (*name, *password));
    for (name, password) in names.chain([("ours", PASSWORD), ("full@example.com", "U*U")]) {
        for stack in stacks {
            assert!(stack.login(name, &format!("{password}!")).await.is_err(), "{name}");
            assert!(stack.login(name, password).await.is_ok(), "{name}");
        }
    }
    for (name, password) in [("other/switched-off", "U*U"), ("other/back-again", "U*U"), ("other/mixed", "x")] {
        for stack in stacks {
            assert!(stack.login(name, password).await.is_err(), "{name}");
        }
    }
}

#[tokio::test]
async fn an_export_in_clear_is_said_to_be_one_and_is_its_owner_s_alone() {
    let place = Place::new();
    let full = full(&place).await;
    let run = place.export(&full.tool, "all.jsonl", &["--plaintext"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("warning") && run.stderr.contains("not encrypted"), "{}", run.stderr);
    assert_eq!(fs::metadata(place.path("all.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    let text = place.read("all.jsonl");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (first, last) = (&lines[0], lines.last().unwrap());
    assert_eq!((&first["type"], &first["version"]), (&"ostiary-export".into(), &1.into()));
    assert_eq!(first["from"], full.stack.config.tables.users);
    assert_eq!(*last, json!({ "type": "end", "records": lines.len() - 2 }));
    let order: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert!(order[1..3] == ["tenant", "tenant"] && order[order.len() - 2] == "access_token", "{order:?}");
    for secret in [full.live.expose_secret(), full.limited.expose_secret(), &full.access_token] {
        assert!(!text.contains(secret), "only digests leave the stack");
    }
    let kept = fs::read(place.path("all.jsonl")).unwrap();
    assert_eq!(place.export(&full.tool, "all.jsonl", &["--plaintext"]).code, 2);
    assert_eq!(fs::read(place.path("all.jsonl")).unwrap(), kept, "a refusal changes nothing");
    let bare = ["--plaintext", "--overwrite", "--no-hashes", "--no-auth-headers", "--no-access-tokens"];
    let bare = place.export(&full.tool, "all.jsonl", &bare);
    assert_eq!(bare.code, 0, "{}", bare.stderr);
    assert!(run.stderr.contains("guess at every password"), "{}", run.stderr);
    assert!(bare.stderr.contains("not encrypted") && !bare.stderr.contains("password"), "{}", bare.stderr);
    let text = place.read("all.jsonl");
    assert!(!text.contains("passwordHash") && !text.contains("digest") && text.contains("Full@Example.com"), "{text}");
    assert!(text.lines().next().unwrap().contains(r#"["hashes","auth headers","access tokens"]"#), "{text}");
    assert_eq!(place.parts(), 0);
}

#[tokio::test]
async fn standard_output_holds_the_export_and_nothing_else() {
    let place = Place::new();
    let full = full(&place).await;
    let run = full.tool.json(&["export", "--to", "-", "--plaintext", "--tenant", "other"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["type"], "end");
    let summary: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["users"], &summary["tenants"]), (&3.into(), &1.into()), "{summary}");
    assert_eq!(summary["leftOut"]["accessTokensOfOtherTenants"], 2);
    assert!(!run.stdout.contains("acme"), "one tenant says nothing of another");
    let told = full.tool.run(&["export", "--to", "-", "--plaintext", "--tenant", "other"]).stderr;
    assert!(told.contains("users:           3\n") && told.contains("2 \u{d7} left out: access tokens"), "{told}");
}

#[tokio::test]
async fn what_is_asked_wrongly_writes_nothing() {
    let (_cloud, tool) = cloud_with_tenant();
    let place = Place::new();
    for (more, code, field) in [
        (&[][..], 2, ""),
        (&["--plaintext", "--recipient", "age1x"], 2, "plaintext"),
        (&["--recipient", "age1x"], 2, "recipient"),
        (&["--recipient", &place.secret], 2, "recipient"),
        (&["--recipients-file", "/nonexistent"], 2, "recipients-file"),
        (&["--plaintext", "--tenant", "nowhere"], 1, "tenant"),
        (&["--plaintext", "--tenant", "a/b"], 2, "tenant"),
    ] {
        let run = place.export(&tool, "all.jsonl", more);
        let error = run.error(code);
        assert!(field.is_empty() || error["field"] == field, "{error}");
        assert!(!run.stderr.contains(&place.secret), "{}", run.stderr);
    }
    fs::create_dir(place.path("folder")).unwrap();
    let error = place.export(&tool, "folder", &["--plaintext", "--overwrite"]).stderr;
    assert!(error.contains("must be a file"), "{error}");
    assert_eq!(place.export(&tool, "nowhere/all.jsonl", &["--plaintext"]).code, 2);
    assert!(!place.path("all.jsonl").exists());
    // An outage in the middle leaves nothing that looks like an export.
    let tool = tool.with("OSTIARY_TABLE_USERS", "gone");
    assert_eq!(place.export(&tool, "all.jsonl", &["--plaintext"]).code, 2);
    assert!(!place.path("all.jsonl").exists() && place.parts() == 0);
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_changed_or_for_others_is_noticed() {
    let place = Place::new();
    let full = full(&place).await;
    place.export(&full.tool, "all.jsonl.age", &["--recipient", &place.recipient]).json();
    assert_eq!(place.export(&full.tool, "all.jsonl", &["--plaintext"]).code, 0);
    let (cloud, tool) = cloud();
    let whole = fs::read(place.path("all.jsonl.age")).unwrap();
    for (name, bytes) in [
        ("cut.jsonl.age", whole[..whole.len() - 1].to_vec()),
        (
            "changed.jsonl.age",
            whole.iter().rev().enumerate().rev().map(|(at, byte)| byte ^ u8::from(at == 99)).collect(),
        ),
    ] {
        fs::write(place.path(name), bytes).unwrap();
        let run = place.import(&tool, name);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("cut off"), "{}", run.stderr);
    }
    let other = x25519::Identity::generate();
    let other = place.write("other.key", other.to_string().expose_secret());
    let error = tool.json(&["import", &place.text("all.jsonl.age"), "--identity", &other]).error(2);
    assert_eq!(error["field"], "identity", "{error}");
    assert_eq!(tool.json(&["import", &place.text("all.jsonl.age")]).error(2)["field"], "identity");
    assert_eq!(place.import(&tool, "all.jsonl").error(2)["field"], "identity", "nothing to decrypt");
    assert_eq!(accounts(&Stack::of(&cloud), "acme").await.len(), 0, "nothing of all that was imported");

    let lines: Vec<String> = place.read("all.jsonl").lines().map(|line| format!("{line}\n")).collect();
    let one_less = [&lines[..4], &lines[5..]].concat();
    let more = [&lines[..], &["{\"username\":\"late\"}\n".to_owned()]].concat();
    for (lines, imported, says) in [
        (&lines[..lines.len() - 1], HASHES.len() + 5, "cut off"),
        (&lines[..6], 3, "cut off"),
        (&one_less[..], HASHES.len() + 4, "not complete"),
        (&more[..], HASHES.len() + 5, "goes on"),
    ] {
        let (_cloud, tool) = crate::cloud();
        let file = place.write("part.jsonl", &lines.concat());
        let run = tool.json(&["import", &file]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
        let summary: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(summary["imported"], imported, "what is there is imported: {summary}");
    }
}

#[tokio::test]
async fn an_auth_header_reaches_its_own_account_or_none() {
    let place = Place::new();
    let full = full(&place).await;
    assert_eq!(place.export(&full.tool, "all.jsonl", &["--plaintext"]).code, 0);
    let import = |users: &str, before: &[&[&str]]| {
        let (cloud, tool) = cloud();
        for tenant in ["acme", "other"] {
            assert_eq!(tool.run(&["tenant", "create", tenant]).code, 0);
        }
        let users = place.write("before.jsonl", users);
        assert_eq!(tool.run(&["import", &users]).code, 0);
        for command in before {
            assert_eq!(tool.run(command).code, 0);
        }
        let run = tool.json(&["import", &place.text("all.jsonl"), "--with-credentials"]);
        (cloud, run)
    };
    for (users, before, says) in [
        // Strangers who have the id of another stack's user.
        (r#"{"id":"full","username":"stranger","tenant":"other"}"#, &[][..], "another account here"),
        (r#"{"id":"full","username":"stranger","tenant":"acme"}"#, &[], "another account here"),
        (r#"{"id":"full","username":"zëé","tenant":"other"}"#, &[], "another account here"),
        (
            r#"{"id":"full","username":"ZËÉ","tenant":"acme"}"#,
            &[&["user", "disable", "--id", "full"][..]],
            "is disabled here",
        ),
        (r#"{"id":"b","username":"zëé","tenant":"acme"}"#, &[], "is not there"),
    ] {
        let (cloud, run) = import(users, before);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
        let stack = Stack::of(&cloud);
        for header in [&full.live, &full.limited] {
            assert_eq!(stack.opens(&cloud, header).await, None, "{users}");
        }
    }
    let (cloud, run) = import(r#"{"id":"full","username":"ZËÉ","tenant":"acme"}"#, &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(Stack::of(&cloud).opens(&cloud, &full.live).await.is_some(), "the same account may have been there");
}

#[tokio::test]
async fn credentials_of_an_export_are_taken_from_an_export_only() {
    let place = Place::new();
    let (cloud, tool) = cloud_with_tenant();
    let token = json!({
        "type": "access_token", "digest": Digest::of(b"osa_mine").to_base64url(), "application": "mine", "master": true,
        "permissions": [{ "tenant": "*", "actions": ["*"] }], "created": "2026-01-01T00:00:00Z",
    });
    let file = place.write("users.jsonl", &format!("{}\n{token}\n", json!({ "username": "jane" })));
    let run = tool.json(&["import", &file, "--with-credentials"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("does not begin as an export"), "{}", run.stderr);
    assert_eq!(Stack::of(&cloud).store.access_tokens().await.unwrap(), []);
}

#[tokio::test]
async fn a_file_makes_nobody_powerful_unasked_nor_unseen() {
    let place = Place::new();
    let digest = |text: &str| Digest::of(text.as_bytes()).to_base64url();
    let file = place.write(
        "all.jsonl",
        &lines(
            [
                json!({ "type": "ostiary-export", "version": 1 }),
                json!({ "type": "user", "id": "eve", "tenant": "acme", "username": "eve", "roles": ["tenant-admin"] }),
                json!({ "type": "user", "tenant": "other", "username": "mallory", "roles": ["tenant-admin"] }),
                json!({
                    "type": "auth_header", "user": "jane", "tenant": "acme", "username": "jane", "digest": digest("h"),
                    "scopes": [], "created": "2026-01-01T00:00:00Z",
                }),
                json!({
                    "type": "access_token", "digest": digest("t"), "application": "mine", "master": true,
                    "permissions": [{ "tenant": "acme", "actions": ["*"] }], "created": "2026-01-01T00:00:00Z",
                }),
                json!({
                    "type": "access_token", "digest": digest("u"), "application": "mine", "master": false,
                    "permissions": [{ "tenant": "acme", "actions": ["*"] }], "created": "2026-01-01T00:00:00Z",
                }),
                json!({ "type": "end", "records": 5 }),
            ]
            .into_iter(),
        ),
    );
    for (more, imported, skipped, headers, tokens, refused) in [
        (&[][..], 2, 3, 0, 0, &[][..]),
        (&["--tenant", "acme"], 1, 2, 0, 0, &[3, 5]),
        (&["--tenant", "acme", "--with-credentials"], 1, 0, 1, 1, &[3, 5]),
        (&["--with-credentials"], 2, 0, 1, 2, &[]),
    ] {
        let (cloud, tool) = cloud();
        for tenant in ["acme", "other"] {
            assert_eq!(tool.run(&["tenant", "create", tenant]).code, 0);
        }
        let there = place.write("there.jsonl", "{\"id\":\"jane\",\"username\":\"jane\",\"tenant\":\"acme\"}\n");
        assert_eq!(tool.run(&["import", &there]).code, 0);
        let run = tool.json(&[&["import", &file], more].concat());
        assert_eq!(run.code, i32::from(!refused.is_empty()), "{more:?} {}", run.stderr);
        let told: Value = serde_json::from_str(&run.stdout).unwrap();
        let counts = (&told["imported"], &told["administrators"], &told["skipped"]);
        assert_eq!(counts, (&imported.into(), &imported.into(), &skipped.into()), "{more:?} {told}");
        let notes = told["notes"].to_string();
        assert_eq!(notes.contains("--with-credentials"), skipped > 0, "{notes}");
        assert!(notes.contains("is an administrator"), "{notes}");
        let made = (&told["authHeaders"]["imported"], &told["accessTokens"]["imported"]);
        assert_eq!(made, (&headers.into(), &tokens.into()), "{more:?} {told}");
        assert_eq!(Stack::of(&cloud).store.access_tokens().await.unwrap().len(), tokens, "{more:?}");
        let rows = run.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let rows: Vec<Value> = rows.filter(|row| row["line"].is_u64()).collect();
        assert!(rows.iter().all(|row| row["field"] == "tenant"), "{rows:?}");
        assert_eq!(rows.iter().map(|row| row["line"].as_u64().unwrap()).collect::<Vec<_>>(), refused, "{more:?}");
    }
}

#[test]
fn an_export_that_was_imported_to_its_end_is_not_called_cut_off() {
    let place = Place::new();
    let (_cloud, tool) = cloud_with_tenant();
    let users = place.write("users.jsonl", &lines((0..3).map(|number| json!({ "username": format!("user{number}") }))));
    assert_eq!(tool.run(&["import", &users]).code, 0);
    assert_eq!(place.export(&tool, "all.jsonl", &["--plaintext"]).code, 0);
    let (_target, tool) = cloud();
    let (file, checkpoint) = (place.text("all.jsonl"), place.text("checkpoint"));
    let command = ["import", &file, "--checkpoint", &checkpoint];
    assert_eq!(tool.json(&command).json()["imported"], 3);
    let again = tool.json(&command).json();
    assert_eq!((&again["allDoneBefore"], &again["rows"]), (&true.into(), &0.into()), "{again}");
}

#[tokio::test]
async fn tenants_that_are_there_keep_their_settings() {
    let place = Place::new();
    let full = full(&place).await;
    place.export(&full.tool, "all.jsonl.age", &["--recipient", &place.recipient]).json();
    let (cloud, tool) = cloud_with_tenant();
    let done = place.import(&tool, "all.jsonl.age").json();
    assert_eq!(done["tenants"], json!({ "imported": 1, "existing": 1 }), "{done}");
    assert_eq!(Stack::of(&cloud).tenant("acme").await.settings, Settings::default());
}

#[tokio::test]
async fn a_user_without_a_credential_is_told_and_all_others_are_exported() {
    let place = Place::new();
    let full = full(&place).await;
    let client = local::dynamodb::client(&full.cloud.dynamodb_url());
    let key = aws_sdk_dynamodb::types::AttributeValue::S("NAME#acme#ssha".to_owned());
    let table = &full.stack.config.tables.credentials;
    client.delete_item().table_name(table).key("pk", key).send().await.unwrap();
    let run = place.export(&full.tool, "all.jsonl", &["--plaintext"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("of tenant acme has no credential"), "{}", run.stderr);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    let counts = (&summary["users"], &summary["leftOut"]["usersWithoutCredential"]);
    assert_eq!(counts, (&(HASHES.len() + 4).into(), &1.into()), "{summary}");
    let (_cloud, tool) = cloud();
    assert_eq!(tool.json(&["import", &place.text("all.jsonl")]).json()["imported"], HASHES.len() + 4);
}

#[tokio::test]
async fn a_record_that_no_import_takes_is_told() {
    let place = Place::new();
    let full = full(&place).await;
    let mut user = full.stack.user("full").await;
    user.email = None;
    for (id, count) in [("fits", 16), ("too-long", 66)] {
        let (id, name) = (UserId::parse(id).unwrap(), UserName::parse(id).unwrap());
        let attributes = (0..count).map(|number| (format!("note{number}"), "x".repeat(1_000).into())).collect();
        let user = User { id, name, attributes, ..user.clone() };
        assert_eq!(full.stack.store.create_user(NewUser::new(user, None)).await.unwrap(), Creation::Done);
    }
    let run = place.export(&full.tool, "all.jsonl", &["--plaintext"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("the user too-long of tenant acme") && !run.stderr.contains("fits"), "{}", run.stderr);
    let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"], "1 records are too long to be imported: see above");
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    let users = HASHES.len() + 7;
    assert_eq!((&summary["users"], &summary["tooLongToImport"]), (&users.into(), &1.into()), "{summary}");
    let (_cloud, tool) = cloud();
    let run = tool.json(&["import", &place.text("all.jsonl")]);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &summary["imported"]), (1, &(users - 1).into()), "{summary} {}", run.stderr);
}

/// What the listing of access tokens said in the past: all that it names could do everything.
fn listing_of_the_past(tokens: &[Digest]) -> String {
    let item = |digest: &Digest| {
        json!({
            "pk": { "S": format!("TOKEN#{}", digest.to_base64url()) }, "kind": { "S": "TOKEN" },
            "application": { "S": "old" }, "master": { "BOOL": true }, "permissions": { "L": [] },
            "created": { "N": "1" },
        })
    };
    let items: Vec<Value> = tokens.iter().map(item).collect();
    json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() }).to_string()
}

#[tokio::test]
async fn a_listing_of_the_past_brings_no_access_token_back() {
    let place = Place::new();
    let full = full(&place).await;
    let (live, gone) = (Token::new(full.access_token.clone()).digest(), Digest::of(b"deleted"));
    let listed = listing_of_the_past(&[gone, live]);
    let url = in_front_of(&full.cloud, move |request| {
        let is_listing = request.contains("DynamoDB_20120810.Query") && request.contains("\"TOKEN\"");
        is_listing.then(|| (200, listed.clone()))
    });
    let tool = Tool::of(&full.cloud).with("AWS_ENDPOINT_URL_DYNAMODB", &url);
    let told = place.export(&tool, "all.jsonl", &["--plaintext"]).json();
    let counts = (&told["accessTokens"], &told["leftOut"]["accessTokensDeletedMeanwhile"]);
    assert_eq!(counts, (&1.into(), &1.into()), "{told}");
    let text = place.read("all.jsonl");
    assert!(!text.contains(&gone.to_base64url()), "{text}");
    let record = text.lines().find(|record| record.contains(&live.to_base64url())).unwrap();
    let record: Value = serde_json::from_str(record).unwrap();
    assert_eq!((&record["application"], &record["master"]), (&"shop".into(), &false.into()), "as it is now");
}

#[tokio::test]
async fn a_name_that_mixes_alphabets_comes_back() {
    let place = Place::new();
    let (source, tool) = cloud_with_tenant();
    let file = place.write("users.jsonl", "{\"id\":\"m\",\"username\":\"p\u{430}ypal\"}\n");
    assert_eq!(tool.run(&["import", &file, "--allow-mixed-alphabets"]).code, 0);
    let stack = Stack::of(&source);
    let before = stack.user("m").await;
    let renamed = User { first_name: Some("P".to_owned()), modified: SystemClock.now(), ..before.clone() };
    assert_eq!(stack.store.update_user(&before, &renamed).await.unwrap(), Update::Done);
    place.export(&tool, "all.jsonl.age", &["--recipient", &place.recipient]).json();
    let (_target, tool) = crate::cloud();
    let run = place.import(&tool, "all.jsonl.age");
    assert!(run.code == 1 && run.stderr.contains("--allow-mixed-alphabets"), "whoever made the file: {}", run.stderr);
    let done = place.import_with(&tool, "all.jsonl.age", &["--allow-mixed-alphabets"]).json();
    assert_eq!(done["imported"], 1);
}

#[test]
fn hashes_that_need_a_pepper_are_counted_on_the_way_out_and_in() {
    let place = Place::new();
    let (_cloud, tool) = cloud_with_tenant();
    let hash =
        "$argon2id$v=19$m=64,t=2,p=1,keyid=d2ludGVy$c29tZXNhbHQxMjM0NTY3OA$7TwggwbdLIA8oD38ViS1TcqqhnO9ielaVjSFGP05s1I";
    let users = [json!({ "username": "jane", "passwordHash": hash }), json!({ "username": "joe" })];
    let file = place.write("users.jsonl", &lines(users.into_iter()));
    let noted = |summary: &Value| summary["notes"].to_string();
    assert!(noted(&tool.json(&["import", &file]).json()).contains("pepper"));
    let told = place.export(&tool, "all.jsonl.age", &["--recipient", &place.recipient]).json();
    assert_eq!(told["peppers"], json!({ "winter": 1 }), "{told}");
    let (_target, tool) = cloud();
    let done = place.import(&tool, "all.jsonl.age").json();
    assert!(done["imported"] == 2 && noted(&done).contains("pepper"), "{done}");
}

#[test]
fn many_pages_of_users_come_out_once_each() {
    let place = Place::new();
    let (_cloud, tool) = cloud_with_tenant();
    let users = (0..2_500).map(|number| json!({ "username": format!("user{number}") }));
    let file = place.write("users.jsonl", &lines(users));
    assert_eq!(tool.json(&["import", &file]).json()["imported"], 2_500);
    assert_eq!(place.export(&tool, "all.jsonl", &["--plaintext"]).code, 0);
    let text = place.read("all.jsonl");
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for line in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if let Some(name) = line["username"].as_str() {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    assert!(counts.len() == 2_500 && counts.values().all(|count| *count == 1));
}
