//! For whom an export is encrypted.

use std::path::Path;

use age::{Recipient, tag, tagpq, x25519};

use crate::arguments::Export;
use crate::failure::Failure;

const FIELD: &str = "recipient";
const FILE: &str = "recipients-file";
const RULE: &str = "must be an age recipient, which begins with age1, as `age-keygen` shows it";

type Recipients = Vec<Box<dyn Recipient + Send>>;

/// Reads all that were named.
pub fn read(export: &Export) -> Result<Recipients, Failure> {
    let named = export.recipients.iter().map(|text| parse(text).map_err(|rule| Failure::invalid(FIELD, rule)));
    let mut recipients: Recipients = named.collect::<Result<_, _>>()?;
    if let Some(path) = &export.recipients_file {
        recipients.extend(of_file(path)?);
    }
    Ok(recipients)
}

/// A file with one on each line, as age reads it.
fn of_file(path: &Path) -> Result<Recipients, Failure> {
    let wrong = |rule: String| Failure::invalid(FILE, rule);
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("{} can't be read: {error}", path.display())))?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let recipients =
        lines.map(|(number, line)| parse(line).map_err(|rule| wrong(format!("{rule}; line {number} isn't"))));
    let recipients: Recipients = recipients.collect::<Result<_, _>>()?;
    if recipients.is_empty() {
        return Err(wrong("must name a recipient, and holds none".to_owned()));
    }
    Ok(recipients)
}

/// Repeats nothing of the text, which may be the secret half by mistake.
fn parse(text: &str) -> Result<Box<dyn Recipient + Send>, &'static str> {
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
        return Err(
            "must be the recipient, which begins with age1, and not the secret key that opens what is encrypted",
        );
    }
    if text.starts_with("ssh-") {
        return Err("must be an age recipient, which begins with age1: SSH keys are not taken");
    }
    if let Ok(recipient) = text.parse::<x25519::Recipient>() {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = text.parse::<tag::Recipient>() {
        return Ok(Box::new(recipient));
    }
    let recipient = text.parse::<tagpq::Recipient>().map_err(|_| RULE)?;
    Ok(Box::new(recipient))
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn what_is_no_recipient_is_refused_and_not_repeated() {
        let identity = x25519::Identity::generate();
        assert!(parse(&identity.to_public().to_string()).is_ok());
        let secret = identity.to_string().expose_secret().to_owned();
        let cut: String = identity.to_public().to_string().chars().take(40).collect();
        for text in [&*secret, &secret.to_lowercase(), "ssh-ed25519 AAAA", "", "jane", &cut] {
            let rule = parse(text).err().unwrap();
            assert!(rule.starts_with("must be"), "{rule}");
            assert!(text.is_empty() || !rule.contains(text), "{rule}");
        }
    }

    #[test]
    fn a_file_has_one_on_each_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipients");
        let one = x25519::Identity::generate().to_public();
        let two = x25519::Identity::generate().to_public();
        std::fs::write(&path, format!("# ours\n{one}\n\n  {two}\r\n")).unwrap();
        assert_eq!(of_file(&path).ok().unwrap().len(), 2);
        for (text, says) in [("# none\n", "holds none"), ("# x\nage1nonsense\n", "line 2")] {
            std::fs::write(&path, text).unwrap();
            let failure = of_file(&path).err().unwrap().to_string();
            assert!(failure.contains(says), "{failure}");
        }
    }
}
