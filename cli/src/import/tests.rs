//! Files of each format, made by `tests/fixtures/make.py` to the forms that their systems document, and files in which
//! something is wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser as _;
use shared::clock::Timestamp;
use shared::password::{Cost, Hasher};
use shared::secret::Password;
use shared::tenant::TenantName;
use shared::user::User;

use super::account::{Account, Rules};
use super::pieces::{Array, Input, Lines, MAX_ROW_BYTES, Pieces, Table};
use super::record::{Dialect, Record};
use super::source::Source;
use crate::arguments::{Arguments, Command, Import};
use crate::failure::Failure;

const PASSWORD: &str = "correct horse battery staple";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn arguments(line: &str) -> Import {
    let arguments = Arguments::try_parse_from(["ostiary", "import"].into_iter().chain(line.split(' ')));
    match arguments.unwrap_or_else(|error| panic!("{error}")).command {
        Command::Import(import) => *import,
        _ => panic!("{line}"),
    }
}

fn rules() -> Rules {
    Rules { tenant: TenantName::parse("acme").unwrap(), only_tenant: false, mixed_alphabets: false, now: NOW }
}

/// What came of a file's rows: accounts by name, and for the others line, name, field and rule.
#[derive(Default)]
struct Outcome {
    accounts: BTreeMap<String, Account>,
    skipped: usize,
    refused: Vec<(u64, Option<String>, String, String)>,
    failure: Option<Failure>,
}

impl Outcome {
    fn of(pieces: Pieces, dialect: &Dialect) -> Self {
        let mut outcome = Self::default();
        for piece in pieces {
            let piece = match piece {
                Ok(piece) => piece,
                Err(failure) => {
                    outcome.failure = Some(failure);
                    continue;
                }
            };
            let read = match piece.content {
                Ok(content) => dialect.read(content, &rules()).map_err(|refused| (refused.username, refused.refusal)),
                Err(refusal) => Err((None, refusal)),
            };
            match read {
                Ok(Record::User(account)) => {
                    let name = account.new.user.name.as_str().to_owned();
                    outcome.accounts.insert(name, *account);
                }
                Ok(Record::Skipped(_)) => outcome.skipped += 1,
                Ok(_) => panic!("no user in line {}", piece.line),
                Err((name, refusal)) => {
                    outcome.refused.push((piece.line, name, refusal.field.into_owned(), refusal.rule.into_owned()));
                }
            }
        }
        outcome
    }

    fn of_file(file: &str, more: &str) -> Self {
        let line = format!("{}{more}", fixture(file).display()).replace("FIXTURES", &fixture("").display().to_string());
        let source = Source::open(&arguments(&line)).unwrap_or_else(|failure| panic!("{failure}"));
        Self::of(source.pieces, &source.dialect)
    }

    fn of_lines(text: &str) -> Self {
        Self::of(Pieces::Lines(Lines::new(input(text.as_bytes().to_vec()))), &Dialect::Native)
    }

    fn user(&self, name: &str) -> &User {
        &self.accounts[name].new.user
    }

    fn expires(&self, name: &str) -> Option<Timestamp> {
        self.accounts[name].new.password.as_ref().unwrap().expires
    }

    #[track_caller]
    fn signs_in(&self, name: &str, password: &str) {
        let hasher = Hasher::new(Cost { memory_kib: 32, iterations: 1, parallelism: 1 }).unwrap();
        let phc = &self.accounts[name].new.password.as_ref().unwrap().phc;
        for (typed, matches) in [(password.to_owned(), true), (format!("{password}?"), false)] {
            let typed = Password::from_input(&typed).unwrap();
            assert_eq!(hasher.verify(&typed, Some(phc)).unwrap().matches, matches, "{name}");
        }
    }

    fn refused(&self) -> Vec<(u64, Option<&str>, &str)> {
        self.refused.iter().map(|(line, name, field, _)| (*line, name.as_deref(), field.as_str())).collect()
    }
}

fn input(bytes: impl AsRef<[u8]> + Send + 'static) -> Input {
    Input::new(Box::new(std::io::Cursor::new(bytes)))
}

fn attributes(user: &User) -> Vec<(&str, &str)> {
    user.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))).collect()
}

#[test]
fn a_table_and_lines_bring_hashes_of_every_scheme() {
    let (table, lines) = (Outcome::of_file("users.csv", ""), Outcome::of_file("users.jsonl", ""));
    for (outcome, prefix) in [(&table, ""), (&lines, "J-")] {
        assert_eq!(outcome.refused(), []);
        for name in ["django", "pbkdf2", "scrypt", "ssha", "profile", "profile2"] {
            outcome.signs_in(&format!("{prefix}{name}"), PASSWORD);
        }
        outcome.signs_in(&format!("{prefix}bcrypt"), "U*U");
        outcome.signs_in(&format!("{prefix}argon2"), "password");
        assert!(outcome.accounts[&format!("{prefix}unusable")].new.password.is_none());
    }
    let user = table.user("ssha");
    assert_eq!((user.email.as_ref().unwrap().as_str(), user.email_verified), ("ssha@example.com", true));
    assert_eq!((user.first_name.as_deref(), user.roles.join("+")), (Some("Zoë"), "billing+night".to_owned()));
    assert_eq!((attributes(user), user.enabled), (vec![("team", "a, b")], true));
    assert!(!table.accounts["ssha"].has_id && lines.accounts["J-ssha"].has_id);
    let user = lines.user("J-ssha");
    assert_eq!((user.id.as_str(), user.created), ("id-ssha", Timestamp::parse("2020-01-31T12:00:00Z").unwrap()));
    let password = lines.accounts["J-ssha"].new.password.as_ref().unwrap();
    assert_eq!(password.changed, Timestamp::parse("2021-01-31T11:00:00Z").unwrap());
    assert_eq!(user.session_epoch, User::first_epoch(NOW), "above those of an earlier user of this id");
}

#[test]
fn a_keycloak_realm_is_read() {
    let outcome = Outcome::of_file("keycloak-realm.json", " --format keycloak");
    assert!(outcome.failure.is_none());
    for name in ["jane", "joe", "old"] {
        outcome.signs_in(name, PASSWORD);
    }
    outcome.signs_in("ann", "password");
    let jane = outcome.user("jane");
    assert_eq!(jane.roles, ["buyer", "shop:editor"]);
    let expected = [("groups", r#"["/staff/night"]"#), ("locale", "de"), ("phones", r#"["1","2"]"#)];
    assert_eq!((attributes(jane), jane.created), (expected.to_vec(), Timestamp::from_millis(1_500_000_000_000)));
    assert_eq!(outcome.accounts["jane"].notes, ["had a second factor, which is not moved"]);
    assert_eq!((outcome.expires("jane"), outcome.expires("joe")), (None, Some(NOW)), "joe must change it");
    assert!(!outcome.user("ann").enabled && jane.enabled && jane.email_verified);
    assert_eq!(outcome.skipped, 1, "a service account");
    let refused = outcome.refused();
    let refused: Vec<_> = refused.iter().map(|(_, name, field)| (name.unwrap(), *field)).collect();
    assert_eq!(refused, [("bob", "credentials"), ("eve", "roles")]);
}

#[test]
fn passwords_of_the_past_are_no_second_factor() {
    for (kind, notes) in [("password-history", 0), ("otp", 1)] {
        let row = format!(r#"[{{"username":"jane","credentials":[{{"type":"{kind}","secretData":"{{}}"}}]}}]"#);
        assert_eq!(array(&row).accounts["jane"].notes.len(), notes, "{kind}");
    }
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let read = |salt: &str, hash: &str| {
        let row = format!(
            r#"{{"email":"a@example.com","custom_password_hash":{{"algorithm":"scrypt","cost":1024,"blockSize":8,
               "parallelization":1,"hash":{{"value":"{hash}"}},"salt":{{"value":"{salt}","encoding":"base64"}}}}}}"#
        );
        let lines = Lines::new(input(row.replace('\n', "").into_bytes()));
        let outcome = Outcome::of(Pieces::Lines(lines), &Dialect::Auth0);
        let password = outcome.accounts.get("a@example.com").and_then(|account| account.new.password.as_ref());
        password.unwrap_or_else(|| panic!("{:?}", outcome.refused)).phc.expose_secret().to_owned()
    };
    let (standard, safe) = ("+/+/+/+/+/+/+/+/+/+/+w==", "-_-_-_-_-_-_-_-_-_-_-w");
    assert_eq!(read(standard, standard), read(safe, safe));
}

#[test]
fn exports_of_auth0_are_read_in_each_of_their_forms() {
    let hashes = Outcome::of_file("auth0-hashes.ndjson", " --format auth0");
    hashes.signs_in("jane@example.com", "U*U");
    let jane = hashes.user("jane@example.com");
    assert_eq!((jane.id.as_str(), jane.email_verified), ("auth0_5dea9f9c82dd7c0e76e4ec93", false));
    assert_eq!(attributes(jane), [("auth0.user_id", "auth0|5dea9f9c82dd7c0e76e4ec93")]);
    let joe = hashes.user("joe@example.com");
    assert_eq!((joe.id.as_str(), joe.email_verified), ("auth0_euclid", true), "from the identifiers");
    assert_eq!(hashes.refused(), [(3, Some("ann@example.com"), "passwordHash")]);

    let table = Outcome::of_file("auth0-users.csv", " --format auth0");
    assert_eq!(table.user("jane@example.com").id, jane.id, "the same user has the same id");
    assert_eq!(table.user("jane@example.com").attributes["user_metadata.plan"], "gold");
    assert_eq!(table.user("gus@example.com").id.as_str(), "google-oauth2_1234");
    assert!(table.accounts["gus@example.com"].new.password.is_none());

    let import = Outcome::of_file("auth0-import.json", " --format auth0");
    for name in ["bulk", "scrypt@example.com", "ldap@example.com"] {
        import.signs_in(name, PASSWORD);
    }
    import.signs_in("plain@example.com", "U*U");
    let bulk = import.user("bulk");
    assert!(!bulk.enabled);
    for (name, value) in [("app_metadata.plan", "gold"), ("app_metadata.seats", "3"), ("app_metadata.tags", r#"["a"]"#)]
    {
        assert_eq!(bulk.attributes[name], value);
    }
    assert_eq!(import.refused(), [(1, Some("md5@example.com"), "custom_password_hash")]);
    assert_eq!(import.accounts["plain@example.com"].notes.len(), 1, "a second factor");
}

#[test]
fn an_export_of_firebase_is_read() {
    let more = " --format firebase --firebase-hash-config FIXTURES/firebase-hash-config.txt";
    let outcome = Outcome::of_file("firebase-users.json", more);
    outcome.signs_in("jane@example.com", "user1password");
    let jane = outcome.user("jane@example.com");
    assert_eq!(jane.id.as_str(), "lA7ehQ7Zr1bWRYUGrqEFoZ1tKjq2");
    let expected = [("customAttributes.admin", "true"), ("customAttributes.plan", "gold"), ("displayName", "Jane Doe")];
    assert_eq!(attributes(jane), expected);
    let ann = outcome.user("ann@example.com");
    assert_eq!(
        (ann.enabled, ann.attributes["firebase.localId"].as_str()),
        (false, Some("an id, as some servers choose"))
    );
    assert!(outcome.accounts.contains_key("+4912345678"));
    assert_eq!(outcome.skipped, 1, "an anonymous one");
    assert_eq!(outcome.refused.len(), 1);
    assert!(outcome.refused[0].3.contains("redacted"), "{:?}", outcome.refused);
    let failure = Source::open(&arguments(&format!("{} --format firebase", fixture("firebase-users.json").display())));
    assert!(failure.err().unwrap().to_string().contains("Password hash parameters"));
}

#[test]
fn firebases_parameters_are_read_as_the_console_and_as_json_show_them() {
    let console = std::fs::read_to_string(fixture("firebase-hash-config.txt")).unwrap();
    let json = r#"{"algorithm":"SCRYPT","base64_signer_key":"a+/=","base64_salt_separator":"Bw==","rounds":8,
                   "mem_cost":14}"#;
    for (text, key) in [(console.as_str(), "jxspr8Ki"), (json, "a+/=")] {
        let project = super::firebase::project(text).ok().unwrap();
        assert!(project.signer_key.starts_with(key));
        assert_eq!((project.salt_separator.as_str(), project.rounds, project.mem_cost), ("Bw==", 8, 14));
    }
    for wrong in ["", "hash_config {}", &console.replace("rounds: 8", "rounds: x"), &json.replace("SCRYPT", "BCRYPT")] {
        let failure = super::firebase::project(wrong).err().unwrap();
        assert!(!failure.to_string().contains("jxspr8Ki"), "{failure}");
    }
}

#[test]
fn each_class_of_bad_row_is_told_by_line_and_field_and_good_ones_pass() {
    let rows = [
        (r#"{"username":"good1"}"#, ""),
        (r#"{"username":"#, "row"),
        (r"[]", "row"),
        ("\u{1}", "row"),
        (r#"{"username":"a","username":"b"}"#, "username"),
        (r#"{"username":7}"#, "username"),
        (r#"{"email":"a@b"}"#, "username"),
        (r#"{"username":"a b"}"#, "username"),
        (r#"{"username":"p\u0430ypal"}"#, "username"),
        (r#"{"username":"a","email":"b"}"#, "email"),
        (r#"{"username":"a","enabled":"yes"}"#, "enabled"),
        (r#"{"username":"a","roles":"admin"}"#, "roles"),
        (r#"{"username":"a","roles":["x\ny"]}"#, "roles"),
        (r#"{"username":"a","attributes":[]}"#, "attributes"),
        (r#"{"username":"a","attributes":{"":7}}"#, "attributes"),
        (r#"{"username":"a","id":"../x"}"#, "id"),
        (r#"{"username":"a","tenant":"a/b"}"#, "tenant"),
        (r#"{"username":"a","created":"yesterday"}"#, "created"),
        (r#"{"username":"a","passwordHash":"hunter2"}"#, "passwordHash"),
        (
            r#"{"username":"a","passwordHash":"$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}"#,
            "passwordHash",
        ),
        (r#"{"username":"a","passwordSalt":"AAAA"}"#, "passwordHash"),
        (r#"{"username":"a","passwordHistory":["hunter2"]}"#, "passwordHistory"),
        (r#"{"username":"a","password":"hunter2"}"#, "password"),
        (r#"{"username":"a","passwordhash":"hunter2"}"#, "passwordhash"),
        (r#"{"type":"group","username":"a"}"#, "type"),
        (r#"{"username":"good2"}"#, ""),
    ];
    let text: Vec<&str> = rows.iter().map(|(row, _)| *row).collect();
    let outcome = Outcome::of_lines(&text.join("\n"));
    assert_eq!(outcome.accounts.keys().collect::<Vec<_>>(), ["good1", "good2"]);
    let expected: Vec<_> = (1_u64..).zip(rows).filter(|(_, (_, field))| !field.is_empty()).collect();
    assert_eq!(outcome.refused.len(), expected.len());
    for ((line, (row, field)), (told, _, named, rule)) in expected.iter().zip(&outcome.refused) {
        assert_eq!((line, *field), (told, named.as_str()), "{row}");
        assert!(!rule.contains("hunter2"), "{rule}");
    }
}

#[test]
fn lines_are_counted_over_empty_ones_and_too_long_ones_are_skipped() {
    let fits = format!(r#"{{"username":"fits","attributes":{{}}{}}}"#, " ".repeat(MAX_ROW_BYTES - 35));
    assert_eq!(fits.len(), MAX_ROW_BYTES);
    let long = format!(r#"{{"username":"{}"}}"#, "x".repeat(MAX_ROW_BYTES));
    let outcome = Outcome::of_lines(&format!("\n\r\n{fits}\n{long}\n{{\"username\":\"last\"}}"));
    assert_eq!(outcome.accounts.keys().collect::<Vec<_>>(), ["fits", "last"]);
    assert_eq!(outcome.refused(), [(4, None, "row")]);
}

fn array(text: &str) -> Outcome {
    Outcome::of(Pieces::Array(Array::new(input(text.as_bytes().to_vec()))), &Dialect::Keycloak)
}

#[test]
fn elements_are_found_wherever_the_array_is() {
    for text in [
        r#"[{"username":"a"},{"username":"b]}\"["}]"#,
        r#"{"users":[{"username":"a"},{"username":"b]}\"["}]}"#,
        r#" { "x" : [1, {"users":[{"username":"no"}]}] , "users" : [ {"username":"a"} ,
             {"username":"b]}\"["} ] , "y":null,"z":-1.5e3,"users\u0041":[{}] } "#,
    ] {
        let outcome = array(text);
        assert!(outcome.failure.is_none(), "{text}");
        assert_eq!(outcome.accounts.keys().collect::<Vec<_>>(), ["a", r#"b]}"["#], "{text}");
    }
    assert!(array(r#"{"users":[]}"#).failure.is_none() && array("[]").failure.is_none());
}

#[test]
fn a_broken_element_spoils_no_other_one() {
    let outcome = array("{\"users\":[\n{\"username\":\"a\"},\n7,\n{\"username\" \"b\"},\n\"x\",{\"username\":\"c\"}]}");
    assert_eq!(outcome.accounts.keys().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(outcome.refused(), [(3, None, "row"), (4, None, "row"), (5, None, "row")]);
    let long = format!(r#"[{{"username":"{}"}},{{"username":"c"}}]"#, "x".repeat(MAX_ROW_BYTES));
    let outcome = array(&long);
    assert_eq!((outcome.accounts.len(), outcome.refused.len()), (1, 1));
}

#[test]
fn a_file_that_ends_too_early_or_holds_no_users_is_told() {
    let whole = r#"{"realm":"x","users":[{"username":"a"},{"username":"b"}],"z":{"a":[1]}}"#;
    for end in 1..whole.len() {
        let outcome = array(&whole[..end]);
        let failure = outcome.failure.unwrap_or_else(|| panic!("{}", &whole[..end]));
        assert!(failure.to_string().contains("not JSON, or not all of it"), "{failure}");
    }
    for text in ["", "7", "[1", "[1 2]", "{]", r#"{"a" 1}"#, r#"{"a":1 "b":2}"#, "[] []", r#"{"users":[,]}"#] {
        assert!(array(text).failure.is_some(), "{text}");
    }
    for text in [r#"{"realm":"x"}"#, r#"{"users":{}}"#, "{}"] {
        let failure = array(text).failure.unwrap();
        assert!(failure.to_string().contains("holds no users"), "{failure}");
    }
}

fn table(text: &str) -> Result<Outcome, Failure> {
    Table::new(input(text.as_bytes().to_vec())).map(|table| Outcome::of(Pieces::Table(table), &Dialect::Native))
}

#[test]
fn rows_of_a_table_are_told_by_their_first_line() {
    let text = "username,firstName,attribute.bio\r\n\r\na,\"x, \"\"y\"\"\",\nb,x\nc,\"two\nlines\",\nd,e,f\ne,f,g,h\n";
    let outcome = table(text).ok().unwrap();
    assert_eq!(outcome.accounts.keys().collect::<Vec<_>>(), ["a", "d"]);
    assert_eq!(outcome.user("a").first_name.as_deref(), Some("x, \"y\""));
    assert_eq!(outcome.refused(), [(4, None, "row"), (5, Some("c"), "firstName"), (8, None, "row")]);
    assert!(outcome.refused[0].3.contains("must have 3 cells"), "{:?}", outcome.refused);
}

#[test]
fn a_quote_that_is_never_closed_does_not_take_the_file() {
    let mut text = "username,firstName\na,b\nc,\"d\n".to_owned();
    text.push_str(&"e,f\n".repeat(200_000));
    let outcome = table(&text).ok().unwrap();
    assert_eq!(outcome.accounts.keys().collect::<Vec<_>>(), ["a"]);
    let failure = outcome.failure.unwrap().to_string();
    assert!(failure.contains("is a closing quote missing?"), "{failure}");
}

#[test]
fn cells_that_are_no_utf_8_are_told_by_their_column() {
    let table = Table::new(input(b"username,firstName\na,\xff\n".to_vec())).ok().unwrap();
    assert_eq!(Outcome::of(Pieces::Table(table), &Dialect::Native).refused(), [(2, None, "row")]);
}

fn opened(name: &str, content: &[u8], more: &str) -> Result<Source, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    Source::open(&arguments(&format!("{}{more}", path.display())))
}

#[test]
fn what_can_not_be_read_is_told_before_anything_is_written() {
    for (name, content, more, told) in [
        ("a", &b"{}"[..], "", "format must be given"),
        ("a.csv", b"username,pasword\n", "", "name of column 2 is not known"),
        ("a.csv", b"username,password\n", "", "passwords in clear"),
        ("a.csv", b"email\n", "", "must have a column username"),
        ("a.csv", b"username;email\n", "", "separated by commas"),
        ("a.csv", b"username,email,email\n", "", "columns 2 and 3 have the same name"),
        ("a.csv", b"", "", "must have a column username"),
        ("a.jsonl", b"age-encryption.org/v1\n-> X25519", "", "identity must be given"),
        ("a.jsonl", b"-----BEGIN AGE ENCRYPTED FILE-----\n", "", "identity must be given"),
        ("a.jsonl", b"-----BEGIN PGP MESSAGE-----\n", "", "gpg --decrypt"),
        ("a.jsonl", b"\x1f\x8b\x08\x00", "", "gunzip"),
        ("a.csv", b"\xff\xfeu\0s\0", "", "UTF-16"),
        ("a.json", b"<realm/>", " --format keycloak", "kc.sh export"),
        ("a.csv", b"uid,email", " --format firebase", "firebase auth:export"),
        ("a.csv", b"username\n", " --firebase-hash-config x", "only for --format firebase"),
    ] {
        let failure = opened(name, content, more).err().unwrap_or_else(|| panic!("{told}"));
        assert!(failure.to_string().contains(told), "{failure}");
        assert_eq!(failure.exit_code(), 2);
    }
    assert!(Source::open(&arguments("/nonexistent.csv")).err().unwrap().to_string().contains("can't be read"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_row() {
    for (name, text) in [("a.csv", "\u{feff}username\na\n"), ("a.jsonl", "\u{feff}{\"username\":\"a\"}\n")] {
        let source = opened(name, text.as_bytes(), "").ok().unwrap();
        assert_eq!(Outcome::of(source.pieces, &source.dialect).accounts.len(), 1, "{name}");
    }
}
