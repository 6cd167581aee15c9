//! Files that are too large, too deep or too long are refused quickly, and the schema is that of the reader.

use callcore::scenario::{SCENARIO_LEN_MAX, Scenario, json_schema};

use super::golden;

#[track_caller]
fn refused(text: &str, message: &str) {
    let error = Scenario::from_toml(text, "hostile.toml").expect_err("this must be refused");
    let first = error.first();
    assert!(first.message.contains(message), "{}", first.message);
    assert!(!first.remedy.is_empty());
    assert!(error.faults().count() <= 50);
}

#[test]
fn fifty_megabytes_are_refused() {
    let text = "# x\n".repeat(50 * 1024 * 1024 / 4);
    assert!(text.len() > SCENARIO_LEN_MAX);
    refused(&text, "bytes; at most");
}

#[test]
fn deep_nesting_is_refused() {
    for depth in [1_000, 100_000, 1_000_000] {
        let lists = format!("x = {}{}", "[".repeat(depth), "]".repeat(depth));
        refused(&lists, "nested too deep");
        let tables = format!(
            "x = {}1{}",
            "{ a = ".repeat(depth / 2),
            " }".repeat(depth / 2)
        );
        refused(&tables, "nested too deep");
        let keys = format!("x{} = 1", ".a".repeat(depth));
        refused(&keys, "");
    }
}

#[test]
fn a_thousand_faults_are_told_as_fifty() {
    let names: String = (0..1_000)
        .map(|n| format!("{{ name = \"q{n}\", controller = \"x{n}\" }},"))
        .collect();
    let text = format!(
        "operator = {{ organisation = \"o\" }}\norganisation = [{{ id = \"o\", name = \"o\", kind = \"region\" }}]\nqueue = [{names}]\n"
    );
    refused(&text, "no organisation is called");
}

#[test]
fn calendars_without_number_are_refused() {
    let calendars: String = (0..5_000)
        .map(|n| format!("[[calendar]]\nname = \"c{n}\"\nopen = [{{ days = \"mon\", from = \"08:00\", to = \"09:00\" }}]\n"))
        .collect();
    let text = format!(
        "operator = {{ organisation = \"o\" }}\norganisation = [{{ id = \"o\", name = \"o\", kind = \"region\" }}]\n{calendars}"
    );
    refused(&text, "more than 100 calendars");
}

#[test]
fn the_schema() {
    golden("tests/golden/scenario.schema.json", &(json_schema() + "\n"));
}

/// Every key that the shipped scenarios use is in the schema, and no table allows others.
#[test]
fn the_schema_knows_every_key_that_is_used() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).expect("JSON");
    let used: toml::Table = include_str!("../../../scenarios/medhelp-2019.toml")
        .parse()
        .expect("TOML");
    for (key, value) in &used {
        let property = &schema["properties"][key];
        assert!(property.is_object(), "{key}");
        let item = property.get("items").unwrap_or(property);
        let Some(name) = item["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix("#/$defs/"))
        else {
            continue;
        };
        let table = &schema["$defs"][name];
        assert_eq!(table["additionalProperties"], false, "{name}");
        let entries = value
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![value.clone()]);
        for key in entries
            .iter()
            .filter_map(toml::Value::as_table)
            .flat_map(|entry| entry.keys())
        {
            assert!(table["properties"][key].is_object(), "{name}.{key}");
        }
    }
}
