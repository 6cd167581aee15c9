//! The demo's journal: it repeats, also when it was cut, and not when it was changed.

use std::{fs, process::Output};

use crate::run::{VAXEL, run};

fn replay(file: &std::path::Path) -> Output {
    std::process::Command::new(VAXEL)
        .arg("replay")
        .arg(file)
        .output()
        .expect("vaxel runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_live_runs_journal_repeats_to_the_last_output() {
    let output = replay(&run().folder.join("run.journal"));
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("identical: "), "{said}");
    assert!(!said.contains("was cut"), "{said}");
    let calls = said.split_ascii_whitespace().nth(1);
    let offered = run().summary["offered"].to_string();
    assert_eq!(calls, Some(offered.as_str()), "every call is in it");
}

#[test]
fn a_journal_cut_anywhere_repeats_up_to_the_cut() {
    let whole = fs::read(run().folder.join("run.journal")).expect("the journal");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cut.journal");
    let header = whole.len() / 2;
    for cut in [header, header + 1, whole.len() - 20, whole.len() - 1] {
        fs::write(&file, &whole[..cut]).expect("written");
        let output = replay(&file);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "cut at {cut}: {said}");
        assert!(said.contains("was cut"), "{said}");
    }
}

#[test]
fn a_changed_journal_is_found_out_and_something_else_refused() {
    let whole = fs::read_to_string(run().folder.join("run.journal")).expect("the journal");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("changed.journal");
    fs::write(&file, whole.replacen("\no Bridge(", "\no Brigde(", 1)).expect("written");
    let output = replay(&file);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("the replay has"),
        "{}",
        said(&output)
    );
    fs::write(&file, "something else\n").expect("written");
    assert_eq!(replay(&file).status.code(), Some(2));
    assert_eq!(replay(folder.path()).status.code(), Some(3));
}
