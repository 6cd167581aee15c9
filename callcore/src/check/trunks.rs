//! What this switch proves to those who ask it who it is.

use std::collections::BTreeMap;

use super::{Context, Finding};

/// V0409: organisations that could pass each other's questions on: this switch proves itself to them by one file.
pub(super) fn shared_proof(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let usual = scenario.listen.own_credentials.as_deref();
    // Who was told first of each file.
    let mut first = BTreeMap::new();
    let providers = scenario.providers.iter().zip(&scenario.lines.providers);
    providers
        .filter_map(|(provider, &line)| {
            let file = provider.credentials.as_deref().or(usual)?;
            let other = *first.entry(file).or_insert(provider);
            (other.organisation != provider.organisation).then(|| {
                let message = format!(
                    "`{}` and `{}` ask this switch who it is, and it proves that to both by {file}",
                    other.name, provider.name
                );
                context.finding("V0409", scenario.operator, line, message)
            })
        })
        .collect()
}
