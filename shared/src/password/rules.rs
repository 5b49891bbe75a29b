//! What a new password has to be: long enough, not common, not about its owner, not a mere run (NIST SP 800-63B-4,
//! 3.1.1.2). There are no rules about kinds of characters, for they make passwords alike and not strong.
//!
//! Invariant: a check asks nobody, and neither it nor what it answers keeps or shows anything of the password.

use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::blocklist;
use crate::secret::Password;
use crate::tenant::TenantName;
use crate::user::{Email, User, UserName};

const DAY: Duration = Duration::from_secs(86_400);

/// With fewer letters and digits around it than this, a known word is still as good as alone; and a password in which
/// fewer characters than this can't be told from the one before is a run.
const FEW: usize = 6;

/// What makes a run of characters rather than an accident: "abc" does, "ab" doesn't.
const RUN: usize = 3;

/// The shortest part of a name that is looked for: shorter ones are in many words.
const SHORTEST_NAME: usize = 4;

/// The orders in which runs go, either way: alphabet, digits, and the rows of three keyboards with the columns that
/// fingers go down.
const ORDERS: [&str; 18] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "!@#$%^&*()",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
];

/// What a tenant asks of the passwords of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// The fewest characters, counted in normalisation form C: 8 to 64.
    pub min_chars: u32,
    /// How many of the account's earlier passwords may not come back: 0 to 10.
    pub history: u32,
    /// How long a password is good for: 1 to 3650 whole days, or for ever.
    pub max_age: Option<Duration>,
    /// How long before its end a login begins to say so: 0 to 3650 whole days.
    pub warn: Duration,
}

/// A setting that is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct OutOfBounds {
    /// The name of the setting: that of the field of [`PasswordRules`].
    pub field: &'static str,
    /// Its bounds, as a predicate.
    pub rule: &'static str,
}

impl PasswordRules {
    /// At least 15 characters, which NIST asks for where a password is the only factor. No end, since NIST rules out
    /// changes by the calendar; so no history, which without them has little to prevent.
    pub const DEFAULT: Self =
        Self { min_chars: 15, history: 0, max_age: None, warn: Duration::from_secs(14 * DAY.as_secs()) };

    /// The fewest characters that any tenant may ask for: NIST allows nobody less.
    pub const LEAST_CHARS: u32 = 8;

    /// These rules, if each lies in its bounds.
    pub fn in_bounds(self) -> Result<Self, OutOfBounds> {
        let days = |duration: Duration, least: u64| {
            let days = duration.as_secs() / DAY.as_secs();
            duration == Duration::from_secs(days * DAY.as_secs()) && (least..=3650).contains(&days)
        };
        let refused = |field, rule| Err(OutOfBounds { field, rule });
        if !(Self::LEAST_CHARS..=64).contains(&self.min_chars) {
            return refused("min_chars", "must be 8 to 64");
        }
        if self.history > 10 {
            return refused("history", "must be 0 to 10");
        }
        if self.max_age.is_some_and(|age| !days(age, 1)) {
            return refused("max_age", "must be 1 to 3650 whole days");
        }
        if !days(self.warn, 0) {
            return refused("warn", "must be 0 to 3650 whole days");
        }
        Ok(self)
    }

    /// Checks a new password of the account that `about` describes. [`Broken::Reused`] is for those to find who have the
    /// earlier hashes.
    pub fn check(&self, password: &Password, about: &About<'_>) -> Result<(), Broken> {
        let text = password.expose_secret();
        if u32::try_from(text.chars().count()).is_ok_and(|chars| chars < self.min_chars) {
            return Err(Broken::TooShort { min: self.min_chars });
        }
        let text = fold(text);
        let piece = piece(&text);
        if let Some((what, _)) = about.words().find(|(_, word)| is_about(&text, word)) {
            return Err(Broken::Personal { what });
        }
        if is_common(&text) || piece.is_some_and(is_common) {
            return Err(Broken::Common);
        }
        let short = |piece: &str| u32::try_from(piece.chars().count()).is_ok_and(|chars| chars < self.min_chars);
        // Folding can make many characters of one, and then hides a run.
        if is_run(&text) || is_run(password.expose_secret()) || piece.is_some_and(short) {
            return Err(Broken::Simple);
        }
        Ok(())
    }
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whose password it is: what is known of it.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    /// The user's name.
    pub user_name: Option<&'a UserName>,
    /// The user's address.
    pub email: Option<&'a Email>,
    /// The user's tenant.
    pub tenant: Option<&'a TenantName>,
}

impl<'a> From<&'a User> for About<'a> {
    fn from(user: &'a User) -> Self {
        Self { user_name: Some(&user.name), email: user.email.as_ref(), tenant: Some(&user.tenant) }
    }
}

impl About<'_> {
    /// Its words in folded form: each name, and what stands before the '@' of an address.
    fn words(&self) -> impl Iterator<Item = (Personal, Zeroizing<String>)> {
        let names = [
            (Personal::UserName, self.user_name.map(UserName::canonical)),
            (Personal::Email, self.email.map(Email::canonical)),
            (Personal::Tenant, self.tenant.map(TenantName::as_str)),
        ];
        names.into_iter().flat_map(|(what, name)| {
            let local = name.and_then(|name| name.split_once('@')).map(|(local, _)| local);
            [name, local].into_iter().flatten().map(move |word| (what, fold(word)))
        })
    }
}

/// Which of its owner's names a password is too much like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personal {
    /// The user name.
    UserName,
    /// The e-mail address.
    Email,
    /// The tenant.
    Tenant,
}

/// The rule that a password breaks. Its text is a predicate: "must …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Fewer characters than asked for.
    #[error("must be at least {min} characters long")]
    TooShort {
        /// How many are asked for.
        min: u32,
    },
    /// On the list of the most common ones, or such a one with little added.
    #[error("must not be a common password, nor one with little added")]
    Common,
    /// Like a name of its owner.
    #[error("must not be {}, nor hold it with little added", what.as_str())]
    Personal {
        /// Which.
        what: Personal,
    },
    /// Runs and repetitions.
    #[error("must not be a short piece repeated, nor runs of the alphabet, the digits or the keyboard")]
    Simple,
    /// One that the account had.
    #[error("must not be one that this account had lately")]
    Reused,
}

impl Personal {
    fn as_str(self) -> &'static str {
        match self {
            Self::UserName => "the user name",
            Self::Email => "the e-mail address",
            Self::Tenant => "the tenant's name",
        }
    }
}

impl Broken {
    /// The rule's name, for programs: it stays the same when the text changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::Common => "common",
            Self::Personal { .. } => "personal",
            Self::Simple => "simple",
            Self::Reused => "reused",
        }
    }
}

/// The form in which case, width and composition make no difference, as for user names.
fn fold(text: &str) -> Zeroizing<String> {
    let lower = |c: char| c.to_uppercase().flat_map(char::to_lowercase);
    // Twice, since a few letters get to their last form by way of another: the capital \u{df} becomes a small one first.
    let folded = text.nfkc().flat_map(lower).nfkc().flat_map(lower).nfkc();
    // Roomy, so that a password is not left behind by growing.
    let mut room = Zeroizing::new(String::with_capacity(text.len() * 4));
    room.extend(folded);
    room
}

/// The letters and digits of a folded text. The second dot that a folded Turkish capital I has is neither.
fn letters_and_digits(text: &str) -> Zeroizing<String> {
    let mut room = Zeroizing::new(String::with_capacity(text.len()));
    room.extend(text.chars().filter(|c| c.is_alphanumeric()));
    room
}

/// The piece of which a text is the repetition; the last time may be cut short.
fn piece(text: &str) -> Option<&str> {
    let chars = text.chars().count();
    // Longer ones are long enough for any rule. The bound also keeps the work small.
    let longest = chars.div_ceil(2).min(64);
    let repeats = |length: &usize| text.chars().zip(text.chars().skip(*length)).all(|(one, next)| one == next);
    let length = (1..=longest).filter(|length| *length < chars).find(repeats)?;
    text.char_indices().nth(length).and_then(|(end, _)| text.get(..end))
}

/// Whether a folded text is on the list, or an entry with a few digits and signs before and behind.
fn is_common(text: &str) -> bool {
    let word = text.trim_matches(|c: char| !c.is_alphabetic());
    blocklist::contains(text) || (blocklist::contains(word) && has_little_beside(text, word))
}

fn is_about(text: &str, name: &str) -> bool {
    text == name || (letters_and_digits(name).chars().count() >= SHORTEST_NAME && has_little_beside(text, name))
}

/// Whether a folded text holds a word, whatever signs are between its letters, and hardly anything else.
fn has_little_beside(text: &str, word: &str) -> bool {
    let (text, word) = (letters_and_digits(text), letters_and_digits(word));
    text.contains(&**word) && is_run(&Zeroizing::new(text.replace(&**word, "")))
}

/// Whether fewer than [`FEW`] characters are left when each run counts as one.
fn is_run(text: &str) -> bool {
    let mut rest = text.chars();
    let pieces = std::iter::from_fn(|| {
        let length = run(rest.as_str());
        rest.nth(if length < RUN { 0 } else { length - 1 })
    });
    pieces.take(FEW).count() < FEW
}

/// How many characters the run has that a text begins with: all the same, or following each other in one of [`ORDERS`].
fn run(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    let same = text.chars().take_while(|c| *c == first).count();
    let along = ORDERS.iter().flat_map(|order| {
        let forwards = order.chars().skip_while(|c| *c != first);
        let backwards = order.chars().rev().skip_while(|c| *c != first);
        [agreement(text, forwards), agreement(text, backwards)]
    });
    along.fold(same, usize::max)
}

fn agreement(text: &str, other: impl Iterator<Item = char>) -> usize {
    text.chars().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHORTEST: PasswordRules = PasswordRules { min_chars: 8, ..PasswordRules::DEFAULT };

    fn check_for(rules: PasswordRules, text: &str, about: &About<'_>) -> Result<(), Broken> {
        rules.check(&Password::from_input(text).unwrap(), about)
    }

    fn check(text: &str) -> Result<(), Broken> {
        check_for(PasswordRules::DEFAULT, text, &About::default())
    }

    fn check_short(text: &str) -> Result<(), Broken> {
        check_for(SHORTEST, text, &About::default())
    }

    #[test]
    fn length_is_counted_in_composed_characters_and_not_in_bytes() {
        for (text, chars) in [
            ("vXq7Lm!2pRz9Kt", 14),
            (
                "\u{1f9ad}\u{1f41d}\u{1f333}\u{1f3b2}\u{1f9c0}\u{1f680}\u{1f4a1}\u{1f511}\u{1f30d}\u{2603}\u{1f3ba}\u{1f9f5}\u{1f6f6}\u{1f956}",
                14,
            ),
            ("ce\u{301}du\u{308}nxo\u{302}rtvi\u{301}ba\u{30a}p", 14),
            ("\u{43f}\u{443}\u{441}\u{442}\u{44b}\u{43d}\u{44f} \u{441}\u{432}\u{435}\u{442}\u{43b}", 13),
        ] {
            let least = |min_chars| PasswordRules { min_chars, ..SHORTEST };
            assert_eq!(check_for(least(chars), text, &About::default()), Ok(()), "{text}");
            let refused = check_for(least(chars + 1), text, &About::default());
            assert_eq!(refused, Err(Broken::TooShort { min: chars + 1 }), "{text}");
        }
        assert_eq!(check(""), Err(Broken::TooShort { min: 15 }));
    }

    #[test]
    fn every_password_of_the_list_is_refused_however_it_is_written() {
        let all = blocklist::tests::all();
        let whole = all.iter().filter(|word| word.len() >= 8);
        let mut count = 0;
        for word in whole {
            let wide: String = word.bytes().filter_map(|b| char::from_u32(u32::from(b) + 0xfee0)).collect();
            for spelled in [word.clone(), word.to_uppercase(), wide] {
                assert_eq!(check_short(&spelled), Err(Broken::Common), "{spelled}");
            }
            count += 1;
        }
        assert!(count >= 10_000, "{count}");
    }

    #[test]
    fn common_passwords_with_little_added_are_refused() {
        for text in [
            "Password2024!!!",
            "passwordpassword",
            "PasswordPassword1",
            "password password",
            "password1234567",
            "qwertyuiop12345",
            "letmeinletmeinletmein",
            "123456789qwerty",
            "iloveyou!iloveyou!",
            "...monkey...2025",
            "Trustno1Trustno1",
        ] {
            assert_eq!(check(text), Err(Broken::Common), "{text}");
        }
        for text in ["password", "PASSW0RD", "1qaz2wsx", "sunshine", "12345678", "Admin123!", "welcome1"] {
            assert_eq!(check_short(text), Err(Broken::Common), "{text}");
        }
    }

    #[test]
    fn runs_and_short_pieces_repeated_are_refused() {
        for text in [
            "aaaaaaaaaaaaaaa",
            "abcdefghijklmno",
            "ZYXWVUTSRQPONMLKJ",
            "098765432109876",
            "123123123123123",
            "qwertyuiopasdfgh",
            "qwertzuiopyxcvbnm",
            "aaabbbcccdddeee",
            "aaaaaaaaaaaaaab!",
            "!@#$%^&*()!@#$%^&*()",
            "x7Kx7Kx7Kx7Kx7K",
            "x7K#pLx7K#pLx7K",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(check(text), Err(Broken::Simple), "{text}");
        }
        assert_eq!(check("1qaz3edc5tgb7ujm"), Err(Broken::Simple));
    }

    #[test]
    fn a_long_piece_may_come_twice() {
        assert_eq!(check("vXq7Lm!2pRz9KtGvXq7Lm!2pRz9KtG"), Ok(()));
    }

    #[test]
    fn ordinary_good_passwords_pass() {
        for text in [
            "correct horse battery staple",
            "my cat hates the new sofa",
            "vXq7Lm!2pRz9KtG",
            "there were three trees",
            "sunshine-Kx9#qwT",
            "love8392017465283",
            "\u{7b}\u{7d}|~ tulip <> gravel",
            "Grundst\u{fc}cksverkehr",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["vXq7Lm!2", "abc4Xz9q", "tulpenbi", "9f3a1c7e"] {
            assert_eq!(check_short(text), Ok(()), "{text}");
        }
    }

    fn about<'a>(name: &'a UserName, email: &'a Email, tenant: &'a TenantName) -> About<'a> {
        About { user_name: Some(name), email: Some(email), tenant: Some(tenant) }
    }

    #[test]
    fn names_of_the_owner_with_little_added_are_refused() {
        let name = UserName::parse("Jane.Doe").unwrap();
        let email = Email::parse("info.j.smith@Example.com").unwrap();
        let tenant = TenantName::parse("Gardening-Club").unwrap();
        let about = about(&name, &email, &tenant);
        for (text, what) in [
            ("janedoe2024!!!!", Personal::UserName),
            ("Jane.Doe+Jane.Doe2", Personal::UserName),
            ("JANE_DOE_1234567890", Personal::UserName),
            ("x1!jane doe!2yz", Personal::UserName),
            ("info.j.smith@example.com", Personal::Email),
            ("InfoJSmith#2025#", Personal::Email),
            ("gardening-club1", Personal::Tenant),
            ("MyGardeningClub", Personal::Tenant),
        ] {
            assert_eq!(check_for(PasswordRules::DEFAULT, text, &about), Err(Broken::Personal { what }), "{text}");
            assert_eq!(check(text), Ok(()), "the control: {text}");
        }
        for text in ["jane doe likes long walks", "vXq7Lm!2pRz9KtG", "club of vXq7Lm!2p"] {
            assert_eq!(check_for(PasswordRules::DEFAULT, text, &about), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_name_is_found_in_other_letters() {
        for (name, text) in [
            ("istanbul", "\u{130}STANBUL*2024*2"),
            ("istanbul", "I-STAN-BUL-12345"),
            ("istanbul", "\u{ff49}\u{ff53}\u{ff54}\u{ff41}\u{ff4e}\u{ff42}\u{ff55}\u{ff4c}1234567"),
            ("strassenbahn", "STRA\u{1e9e}ENBAHN+42!"),
        ] {
            let name = UserName::parse(name).unwrap();
            let about = About { user_name: Some(&name), ..About::default() };
            let told = check_for(PasswordRules::DEFAULT, text, &about);
            assert_eq!(told, Err(Broken::Personal { what: Personal::UserName }), "{text}");
        }
    }

    #[test]
    fn a_name_too_short_to_mean_anything_is_not_looked_for() {
        let name = UserName::parse("al").unwrap();
        let about = About { user_name: Some(&name), ..About::default() };
        assert_eq!(check_for(SHORTEST, "al9Xqk7!", &about), Ok(()));
    }

    #[test]
    fn each_rule_is_told_as_a_predicate() {
        let personal = |what| Broken::Personal { what };
        for (broken, name, text) in [
            (Broken::TooShort { min: 12 }, "too_short", "must be at least 12 characters long"),
            (Broken::Common, "common", "must not be a common password, nor one with little added"),
            (personal(Personal::UserName), "personal", "must not be the user name, nor hold it with little added"),
            (personal(Personal::Email), "personal", "must not be the e-mail address, nor hold it with little added"),
            (personal(Personal::Tenant), "personal", "must not be the tenant's name, nor hold it with little added"),
            (
                Broken::Simple,
                "simple",
                "must not be a short piece repeated, nor runs of the alphabet, the digits or the keyboard",
            ),
            (Broken::Reused, "reused", "must not be one that this account had lately"),
        ] {
            assert_eq!((broken.as_str(), broken.to_string().as_str()), (name, text));
        }
    }

    #[test]
    fn settings_out_of_bounds_are_refused_by_name() {
        let rules = PasswordRules::DEFAULT;
        let days = |days: u64| Duration::from_secs(days * 86_400);
        for good in [
            rules,
            SHORTEST,
            PasswordRules { min_chars: 64, history: 10, max_age: Some(days(1)), warn: days(0) },
            PasswordRules { max_age: Some(days(3650)), warn: days(3650), ..rules },
        ] {
            assert_eq!(good.in_bounds(), Ok(good));
        }
        for (bad, field) in [
            (PasswordRules { min_chars: 7, ..rules }, "min_chars"),
            (PasswordRules { min_chars: 65, ..rules }, "min_chars"),
            (PasswordRules { history: 11, ..rules }, "history"),
            (PasswordRules { max_age: Some(days(0)), ..rules }, "max_age"),
            (PasswordRules { max_age: Some(days(3651)), ..rules }, "max_age"),
            (PasswordRules { max_age: Some(days(1) + Duration::from_nanos(1)), ..rules }, "max_age"),
            (PasswordRules { max_age: Some(Duration::MAX), ..rules }, "max_age"),
            (PasswordRules { warn: days(3651), ..rules }, "warn"),
            (PasswordRules { warn: Duration::from_secs(3600), ..rules }, "warn"),
        ] {
            let refused = bad.in_bounds().unwrap_err();
            assert_eq!(refused.field, field);
            assert!(refused.to_string().starts_with(&format!("{field} must be ")), "{refused}");
        }
    }

    #[test]
    fn the_longest_passwords_are_judged_as_short_ones_are() {
        let name = UserName::parse(&"ab".repeat(64)).unwrap();
        let about = About { user_name: Some(&name), ..About::default() };
        for (text, told) in [
            ("a".repeat(1023) + "b", Err(Broken::Simple)),
            ("a!".repeat(512), Err(Broken::Simple)),
            ("password".repeat(128), Err(Broken::Common)),
            ("ab".repeat(512), Err(Broken::Personal { what: Personal::UserName })),
            // Each becomes eighteen characters when it is folded.
            ("\u{fdfa}".repeat(341), Err(Broken::Simple)),
            ("vXq7Lm!2pRz9KtG ".repeat(64), Ok(())),
        ] {
            assert_eq!(check_for(SHORTEST, &text, &about), told, "{}", text.len());
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), name in any::<String>(), min_chars in 8_u32..=64) {
            let (name, email) = (UserName::parse(&name), Email::parse(&format!("{name}@example.com")));
            let about = About { user_name: name.as_ref(), email: email.as_ref(), tenant: None };
            if let Some(password) = Password::from_input(&text) {
                let _ = PasswordRules { min_chars, ..SHORTEST }.check(&password, &about);
            }
        }

        #[test]
        fn every_spelling_of_a_name_is_refused(name in "[\\p{L}\\p{N}._-]{8,40}") {
            let Some(parsed) = UserName::parse(&name) else { return Ok(()) };
            let about = About { user_name: Some(&parsed), ..About::default() };
            let rules = PasswordRules { min_chars: 8, ..SHORTEST };
            for spelled in [parsed.as_str().to_owned(), parsed.canonical().to_owned(), parsed.as_str().to_uppercase()] {
                let Some(password) = Password::from_input(&spelled) else { continue };
                if spelled.nfc().count() >= 8 {
                    let told = rules.check(&password, &about);
                    prop_assert_eq!(told, Err(Broken::Personal { what: Personal::UserName }), "{}", spelled);
                }
            }
        }

        #[test]
        fn a_random_passphrase_passes(text in "[a-z]{4,9}( [a-z]{4,9}){4}") {
            prop_assert_eq!(check(&text), Ok(()));
        }
    }
}
