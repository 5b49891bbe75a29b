//! Rules about changed passwords and one-time tokens.

use futures_util::future::join_all;
use shared::clock::Timestamp;
use shared::lockout::{Admits, CounterKey, Gate, Lock, Place};
use shared::one_time::{OneTime, OneTimeKey, Purpose};
use shared::password::Phc;
use shared::store::{
    Administration, Creation, LoginCommit, LoginName, Lookup, NewPassword, NewUser, PasswordChange, Proof, Write,
};
use shared::user::{Email, User, UserId};

use crate::rules::{
    NOW, PARALLEL, account, at_home, auth_header, create, find_credential, find_user, later, login_name, named,
    one_time, tenant, ticket, with_email, wrong,
};

/// What a credential holds, in a form that can be compared and shown.
type State = (Option<String>, u64, Timestamp, Option<Timestamp>, Vec<String>, u32, Option<Timestamp>);

/// Everything about an account that a change of its password may touch.
async fn state(store: &impl Administration, user: &User) -> (User, State) {
    let credential = find_credential(store, user).await.unwrap();
    let shown = |phc: &Phc| phc.expose_secret().to_owned();
    let state = (
        credential.phc.as_ref().map(shown),
        credential.version,
        credential.password_changed,
        credential.password_expires,
        credential.history.iter().map(shown).collect(),
        credential.guesses.failures(),
        credential.last_login,
    );
    (find_user(store, &user.id).await.unwrap(), state)
}

fn phc(text: &str) -> Phc {
    Phc::from_stored(text.to_owned())
}

fn gate(admits: Admits) -> Gate {
    let lock = Lock { key: at_home(), admits };
    Gate { locks: vec![lock], place: at_home().place, stale: Vec::new(), forgotten: Vec::new() }
}

pub fn change(user: &User, proof: Proof) -> PasswordChange {
    PasswordChange {
        name: login_name(user),
        user: user.id.clone(),
        version: 0,
        password: NewPassword { history: vec![phc("$stored$")], ..NewPassword::new(phc("$new$"), later(50)) },
        proof,
        end_auth_headers: false,
        forget: Vec::new(),
        place: None,
        at: later(50),
    }
}

fn by_owner(user: &User) -> PasswordChange {
    change(user, Proof::OldPassword(gate(Admits::Below(5))))
}

/// A user with an address, in the tenant `demo`.
pub async fn reachable(store: &impl Administration) -> User {
    tenant(store, "demo").await;
    let user = with_email(named("demo", "Jo"), "Jo@example.com");
    assert_eq!(create(store, &user).await, Creation::Done);
    user
}

/// A stored reset token for the first password.
pub async fn reset(store: &impl Administration, user: &User) -> OneTime {
    sent(store, user, Purpose::Reset { version: 0 }).await
}

/// A stored one-time token.
pub async fn sent(store: &impl Administration, user: &User, purpose: Purpose) -> OneTime {
    let token = one_time(user, purpose);
    assert_eq!(store.create_one_time(&login_name(user), &token, NOW).await.unwrap(), Write::Done);
    token
}

async fn stored(store: &impl Administration, key: &OneTimeKey) -> Option<OneTime> {
    store.lookup(Lookup { one_time: Some(key.clone()), ..Lookup::default() }).await.unwrap().one_time
}

pub async fn a_password_change_replaces_it_and_ends_the_tickets(store: &impl Administration) {
    let user = account(store).await;
    let name = login_name(&user);
    let (ticket, header) = (ticket(&user), auth_header(&user));
    let strangers = CounterKey { place: Place::Strangers, ..at_home() };
    let mut guess = wrong(&name, 1, Admits::Below(5));
    guess.counted.push(strangers.clone());
    assert_eq!(store.record_guess(guess).await.unwrap(), Write::Done);
    assert_eq!(store.expire_password(&name, Some(later(2))).await.unwrap(), Write::Done);

    // What the gate forgets anyway may be named once more.
    let forget = vec![at_home(), strangers];
    assert_eq!(store.change_password(PasswordChange { forget, ..by_owner(&user) }).await.unwrap(), Write::Done);
    let (after, changed) = state(store, &user).await;
    assert_eq!(changed, (Some("$new$".into()), 1, later(50), None, vec!["$stored$".into()], 0, None));
    let credential = find_credential(store, &user).await.unwrap();
    assert!(credential.guesses.counters.is_empty() && credential.guesses.known.contains_key(&at_home().place));
    assert!(!ticket.is_live(&after, later(51)) && header.is_live(&after, later(51)), "auth headers go on");
    assert!(crate::rules::ticket(&after).is_live(&after, later(51)));
    let old = LoginCommit {
        name: name.clone(),
        version: 0,
        user: user.id.clone(),
        gate: gate(Admits::Below(5)),
        at: later(52),
    };
    assert_eq!(store.commit_login(old).await.unwrap(), Write::Refused, "a login with the old one ends with it");
    let late = store.replace_hash(&name, &user.id, 0, &phc("$old$")).await.unwrap();
    assert_eq!(late, Write::Refused, "and so does its stronger hash");

    let again = PasswordChange { version: 1, end_auth_headers: true, ..by_owner(&user) };
    assert_eq!(store.change_password(again).await.unwrap(), Write::Done);
    assert!(!header.is_live(&find_user(store, &user.id).await.unwrap(), later(51)), "unless they are to end too");
    assert_eq!(state(store, &user).await.1.1, 2);
}

pub async fn a_refused_password_change_changes_nothing(store: &impl Administration) {
    let user = reachable(store).await;
    let name = login_name(&user);
    assert_eq!(store.record_guess(wrong(&name, 1, Admits::Below(5))).await.unwrap(), Write::Done);
    let before = state(store, &user).await;
    let stranger = UserId::parse("another").unwrap();
    let absent = LoginName::typed("demo", "absent");
    let verify = sent(store, &user, Purpose::Verify).await;
    let reset_of = |key| OneTime { key, purpose: Purpose::Reset { version: 0 }, ..verify.clone() };
    let foreign = reset_of(OneTimeKey { user: stranger.clone(), ..verify.key.clone() });
    let missing = reset_of(one_time(&user, Purpose::Verify).key);
    for (what, refused) in [
        ("another version", PasswordChange { version: 1, ..by_owner(&user) }),
        ("another user", PasswordChange { user: stranger, ..by_owner(&user) }),
        ("another name", PasswordChange { name: absent.clone(), ..by_owner(&user) }),
        ("a count that moved", change(&user, Proof::OldPassword(gate(Admits::Below(1))))),
        ("a wait", change(&user, Proof::OldPassword(gate(Admits::Nobody)))),
        ("a token that is not stored", change(&user, Proof::Reset(missing))),
        ("another purpose", change(&user, Proof::Reset(verify.clone()))),
        ("another user's token", change(&user, Proof::Reset(foreign))),
    ] {
        assert_eq!(store.change_password(refused).await.unwrap(), Write::Refused, "{what}");
        assert_eq!(state(store, &user).await, before, "{what}");
    }
    let nobody = store.lookup(Lookup { credential: Some(absent), ..Lookup::default() }).await.unwrap();
    assert!(nobody.credential.is_none(), "changing makes no account");

    assert_eq!(store.set_enabled(&user, false, later(1)).await.unwrap(), Write::Done);
    let before = state(store, &user).await;
    let token = OneTime { created: later(1), ..reset_of(one_time(&user, Purpose::Verify).key) };
    assert_eq!(store.create_one_time(&name, &token, NOW).await.unwrap(), Write::Done);
    for proof in [Proof::OldPassword(gate(Admits::Below(5))), Proof::Reset(token.clone())] {
        assert_eq!(store.change_password(change(&user, proof)).await.unwrap(), Write::Refused, "disabled");
        assert_eq!(state(store, &user).await, before);
    }
    assert_eq!(stored(store, &token.key).await, Some(token), "nor is its token used up");
    let early = PasswordChange { at: later(0), ..change(&user, Proof::Administrator) };
    assert_eq!(store.change_password(early).await.unwrap(), Write::Refused, "its date of change never goes back");
    assert_eq!(state(store, &user).await, before);
    assert_eq!(store.change_password(change(&user, Proof::Administrator)).await.unwrap(), Write::Done);
    assert_eq!(find_user(store, &user.id).await.unwrap().modified, later(50), "an administrator's change is one");
}

pub async fn an_account_without_a_password_can_be_given_one(store: &impl Administration) {
    tenant(store, "demo").await;
    let user = named("demo", "Jo");
    assert_eq!(store.create_user(NewUser::new(user.clone(), None)).await.unwrap(), Creation::Done);
    let name = login_name(&user);
    assert_eq!(store.expire_password(&name, Some(later(1))).await.unwrap(), Write::Refused, "there is none to end");
    let mut given = change(&user, Proof::Administrator);
    given.password.expires = Some(later(50));
    given.password.history = Vec::new();
    assert_eq!(store.change_password(given).await.unwrap(), Write::Done);
    let expected = (Some("$new$".into()), 1, later(50), Some(later(50)), Vec::new(), 0, None);
    assert_eq!(state(store, &user).await.1, expected);
}

pub async fn of_parallel_password_changes_one_wins(store: &impl Administration) {
    let user = account(store).await;
    let changes = (0..PARALLEL).map(|_| store.change_password(by_owner(&user)));
    let outcomes = join_all(changes).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == Write::Done);
    assert_eq!(outcomes.count(), 1);
    let (after, credential) = state(store, &user).await;
    assert_eq!((credential.1, after.session_epoch), (1, user.session_epoch + 1));
}

pub async fn a_password_s_end_is_set_and_taken_away(store: &impl Administration) {
    let user = account(store).await;
    let name = login_name(&user);
    for end in [Some(later(1)), Some(NOW), None, None] {
        assert_eq!(store.expire_password(&name, end).await.unwrap(), Write::Done);
        assert_eq!(find_credential(store, &user).await.unwrap().password_expires, end);
    }
    let absent = LoginName::typed("demo", "absent");
    assert_eq!(store.expire_password(&absent, Some(NOW)).await.unwrap(), Write::Refused);
    assert!(find_credential(store, &named("demo", "absent")).await.is_none(), "ending makes no account");
}

pub async fn a_reset_token_works_once(store: &impl Administration) {
    let user = reachable(store).await;
    let (first, second) = (reset(store, &user).await, one_time(&user, Purpose::Reset { version: 0 }));
    let second = OneTime { created: later(9), ..second };
    assert_eq!(store.create_one_time(&login_name(&user), &second, later(5)).await.unwrap(), Write::Done);
    assert_eq!(store.record_guess(wrong(&login_name(&user), 1, Admits::Below(5))).await.unwrap(), Write::Done);
    let by = |token: &OneTime, version| PasswordChange {
        version,
        forget: vec![at_home()],
        place: Some(at_home().place),
        ..change(&user, Proof::Reset(token.clone()))
    };
    assert_eq!(store.change_password(by(&first, 0)).await.unwrap(), Write::Done);
    let known = find_credential(store, &user).await.unwrap().guesses.known;
    assert_eq!(known.get(&at_home().place), Some(&later(50)), "where it was used is a network of the account's");
    let (after, credential) = state(store, &user).await;
    assert_eq!(credential, (Some("$new$".into()), 1, later(50), None, vec!["$stored$".into()], 0, None));
    assert_eq!((after.email_verified, after.modified, after.session_epoch), (true, later(50), user.session_epoch + 1));
    assert_eq!(stored(store, &first.key).await, None);
    for (what, token, version) in
        [("used", &first, 0), ("used", &first, 1), ("earlier", &second, 0), ("earlier", &second, 1)]
    {
        assert_eq!(store.change_password(by(token, version)).await.unwrap(), Write::Refused, "{what}");
    }
    assert_eq!(state(store, &user).await, (after, credential));
}

pub async fn a_reset_token_ends_with_the_sessions_of_its_user(store: &impl Administration) {
    let user = reachable(store).await;
    let token = reset(store, &user).await;
    for enabled in [false, true] {
        assert_eq!(store.set_enabled(&user, enabled, later(1)).await.unwrap(), Write::Done);
    }
    let before = state(store, &user).await;
    assert_eq!(store.change_password(change(&user, Proof::Reset(token.clone()))).await.unwrap(), Write::Refused);
    assert_eq!(state(store, &user).await, before);
    assert_eq!(stored(store, &token.key).await, Some(token));
    let now = find_user(store, &user.id).await.unwrap();
    let anew = OneTime { created: later(70), ..one_time(&now, Purpose::Reset { version: 0 }) };
    assert_eq!(store.create_one_time(&login_name(&user), &anew, later(9)).await.unwrap(), Write::Done);
    assert_eq!(store.change_password(change(&user, Proof::Reset(anew))).await.unwrap(), Write::Done);
}

pub async fn a_reset_token_ends_with_the_address_it_was_sent_to(store: &impl Administration) {
    let user = reachable(store).await;
    let token = reset(store, &user).await;
    let moved = User { email: Email::parse("new@example.com"), modified: later(3), ..user.clone() };
    let _ = store.update_user(&user, &moved).await.unwrap();
    let before = state(store, &user).await;
    assert_eq!(store.change_password(change(&user, Proof::Reset(token.clone()))).await.unwrap(), Write::Refused);
    let verify = OneTime { purpose: Purpose::Verify, ..token };
    assert_eq!(store.verify_email(&verify, later(4)).await.unwrap(), Write::Refused);
    assert_eq!(state(store, &user).await, before);
    assert!(!before.0.email_verified);
}

/// An account without an address gets its link from an administrator.
pub async fn a_reset_without_an_address_verifies_none(store: &impl Administration) {
    let user = account(store).await;
    let token = reset(store, &user).await;
    assert_eq!(store.change_password(change(&user, Proof::Reset(token))).await.unwrap(), Write::Done);
    let after = find_user(store, &user.id).await.unwrap();
    assert_eq!(after, User { session_epoch: user.session_epoch + 1, ..user });
}

pub async fn one_time_tokens_are_few_and_their_user_s_own(store: &impl Administration) {
    let user = reachable(store).await;
    let name = login_name(&user);
    let first = reset(store, &user).await;
    assert_eq!(stored(store, &first.key).await, Some(first.clone()));
    let foreign = OneTimeKey { user: UserId::parse("another").unwrap(), ..first.key.clone() };
    assert_eq!(stored(store, &foreign).await, None, "it leads to its own user only");

    let at = |seconds| OneTime { created: later(seconds), ..one_time(&user, Purpose::Verify) };
    let (early, next) = (at(30), at(60));
    let since = NOW.minus(std::time::Duration::from_secs(1));
    assert_eq!(store.create_one_time(&name, &early, since).await.unwrap(), Write::Refused, "one was sent since then");
    assert_eq!(stored(store, &early.key).await, None);
    assert_eq!(store.create_one_time(&name, &next, NOW).await.unwrap(), Write::Done, "none after that");

    let absent = named("demo", "absent");
    let to_nobody = one_time(&absent, Purpose::Verify);
    assert_eq!(store.create_one_time(&login_name(&absent), &to_nobody, NOW).await.unwrap(), Write::Refused);
    assert_eq!(store.create_one_time(&name, &to_nobody, later(99)).await.unwrap(), Write::Refused, "another user's");
    assert_eq!(stored(store, &to_nobody.key).await, None);
    assert!(find_credential(store, &absent).await.is_none());

    let many: Vec<_> = (0..PARALLEL).map(|_| at(200)).collect();
    let outcomes = join_all(many.iter().map(|token| store.create_one_time(&name, token, later(100)))).await;
    assert_eq!(outcomes.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == Write::Done).count(), 1);
}

pub async fn a_token_that_was_not_sent_is_taken_back(store: &impl Administration) {
    let user = reachable(store).await;
    let name = login_name(&user);
    let first = reset(store, &user).await;
    let other = one_time(&user, Purpose::Verify);
    assert_eq!(store.withdraw_one_time(&name, &other).await.unwrap(), Write::Refused, "that was never stored");
    let absent = LoginName::typed("demo", "absent");
    assert_eq!(store.withdraw_one_time(&absent, &first).await.unwrap(), Write::Refused, "nobody's");
    assert_eq!(stored(store, &first.key).await, Some(first.clone()));
    assert_eq!(store.withdraw_one_time(&name, &first).await.unwrap(), Write::Done);
    assert_eq!(stored(store, &first.key).await, None);
    assert_eq!(store.withdraw_one_time(&name, &first).await.unwrap(), Write::Refused);
    assert_eq!(store.change_password(change(&user, Proof::Reset(first))).await.unwrap(), Write::Refused);
    let since = NOW.minus(std::time::Duration::from_secs(60));
    assert_eq!(store.create_one_time(&name, &other, since).await.unwrap(), Write::Done, "as if none had been sent");

    let next = OneTime { created: later(9), ..one_time(&user, Purpose::Verify) };
    assert_eq!(store.create_one_time(&name, &next, NOW).await.unwrap(), Write::Done);
    assert_eq!(store.withdraw_one_time(&name, &other).await.unwrap(), Write::Refused, "a later one was sent");
}

pub async fn a_one_time_token_that_was_deleted_is_gone(store: &impl Administration) {
    let user = reachable(store).await;
    let (reset, verify) =
        (reset(store, &user).await, OneTime { created: later(9), ..one_time(&user, Purpose::Verify) });
    assert_eq!(store.create_one_time(&login_name(&user), &verify, NOW).await.unwrap(), Write::Done);
    for _ in 0..2 {
        store.delete_one_time(&reset.key).await.unwrap();
        assert_eq!(stored(store, &reset.key).await, None);
        assert_eq!(stored(store, &verify.key).await, Some(verify.clone()), "and no other");
    }
    assert_eq!(store.change_password(change(&user, Proof::Reset(reset))).await.unwrap(), Write::Refused);
    assert_eq!(store.verify_email(&verify, later(10)).await.unwrap(), Write::Done);
}

pub async fn an_address_is_verified_by_its_own_token_once(store: &impl Administration) {
    let user = reachable(store).await;
    let token = sent(store, &user, Purpose::Verify).await;
    let reset = OneTime { purpose: Purpose::Reset { version: 0 }, ..token.clone() };
    assert_eq!(store.verify_email(&reset, later(4)).await.unwrap(), Write::Refused, "another purpose");
    let missing = one_time(&user, Purpose::Verify);
    assert_eq!(store.verify_email(&missing, later(4)).await.unwrap(), Write::Refused, "not stored");
    assert_eq!(find_user(store, &user.id).await, Some(user.clone()));

    assert_eq!(store.verify_email(&token, later(5)).await.unwrap(), Write::Done);
    let verified = User { email_verified: true, modified: later(5), ..user.clone() };
    assert_eq!(find_user(store, &user.id).await, Some(verified.clone()));
    assert_eq!(stored(store, &token.key).await, None);
    assert_eq!(store.verify_email(&token, later(6)).await.unwrap(), Write::Refused);
    assert_eq!(find_user(store, &user.id).await, Some(verified));

    let late = OneTime { created: later(9), ..one_time(&user, Purpose::Verify) };
    assert_eq!(store.create_one_time(&login_name(&user), &late, later(5)).await.unwrap(), Write::Done);
    assert_eq!(store.set_enabled(&user, false, later(10)).await.unwrap(), Write::Done);
    assert_eq!(store.verify_email(&late, later(11)).await.unwrap(), Write::Refused, "disabled");
}

pub async fn nobody_s_address_is_not_verified(store: &impl Administration) {
    let user = account(store).await;
    let token = sent(store, &user, Purpose::Verify).await;
    assert_eq!(store.verify_email(&token, later(5)).await.unwrap(), Write::Refused);
    assert_eq!(find_user(store, &user.id).await, Some(user));
}
