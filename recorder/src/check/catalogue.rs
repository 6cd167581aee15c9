//! What each finding means, why it matters, and what to do: `vaxel explain S0102`.

use super::Severity::{self, Error, Warning};

/// What a code means.
#[derive(Debug)]
pub struct Entry {
    /// The code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Where that is written.
    pub source: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// The entry of a code, written in any case.
pub fn entry(code: &str) -> Option<&'static Entry> {
    CATALOGUE
        .iter()
        .find(|entry| entry.code.eq_ignore_ascii_case(code))
}

/// The entry as text for a person.
pub fn explanation(entry: &Entry) -> String {
    let Entry {
        code,
        severity,
        title,
        why,
        source,
        remedy,
    } = entry;
    let severity = severity.name();
    format!("{code} {severity}: {title}\n\n{why}\n\nSource: {source}\nRemedy: {remedy}\n")
}

const SAFE: &str = "GDPR Art. 32; HSLF-FS 2016:40 ch. 3";
const OF_2019: &str = "IMY-REPORT p. 3";
const WHOLE: &str = "design: the recorder's store and keys are one user's";

/// Every finding of `vaxel store check`.
pub const CATALOGUE: [Entry; 22] = [
    Entry {
        code: "S0101",
        severity: Error,
        title: "other users of the machine can reach a folder",
        why: "Who can list the store knows whose calls there are and when; who can list the keys knows what to take.",
        source: SAFE,
        remedy: "`chmod -R go= FOLDER`, and look at who had an account meanwhile",
    },
    Entry {
        code: "S0102",
        severity: Error,
        title: "other users of the machine can read a file",
        why: "A key that another user read opens recordings from any copy of the store, also after the file was closed to others.",
        source: SAFE,
        remedy: "`chmod go= FILE`; if it is a key, change it by `vaxel store rotate-key`",
    },
    Entry {
        code: "S0103",
        severity: Error,
        title: "store and keys lie inside one another",
        why: "A backup, a copy or a stolen disk then has the audio together with what opens it.",
        source: WHOLE,
        remedy: "set `keys` under [recorder] to a folder apart, on another disk if there is one",
    },
    Entry {
        code: "S0104",
        severity: Error,
        title: "a key lies in the store",
        why: "Whoever copies the store can open it.",
        source: WHOLE,
        remedy: "move it to the key folder, and change it by `vaxel store rotate-key`",
    },
    Entry {
        code: "S0105",
        severity: Error,
        title: "a link leads out of the store",
        why: "What it points to is kept by other rules: nobody checks who reads it, and gallring doesn't erase it.",
        source: WHOLE,
        remedy: "remove the link; move what it points to into the store by recording or restoring it",
    },
    Entry {
        code: "S0106",
        severity: Error,
        title: "a file can't be looked at",
        why: "What can't be read can't be said to be safe either: the disk is failing, or the file is another user's.",
        source: WHOLE,
        remedy: "run the check as the recorder's user; if the disk fails, restore from a backup",
    },
    Entry {
        code: "S0107",
        severity: Error,
        title: "other users of the machine can read a secret",
        why: "With the key of a certificate somebody passes for the recorder; with credentials somebody reads bucket or database.",
        source: SAFE,
        remedy: "`chmod 600 FILE`, and change the secret",
    },
    Entry {
        code: "S0108",
        severity: Warning,
        title: "there is no store or no key folder where the scenario says",
        why: "Nothing was looked at: a check of the wrong place finds nothing, whatever lies in the right one.",
        source: "that the parties of 2019 didn't know where their recordings lay: IMY-REPORT p. 3",
        remedy: "say the scenario that the recorder runs with (`--config`) and the folder its paths start from (`--data`)",
    },
    Entry {
        code: "S0109",
        severity: Error,
        title: "half a sound file lies where somebody exported to",
        why: "An export that was killed half-way leaves open audio in a folder that nobody looks through.",
        source: OF_2019,
        remedy: "remove the file; or export any recording once more, which takes away what others left",
    },
    Entry {
        code: "S0110",
        severity: Error,
        title: "a folder or file belongs to another account",
        why: "Closed permissions keep everybody out but its owner, who can also open them again.",
        source: SAFE,
        remedy: "find out who put it there; `chown` it to the recorder's account",
    },
    Entry {
        code: "S0111",
        severity: Warning,
        title: "the bucket keeps older versions of what is removed",
        why: "A recording's key is destroyed with it, so no version of its audio opens. Both it and who spoke, which is erased years before, go with each version where the account may remove those (s3:DeleteObjectVersion); where it may not, who spoke isn't erased, and audio stays as older versions. So does audio that was removed before the account might, for as long as the bucket keeps it: of who spoke older versions are looked for where there is no current one, of what nobody can open they aren't.",
        source: "BTV instruction 3",
        remedy: "keep no versions in that bucket, or let the account remove them and have a lifecycle rule remove within a day what isn't current",
    },
    Entry {
        code: "S0112",
        severity: Error,
        title: "the bucket holds recordings that the index doesn't know",
        why: "Nobody finds them, nobody can hear of them in an extract, and no decision ever erases them: the index was lost, or something was copied there.",
        source: "BTV instruction 8",
        remedy: "`vaxel store recover`, which enters them again under their own tags; restore keys that are missing from a backup first",
    },
    Entry {
        code: "S0201",
        severity: Error,
        title: "a sound file lies there in the clear",
        why: "The files of 2019 could be listened to by anybody who had the address: none was encrypted.",
        source: OF_2019,
        remedy: "keep audio through the recorder only; erase the file under a decision of its controller",
    },
    Entry {
        code: "S0202",
        severity: Error,
        title: "a file holds unencrypted audio",
        why: "Raw samples need no header to be heard: the bytes are alike from one to the next as speech is, and not as what is encrypted.",
        source: OF_2019,
        remedy: "keep audio through the recorder only; erase the file under a decision of its controller",
    },
    Entry {
        code: "S0203",
        severity: Error,
        title: "a telephone number stands there in the clear",
        why: "A caller's number is personal data, and tells who sought care. It belongs into the encrypted part of a recording only.",
        source: "IMY-INERA; BTV instruction 3",
        remedy: "find what wrote it, and erase it under a decision of its controller",
    },
    Entry {
        code: "S0301",
        severity: Error,
        title: "a listener can be reached from outside the machine without TLS",
        why: "Whoever is on the way hears and changes what is sent. Traffic in 2019 was unencrypted.",
        source: OF_2019,
        remedy: "listen on 127.0.0.1, or by TLS: `[recorder.tls]`, `certificate` and `certificate_key` under [recorder], `[listen.tls]`",
    },
    Entry {
        code: "S0302",
        severity: Error,
        title: "a listener gives something to whoever asks",
        why: "It was enough to know the server's address to read 2.7 million files.",
        source: OF_2019,
        remedy: "take it off the net now; then ask who reads, by TLS, and find out who read",
    },
    Entry {
        code: "S0401",
        severity: Error,
        title: "the scenario has a store that is read without a login",
        why: "A passive file server without accounts became reachable from the internet by a misconfiguration: nothing else stood in between.",
        source: OF_2019,
        remedy: "take it off the net; `login = true` once it asks who reads",
    },
    Entry {
        code: "S0402",
        severity: Error,
        title: "the scenario has a store that sends what it holds unencrypted",
        why: "Whoever is on the way listens along.",
        source: OF_2019,
        remedy: "serve it by TLS only, then `tls = true`",
    },
    Entry {
        code: "S0403",
        severity: Error,
        title: "the scenario has a store that holds its data unencrypted",
        why: "Any copy, backup or disk that leaves the house can be listened to, and destroying a key erases nothing.",
        source: SAFE,
        remedy: "use a vault with keys apart, then `encrypted = true`",
    },
    Entry {
        code: "S0404",
        severity: Warning,
        title: "the scenario has a store without a backup",
        why: "That recorded calls had no backups cost MedHelp 500 000 kronor and an order to make them.",
        source: "IMY-REPORT; HSLF-FS 2016:40 ch. 3 §§ 12-13",
        remedy: "`vaxel backup create`; `backup = { place = \"...\", lifetime = \"35 days\", restore_test = \"6 months\" }`",
    },
    Entry {
        code: "S0405",
        severity: Error,
        title: "calls go to the recorder unencrypted over a network",
        why: "Audio, or the keys of encrypted audio, can be read on the way from switch to recorder.",
        source: "RFC 7866 section 12; GDPR Art. 32",
        remedy: "reach the recorder by TLS (`siprec = \"sip:...;transport=tls\"`), and leave `srtp` under [recorder] out",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The codes in a file of ours.
    fn codes(text: &str) -> impl Iterator<Item = &str> {
        let quoted = text.split('"');
        quoted.filter(|word| {
            let digits = word.strip_prefix('S').unwrap_or_default();
            digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    }

    #[test]
    fn every_code_that_is_found_is_explained_and_no_other() {
        let sources = [
            include_str!("bucket.rs"),
            include_str!("bytes.rs"),
            include_str!("declared.rs"),
            include_str!("files.rs"),
            include_str!("listeners.rs"),
        ];
        let found: BTreeSet<&str> = sources.into_iter().flat_map(codes).collect();
        let told: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.code).collect();
        assert_eq!(found, told);
        assert!(CATALOGUE.is_sorted_by_key(|entry| entry.code));
    }

    #[test]
    fn an_explanation_says_why_and_what_to_do() {
        let text = explanation(entry("s0301").expect("known"));
        for part in ["S0301 error:", "Source: IMY-REPORT", "Remedy: listen"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(entry("S0999").is_none());
    }
}
