//! What a person types next, so that it finds the store that was asked: by the same `--config` and `--data`.

use crate::cli::StoreOf;

/// By what the same store is found again: as it was given.
pub(crate) fn again(of: &StoreOf) -> String {
    let mut with = format!(" --config {}", word(&of.config));
    if let Some(data) = &of.data {
        with += &format!(" --data {}", word(&data.display().to_string()));
    }
    with
}

/// As a shell reads it.
fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_as_it_was_given_and_as_a_shell_reads_it() {
        let mut of = StoreOf {
            config: "mine.toml".to_owned(),
            data: None,
            json: false,
        };
        assert_eq!(again(&of), " --config mine.toml");
        of.data = Some("Anna's store".into());
        assert_eq!(again(&of), r" --config mine.toml --data 'Anna'\''s store'");
    }
}
