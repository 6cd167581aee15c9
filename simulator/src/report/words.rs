//! Every text of the report in English and Swedish; both are in the page, and a switch shows one.

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    en: String,
    sv: String,
}

impl Words {
    pub(super) fn new(en: &str, sv: &str) -> Self {
        Self {
            en: en.to_owned(),
            sv: sv.to_owned(),
        }
    }

    /// A name, the same in both.
    pub(super) fn name(name: &str) -> Self {
        Self::new(name, name)
    }

    /// A figure: decimals stand behind a point in English and behind a comma in Swedish.
    pub(super) fn figure(text: &str) -> Self {
        Self::new(text, &text.replace('.', ","))
    }

    pub(super) fn html(&self) -> String {
        self.tagged("span")
    }

    /// Inside an SVG text.
    pub(super) fn svg(&self) -> String {
        self.tagged("tspan")
    }

    fn tagged(&self, tag: &str) -> String {
        if self.en == self.sv {
            return escape(&self.en);
        }
        let (en, sv) = (escape(&self.en), escape(&self.sv));
        format!(r#"<{tag} class="en">{en}</{tag}><{tag} class="sv">{sv}</{tag}>"#)
    }
}

/// A whole number in groups of three, as SI writes it in both languages, and never broken over two lines.
pub(super) fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// So many days, in English and in Swedish.
pub(super) fn days(count: u32) -> (String, String) {
    match count {
        1 => ("1 day".to_owned(), "1 dag".to_owned()),
        _ => (format!("{count} days"), format!("{count} dagar")),
    }
}

/// Text that can't be taken for markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let said = [0u64, 12, 999, 1000, 54_321, 4_901_178].map(grouped);
        let spaced = said.map(|text| text.replace('\u{202f}', " "));
        assert_eq!(spaced, ["0", "12", "999", "1 000", "54 321", "4 901 178"]);
    }

    #[test]
    fn decimals_stand_behind_a_comma_in_swedish() {
        let html = Words::figure("91.7 %").html();
        assert_eq!(
            html,
            r#"<span class="en">91.7 %</span><span class="sv">91,7 %</span>"#
        );
        assert_eq!(Words::figure("33 s").html(), "33 s");
    }
}
