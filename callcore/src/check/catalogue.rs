//! Every code of a finding, and what it means: `vaxel explain CODE` prints an entry.

use super::Severity::{self, Error, Warning};

/// What a code means.
#[derive(Debug)]
pub struct Entry {
    /// The code, such as `V0301`. The first two digits are the family.
    pub code: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// The articles it breaks; `Art.` is an article of the GDPR. Empty where only the file is at fault.
    pub articles: &'static [&'static str],
    /// Why it matters.
    pub why: &'static str,
    /// Where that is written.
    pub source: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// A few lines of a scenario that are right.
    pub example: &'static str,
}

/// The entry of a code, written in any case.
pub fn entry(code: &str) -> Option<&'static Entry> {
    CATALOGUE
        .iter()
        .find(|entry| entry.code.eq_ignore_ascii_case(code))
}

/// Every entry, in the order of the codes.
pub static CATALOGUE: &[Entry] = &[
    Entry {
        code: "V0001",
        severity: Error,
        title: "the file can't be read as a scenario",
        articles: &[],
        why: "A configuration that is half understood routes calls by accident. A broken file is refused whole, and the table in use stays.",
        source: "ARCHITECTURE.md, invariant 8",
        remedy: "mend the line that is named",
        example: "[operator]\norganisation = \"inera\"",
    },
    Entry {
        code: "V0002",
        severity: Error,
        title: "a key that doesn't exist",
        articles: &[],
        why: "A misspelt key would be passed over in silence, and what it was meant to say with it: a recording that doesn't happen, an end date that doesn't come.",
        source: "ARCHITECTURE.md, invariant 8",
        remedy: "write the key that was meant; `vaxel routes schema` gives editors the list",
        example: "queue = [{ name = \"q\", controller = \"region-01\", recording = true }]",
    },
    Entry {
        code: "V0003",
        severity: Error,
        title: "a name that stands for nothing",
        articles: &[],
        why: "A route to a queue that isn't there, or an agreement with nobody, can't be followed.",
        source: "ARCHITECTURE.md, invariant 8",
        remedy: "write the name that was meant, or add the entry it names",
        example: "route = [{ name = \"r\", region = \"01\", queue = \"region-01\" }]",
    },
    Entry {
        code: "V0101",
        severity: Error,
        title: "callers without a route",
        articles: &[],
        why: "Somebody who is ill calls, and at that time no rule says who answers. All 290 kommuner, and callers whose kommun is unknown, invalid or in conflict, need an answer at every hour.",
        source: "IMY-INERA p. 2: the switch looks at the kommun-ID of every call",
        remedy: "add a route for these callers and that time, or let an existing one hold longer",
        example: "route = [{ name = \"rest\", all = true, unknown = true, invalid = true, conflict = true, queue = \"nationell\" }]",
    },
    Entry {
        code: "V0102",
        severity: Warning,
        title: "a rule that is never reached",
        articles: &[],
        why: "Earlier rules take all its callers at all its times. Whoever wrote it believes that it decides something.",
        source: "scenario rules: the first match wins",
        remedy: "move it before the rules that hide it, or take it out",
        example: "route = [\n  { name = \"night\", region = \"01\", hours = \"jourtid\", queue = \"night\" },\n  { name = \"day\", region = \"01\", queue = \"day\" },\n]",
    },
    Entry {
        code: "V0103",
        severity: Warning,
        title: "two rules that disagree",
        articles: &[],
        why: "Both hold for the same caller at the same time and send the call to different places; which one wins depends only on the order in the file. Neither is an exception to the other.",
        source: "scenario rules: the first match wins, so exactly one match is the goal",
        remedy: "give one of them an end, other hours or fewer kommuner; or make the earlier one wholly an exception to the later",
        example: "route = [\n  { name = \"until-november\", region = \"04\", until = 2019-11-01, provider = \"medhelp\" },\n  { name = \"from-november\", region = \"04\", from = 2019-11-01, queue = \"region-04\" },\n]",
    },
    Entry {
        code: "V0201",
        severity: Error,
        title: "calls go to a provider that can't be controller",
        articles: &["Art. 6", "Art. 24"],
        why: "Once the provider answers, it is controller for the recording and the notes, as care provider. A processor, a sub-processor, or one outside Swedish health-care secrecy has no ground to be that.",
        source: "IMY-REPORT pp. 6, 9-10; Patientdatalagen (2008:355) ch. 2 §§ 4 and 6",
        remedy: "route to a care provider under Swedish health-care law, or answer in the region's own queue",
        example: "organisation = [{ id = \"medhelp\", name = \"MedHelp AB\", kind = \"care-provider\", health_care_secrecy = true }]",
    },
    Entry {
        code: "V0202",
        severity: Error,
        title: "a processor without an agreement",
        articles: &["Art. 28"],
        why: "Whoever handles personal data for a controller must do so under an agreement, and only on documented instructions. Unclear roles let several actors report the 2019 exposure as their own.",
        source: "IMY-REPORT pp. 4-5",
        remedy: "add an [[agreement]] between the two, or name the processor among the sub_processors of one",
        example: "agreement = [{ id = \"inera-01\", controller = \"region-01\", processor = \"inera\", purposes = [\"routing\"], from = 2018-05-25 }]",
    },
    Entry {
        code: "V0203",
        severity: Error,
        title: "processing outside what the agreement is for",
        articles: &["Art. 28.3"],
        why: "A processor may only do what the controller has instructed it to do. An agreement on routing covers no recording.",
        source: "IMY-REPORT p. 6; GDPR Art. 28.3 a",
        remedy: "add the purpose to the agreement, or stop the processing",
        example: "purposes = [\"routing\", \"recording\", \"storage\"]",
    },
    Entry {
        code: "V0204",
        severity: Error,
        title: "care given outside Swedish health-care secrecy",
        articles: &["Art. 5.1 a", "Art. 6", "Art. 9"],
        why: "Care and health data were left to an organisation that stands under neither Swedish health-care law nor its duty of secrecy. There is no legal ground for that, and a processor agreement can't stand in for it. IMY's report says \"without legal ground\" and names no article for this point; those given here are where the GDPR has its demand for a legal ground.",
        source: "IMY-REPORT p. 10",
        remedy: "let nurses under Swedish health-care secrecy answer",
        example: "queue = [{ name = \"jour\", controller = \"medhelp\", answered_by = \"medhelp\" }]",
    },
    Entry {
        code: "V0205",
        severity: Error,
        title: "a processor outside the EEA without a ground for the transfer",
        articles: &["Art. 44"],
        why: "Data that leave the EEA leave its protection, unless an adequacy decision, standard clauses or binding rules carry it along.",
        source: "GDPR ch. V, Art. 44-49",
        remedy: "say what lets them leave with `transfer` at the agreement, or engage somebody in the EEA",
        example: "transfer = \"standard-clauses\"",
    },
    Entry {
        code: "V0206",
        severity: Error,
        title: "a recording is asked for of a call that leaves this switch",
        articles: &["Art. 5.1 a", "Art. 6"],
        why: "Such a call belongs to the provider that answers; recording it here would make this switch a controller without a ground. It can't be had: an external call has no way to reach a recording.",
        source: "IMY-INERA p. 2: Inera records none of the calls that MedHelp answers; invariant 2",
        remedy: "take `recording` out; the provider records in its own system, if it does",
        example: "route = [{ name = \"stockholm\", region = \"01\", provider = \"medhelp\", handover = \"direct\" }]",
    },
    Entry {
        code: "V0207",
        severity: Warning,
        title: "a failover that crosses a boundary",
        articles: &["Art. 5.1 a"],
        why: "When the first place doesn't answer, the call goes to another controller, out of this switch, or from recorded to unrecorded or back; what the caller has been told no longer holds.",
        source: "IMY-REPORT pp. 6-7: the caller is to know who is controller",
        remedy: "fail over to a place of the same controller with the same recording",
        example: "failover = [\"region-01-reserve\"]",
    },
    Entry {
        code: "V0301",
        severity: Error,
        title: "callers aren't told how their number and kommun-ID are used",
        articles: &["Art. 5.1 a", "Art. 13"],
        why: "The region is controller when the number and the kommun-ID are collected to route the call, and has to inform of it. In 2019 three regions didn't.",
        source: "IMY-REPORT pp. 8-9",
        remedy: "play an announcement that informs of `number-and-kommun-id` before the call goes on, or declare the [[information]] that is given",
        example: "[[announcement]]\nname = \"region\"\nfile = \"region.wav\"\ninforms = [\"number-and-kommun-id\", \"recording\"]",
    },
    Entry {
        code: "V0302",
        severity: Error,
        title: "callers aren't told that they are recorded",
        articles: &["Art. 5.1 a", "Art. 13"],
        why: "A recording of a health call is health data. Whoever is recorded is to know it, and why.",
        source: "IMY-REPORT pp. 3, 6 and 10",
        remedy: "play an announcement that informs of `recording` before the queue answers",
        example: "informs = [\"recording\"]",
    },
    Entry {
        code: "V0303",
        severity: Error,
        title: "callers aren't told which care provider is controller",
        articles: &["Art. 5.1 a", "Art. 13"],
        why: "Somebody other than the caller's region answers, and is controller for the recording and the notes. \"This call is recorded for patient safety and quality\" isn't enough: who is controller, for what, and on what ground has to be told too.",
        source: "IMY-REPORT pp. 7 and 10",
        remedy: "play an announcement that informs of `care-provider`, or declare the [[information]] that is given",
        example: "informs = [\"recording\", \"care-provider\"]",
    },
    Entry {
        code: "V0304",
        severity: Error,
        title: "callers aren't told that call information is collected from the care provider",
        articles: &["Art. 5.1 a", "Art. 14"],
        why: "Data that a controller gets from somebody else than the person concerned are no less that person's. Region Stockholm collected personnummer, contact reason and symptom codes from MedHelp, and told nobody.",
        source: "IMY-REPORT p. 9",
        remedy: "inform the callers and declare it with [[information]]",
        example: "[[information]]\norganisation = \"region-01\"\ndata = [\"call-information\"]\nby = \"web\"",
    },
    Entry {
        code: "V0401",
        severity: Error,
        title: "a store that asks nobody who they are",
        articles: &["Art. 5.1 f", "Art. 32"],
        why: "In 2019 whoever knew the address of a server could hear 2.7 million files of calls: it had no accounts, since it was meant for internal use, and a mistake in its settings put it on the internet.",
        source: "IMY-REPORT pp. 3 and 10-11",
        remedy: "require a login, whatever network the store stands in",
        example: "[[store]]\nname = \"audio\"\noperator = \"inera\"\nholds = [\"audio\"]\nlogin = true\ntls = true",
    },
    Entry {
        code: "V0402",
        severity: Error,
        title: "a store that answers unencrypted",
        articles: &["Art. 5.1 f", "Art. 32"],
        why: "What is read unencrypted can be read by everybody on the way. The server of 2019 allowed it.",
        source: "IMY-REPORT pp. 3 and 10-11",
        remedy: "serve it over TLS only",
        example: "tls = true",
    },
    Entry {
        code: "V0403",
        severity: Error,
        title: "a store that holds its data unencrypted",
        articles: &["Art. 5.1 f", "Art. 32"],
        why: "Audio that lies in the clear is read by whoever gets at the disk or a copy of it.",
        source: "GDPR Art. 32.1 a; invariant 3",
        remedy: "encrypt what is held, and keep the keys apart",
        example: "encrypted = true",
    },
    Entry {
        code: "V0404",
        severity: Error,
        title: "no backup",
        articles: &[
            "Art. 5.1 f",
            "Art. 32",
            "HSLF-FS 2016:40 3 kap. 12 §",
            "HSLF-FS 2016:40 3 kap. 13 §",
        ],
        why: "Recorded calls are care documentation: losing them harms patients. IMY ordered MedHelp to back up, to keep the backups well apart from the originals, and to decide how long they are kept and how often restoring is tested.",
        source: "IMY-REPORT pp. 10-11; HSLF-FS 2016:40 ch. 3 §§ 12-13",
        remedy: "back the store up in another place, and decide lifetime and restore tests",
        example: "backup = { place = \"another hall\", lifetime = \"35 days\", restore_test = \"6 months\" }",
    },
    Entry {
        code: "V0405",
        severity: Error,
        title: "the backup lies beside the original",
        articles: &["Art. 5.1 f", "Art. 32", "HSLF-FS 2016:40 3 kap. 12 §"],
        why: "What destroys the one destroys the other. Backups are to be kept safe and well apart from the originals.",
        source: "IMY-REPORT p. 11; HSLF-FS 2016:40 ch. 3 § 12",
        remedy: "keep the backup in another `place` than the store",
        example: "place = \"hall A\"\nbackup = { place = \"hall B\", lifetime = \"35 days\", restore_test = \"6 months\" }",
    },
    Entry {
        code: "V0406",
        severity: Error,
        title: "nobody has decided how long backups are kept",
        articles: &["HSLF-FS 2016:40 3 kap. 13 §"],
        why: "A backup without an end keeps what the originals may no longer keep.",
        source: "IMY-REPORT p. 11; HSLF-FS 2016:40 ch. 3 § 13",
        remedy: "decide it, and write `lifetime`",
        example: "backup = { place = \"hall B\", lifetime = \"35 days\", restore_test = \"6 months\" }",
    },
    Entry {
        code: "V0407",
        severity: Error,
        title: "nobody has decided how often restoring is tested",
        articles: &["HSLF-FS 2016:40 3 kap. 13 §"],
        why: "A backup that was never restored is a hope.",
        source: "IMY-REPORT p. 11; HSLF-FS 2016:40 ch. 3 § 13",
        remedy: "decide it, and write `restore_test`",
        example: "backup = { place = \"hall B\", lifetime = \"35 days\", restore_test = \"6 months\" }",
    },
    Entry {
        code: "V0408",
        severity: Warning,
        title: "recordings go to no declared store",
        articles: &["Art. 5.2"],
        why: "Who is responsible must be able to show how the recordings are kept. Of a store that isn't declared nothing can be shown.",
        source: "IMY-REPORT p. 5: accountability",
        remedy: "declare the [[store]] that holds `audio` of this controller",
        example: "[[store]]\nname = \"audio\"\noperator = \"inera\"\nholds = [\"audio\"]\nlogin = true\ntls = true\nbackup = { place = \"hall B\", lifetime = \"35 days\", restore_test = \"6 months\" }",
    },
    Entry {
        code: "V0501",
        severity: Error,
        title: "the retention floor lies above the ceiling",
        articles: &["Art. 5.1 e"],
        why: "The data would have to be gone before they may go.",
        source: "BTV instructions 3, 8 and 24: a period has both ends",
        remedy: "mend `earliest` or `latest`",
        example: "retention = [{ class = \"audio\", earliest = \"2 years\", latest = \"3 years\", basis = \"BTV instruction 8\" }]",
    },
    Entry {
        code: "V0502",
        severity: Error,
        title: "two retention rules can't both be kept",
        articles: &["Art. 5.1 e"],
        why: "A care call is a journal document, which stays ten years by Patientdatalagen; as a recording it is to be gone after three by Inera's instruction. Where the two can't be told apart only a recorded decision by the controller settles it.",
        source: "BTV instruction 8; GALLRING-JH; Patientdatalagen (2008:355) ch. 1 § 3",
        remedy: "record the controller's decision with [[decision]], or keep one rule",
        example: "decision = [{ controller = \"region-23\", diary_number = \"RS/903/2025\", date = 2025-07-31, permits = \"erase\", classes = [\"audio\"] }]",
    },
    Entry {
        code: "V0503",
        severity: Error,
        title: "erasure without a decision",
        articles: &["Art. 28.3"],
        why: "A processor erases only on the controller's instruction. Each region has to decide: hand-over, or erasure on its behalf.",
        source: "BTV; GALLRING-JH; invariant 4",
        remedy: "record the controller's decision with [[decision]], or let the store not erase by itself",
        example: "decision = [{ controller = \"region-23\", diary_number = \"RS/903/2025\", date = 2025-07-31, permits = \"erase\", classes = [\"audio\"] }]",
    },
    Entry {
        code: "V0504",
        severity: Error,
        title: "recordings without a retention rule",
        articles: &["Art. 5.1 e"],
        why: "Nobody has said how long the recordings stay: they would stay for ever, or go too early.",
        source: "BTV instruction 8",
        remedy: "add a [[retention]] rule for `audio`",
        example: "retention = [{ class = \"audio\", earliest = \"2 years\", latest = \"3 years\", basis = \"BTV instruction 8\" }]",
    },
    Entry {
        code: "V0601",
        severity: Error,
        title: "an agreement out of date",
        articles: &["Art. 28"],
        why: "The processing goes on after the agreement has ended, or began before it did.",
        source: "IMY-REPORT p. 5",
        remedy: "renew the agreement, or let the route end with it",
        example: "agreement = [{ id = \"inera-01\", controller = \"region-01\", processor = \"inera\", purposes = [\"routing\"], from = 2018-05-25 }]",
    },
    Entry {
        code: "V0602",
        severity: Error,
        title: "a decision out of date",
        articles: &["Art. 5.2"],
        why: "The controller's decision has run out and no later one replaces it: nothing may be erased or handed over under it any more.",
        source: "GALLRING-JH: decisions are replaced, RS/284/2021 by RS/903/2025",
        remedy: "obtain a new decision and record it",
        example: "decision = [{ controller = \"region-23\", diary_number = \"RS/903/2025\", date = 2025-07-31, permits = \"erase\", classes = [\"audio\"] }]",
    },
    Entry {
        code: "V0701",
        severity: Error,
        title: "an announcement's audio is missing",
        articles: &[],
        why: "The caller would hear nothing, and wouldn't be informed of what the announcement is there to tell.",
        source: "ARCHITECTURE.md: a call never ends in silence",
        remedy: "put the WAV file beside the scenario, or name a built-in one",
        example: "[[announcement]]\nname = \"region\"\nfile = \"region.wav\"",
    },
    Entry {
        code: "V0702",
        severity: Warning,
        title: "nothing is played when nobody can take the call",
        articles: &[],
        why: "A call to a provider that doesn't answer would end in silence.",
        source: "ARCHITECTURE.md: a call never ends in silence",
        remedy: "name an announcement under [announcements] as `no_answer`",
        example: "[announcements]\nno_answer = \"no-answer\"\nbusy = \"busy\"",
    },
];

/// An entry as a person reads it.
pub fn explanation(entry: &Entry) -> String {
    let articles = if entry.articles.is_empty() {
        String::new()
    } else {
        format!("Breaks: {}\n", entry.articles.join(", "))
    };
    let example: String = entry
        .example
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!(
        "{} {}: {}\n\n{}\n\n{articles}Source: {}\nRemedy: {}\n\nExample:\n{example}",
        entry.code,
        entry.severity.name(),
        entry.title,
        entry.why,
        entry.source,
        entry.remedy
    )
}
