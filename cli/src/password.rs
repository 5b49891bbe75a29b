//! A new password, from a prompt or from standard input and never from an argument.

use std::io::Read;

use shared::password::rules::{About, PasswordRules};
use shared::secret::{MAX_PASSWORD_BYTES, Password};
use zeroize::{Zeroize as _, Zeroizing};

use crate::failure::Failure;

const FIELD: &str = "password";

/// Asks on the terminal, twice.
pub fn ask(rules: &PasswordRules, about: &About<'_>) -> Result<Password, Failure> {
    ask_with(rules, about, |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new))
}

fn ask_with(
    rules: &PasswordRules,
    about: &About<'_>,
    mut prompt: impl FnMut(&str) -> std::io::Result<Zeroizing<String>>,
) -> Result<Password, Failure> {
    let no_terminal =
        |error| Failure::invalid(FIELD, format!("can't be asked for on a terminal ({error}): use --password-stdin"));
    let password = check(&prompt("Password: ").map_err(no_terminal)?, rules, about)?;
    let again = prompt("Password again: ").map_err(no_terminal)?;
    let again = Password::from_input(&again);
    if again.is_none_or(|again| again.expose_secret() != password.expose_secret()) {
        return Err(Failure::invalid(FIELD, "was typed differently the second time"));
    }
    Ok(password)
}

/// Reads one line; the line's end is not part of the password.
pub fn read(input: impl Read, rules: &PasswordRules, about: &About<'_>) -> Result<Password, Failure> {
    // One allocation, so that no copy of the password stays behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 4));
    let limit = u64::try_from(MAX_PASSWORD_BYTES + 3).unwrap_or(u64::MAX);
    let result = input.take(limit).read_to_end(&mut bytes);
    result.map_err(|error| Failure::invalid(FIELD, format!("can't be read from standard input: {error}")))?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        bytes.zeroize();
        return Err(Failure::invalid(FIELD, "must be UTF-8"));
    };
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    check(line, rules, about)
}

fn check(text: &str, rules: &PasswordRules, about: &About<'_>) -> Result<Password, Failure> {
    if text.is_empty() {
        return Err(Failure::invalid(FIELD, "must not be empty"));
    }
    let too_long = || Failure::invalid(FIELD, format!("must be at most {MAX_PASSWORD_BYTES} bytes long"));
    let password = Password::from_input(text).ok_or_else(too_long)?;
    if text.chars().any(char::is_control) {
        return Err(Failure::invalid(FIELD, "must be one line without control characters"));
    }
    let checked = rules.check(&password, about);
    checked.map_err(|broken| Failure::invalid(FIELD, broken.to_string()))?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use shared::user::UserName;

    use super::*;

    const GOOD: &str = "correct horse battery staple";

    fn rule(input: &[u8]) -> String {
        read(input, &PasswordRules::DEFAULT, &About::default())
            .err()
            .map(|failure| failure.to_string())
            .unwrap_or_default()
    }

    fn typed(lines: [&str; 2]) -> Result<Password, Failure> {
        let mut lines = lines.into_iter();
        ask_with(&PasswordRules::DEFAULT, &About::default(), |_| Ok(Zeroizing::new(lines.next().unwrap().to_owned())))
    }

    #[test]
    fn the_end_of_the_line_is_not_part_of_the_password() {
        for end in ["", "\n", "\r\n"] {
            let password =
                read(format!("{GOOD}{end}").as_bytes(), &PasswordRules::DEFAULT, &About::default()).ok().unwrap();
            assert_eq!(password.expose_secret(), GOOD, "{end:?}");
        }
    }

    #[test]
    fn characters_are_counted_after_composition() {
        assert!(
            rule("ce\u{301}du\u{308}nxo\u{302}rtvi\u{301}ba\u{30a}m".as_bytes()).contains("at least 15 characters")
        );
        assert_eq!(rule("ce\u{301}du\u{308}nxo\u{302}rtvi\u{301}ba\u{30a}mp".as_bytes()), "");
    }

    #[test]
    fn each_broken_rule_is_told() {
        assert!(rule(b"").contains("must not be empty"));
        assert!(rule(b"\n").contains("must not be empty"));
        assert!(rule(b"fourteen chars").contains("at least 15"));
        assert!(rule(b"two lines that\nare long enough").contains("one line"));
        assert!(rule(b"long enough, ended twice\n\n").contains("one line"));
        assert!(rule(b"\xff is not UTF-8 at all").contains("UTF-8"));
        let long = GOOD.repeat(400);
        assert_eq!(rule(&long.as_bytes()[..MAX_PASSWORD_BYTES]), "");
        for length in [MAX_PASSWORD_BYTES + 1, MAX_PASSWORD_BYTES * 9] {
            assert!(rule(&long.as_bytes()[..length]).contains("at most 1024 bytes"), "{length}");
        }
        assert!(rule(b"Password2024!!!").contains("must not be a common password"));
        assert!(rule(b"qwertyuiopasdfgh").contains("must not be a short piece repeated"));
    }

    #[test]
    fn a_password_like_the_user_is_refused() {
        let name = UserName::parse("Jane.Doe").unwrap();
        let about = About { user_name: Some(&name), ..About::default() };
        let failure = read(&b"janedoe-janedoe-24"[..], &PasswordRules::DEFAULT, &about).err().unwrap();
        assert!(failure.to_string().contains("must not be the user name"), "{failure}");
        assert!(read(GOOD.as_bytes(), &PasswordRules::DEFAULT, &about).is_ok());
    }

    #[test]
    fn a_prompt_wants_the_same_twice() {
        assert_eq!(typed([GOOD, GOOD]).ok().unwrap().expose_secret(), GOOD);
        let failure = typed([GOOD, "correct horse battery stable"]).err().unwrap();
        assert!(failure.to_string().contains("differently"), "{failure}");
    }

    #[test]
    fn without_a_terminal_the_other_ways_are_told() {
        let failure =
            ask_with(&PasswordRules::DEFAULT, &About::default(), |_| Err(std::io::Error::other("no such device")))
                .err()
                .unwrap();
        assert!(failure.to_string().contains("--password-stdin"), "{failure}");
        assert_eq!(failure.exit_code(), 2);
    }
}
