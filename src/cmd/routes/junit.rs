//! Test outcomes as JUnit XML, which every build server reads.

use std::fmt::Write as _;

use super::test::Outcome;

/// The whole document, a suite for each file.
pub(super) fn xml(outcomes: &[Outcome]) -> String {
    let failed = |outcomes: &[Outcome]| outcomes.iter().filter(|one| one.failure.is_some()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\">\n",
        outcomes.len(),
        failed(outcomes)
    );
    for suite in outcomes.chunk_by(|a, b| a.file == b.file) {
        let file = escaped(&suite[0].file);
        // Writing to a String can't fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{}\">",
            suite.len(),
            failed(suite)
        );
        for case in suite {
            let name = escaped(&case.name);
            let _ = write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{}\"",
                case.line
            );
            match &case.failure {
                None => xml.push_str("/>\n"),
                Some(failure) => {
                    let failure = escaped(failure);
                    let _ = writeln!(
                        xml,
                        ">\n      <failure message=\"{failure}\"/>\n    </testcase>"
                    );
                }
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_counted_and_escaped() {
        let outcome = |failure: Option<&str>| Outcome {
            file: "a.toml".to_owned(),
            line: 3,
            name: "0180 & more".to_owned(),
            failure: failure.map(str::to_owned),
        };
        let xml = xml(&[outcome(None), outcome(Some("goes to \"x\""))]);
        assert!(
            xml.contains("<testsuites tests=\"2\" failures=\"1\">"),
            "{xml}"
        );
        assert!(xml.contains("0180 &amp; more"), "{xml}");
        assert!(
            xml.contains("<failure message=\"goes to &quot;x&quot;\"/>"),
            "{xml}"
        );
    }
}
