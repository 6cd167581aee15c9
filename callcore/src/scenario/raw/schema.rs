//! The JSON Schema of a scenario file, from the very types that read it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

use super::{OneOrMany, RawAgent, RawAgentTable, RawBackup, RawBackupTable, RawScenario};

/// The schema as JSON text (draft 2020-12). Editors complete keys with it; what values mean is checked by the reader.
pub(in crate::scenario) fn json_schema() -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<RawScenario>();
    // A schema is made of texts, numbers and lists: there is nothing in it that JSON can't say.
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One text, or a list of texts.",
            "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}

impl JsonSchema for RawAgent {
    fn schema_name() -> Cow<'static, str> {
        "Agent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawAgentTable>();
        json_schema!({ "oneOf": [{ "type": "string" }, table] })
    }
}

impl JsonSchema for RawBackup {
    fn schema_name() -> Cow<'static, str> {
        "Backup".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawBackupTable>();
        json_schema!({ "oneOf": [{ "type": "string", "enum": ["none", "not-examined"] }, table] })
    }
}
