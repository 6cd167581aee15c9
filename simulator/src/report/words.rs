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

/// Text that can't be taken for markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
