//! Every route, what it needs, and who answers it. The description in `openapi.json` has the same ones, no more, no less.

use std::sync::Arc;

use axum::{Extension, Router, extract::DefaultBodyLimit, middleware, routing::MethodRouter};

use super::{
    Peer, Shared, audio, guard, oversight, recordings,
    tokens::Role::{self, Dpo, Operator, Reader, Switch},
};

/// The one body there is: ten thousand calls of two hundred bytes, and names may be longer.
const BODY_LEN_MAX: usize = 4 * 1024 * 1024;

/// What a request must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: it tells nothing of anybody.
    Nothing,
    /// A token, unless it comes from this machine: figures without persons.
    TokenFromOutside(&'static [Role]),
    /// A token of one of these roles.
    Token(&'static [Role]),
    /// The same, and a purpose.
    Purpose(&'static [Role]),
}

pub(super) struct Route {
    /// In lower case, as in the description.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the handler knows it; the test compares it")
    )]
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    handler: fn() -> MethodRouter<Arc<Shared>>,
}

macro_rules! route {
    ($method:ident $path:literal, $needs:expr, $handler:path) => {
        Route {
            method: stringify!($method),
            path: $path,
            needs: $needs,
            handler: || axum::routing::$method($handler),
        }
    };
}

pub(super) const ROUTES: [Route; 11] = [
    route!(get "/api/recordings", Needs::Purpose(&[Reader, Dpo]), recordings::search),
    route!(get "/api/recordings/{id}", Needs::Purpose(&[Reader, Dpo]), recordings::tag),
    route!(get "/api/recordings/{id}/audio", Needs::Purpose(&[Reader]), audio::audio),
    route!(get "/api/access-log", Needs::Purpose(&[Dpo]), oversight::access_log),
    route!(get "/api/gallring/plan", Needs::Token(&[Dpo, Operator]), oversight::plan),
    route!(get "/api/reconciliation", Needs::Token(&[Dpo, Operator]), oversight::reconciliation),
    route!(post "/api/calls", Needs::Token(&[Switch]), oversight::calls),
    route!(get "/api/openapi.json", Needs::Nothing, oversight::openapi),
    route!(get "/healthz", Needs::Nothing, oversight::healthz),
    route!(get "/readyz", Needs::Nothing, oversight::readyz),
    route!(get "/metrics", Needs::TokenFromOutside(&[Operator]), oversight::metrics),
];

/// All routes, guarded.
pub(super) fn router(shared: &Arc<Shared>) -> Router<()> {
    let guarded = |router: Router<Arc<Shared>>, route: &Route| {
        let admit = guard::Admit {
            shared: Arc::clone(shared),
            needs: route.needs,
            route: route.path,
        };
        let handler = (route.handler)().layer(DefaultBodyLimit::max(BODY_LEN_MAX));
        router.route(
            route.path,
            handler.layer(middleware::from_fn_with_state(admit, guard::admit)),
        )
    };
    ROUTES
        .iter()
        .fold(Router::new(), guarded)
        .fallback(guard::nowhere)
        .layer(middleware::from_fn_with_state(
            Arc::clone(shared),
            guard::surround,
        ))
        .with_state(Arc::clone(shared))
}

/// The routes for one connection.
pub(super) fn from_peer(router: &Router<()>, peer: Peer) -> Router<()> {
    router.clone().layer(Extension(peer))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::OPENAPI;

    #[test]
    fn the_description_has_these_routes_and_no_others() {
        let described: serde_json::Value = serde_json::from_str(OPENAPI).expect("JSON");
        assert_eq!(described["openapi"], "3.1.0");
        let paths = described["paths"].as_object().expect("paths");
        let told: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("an object").keys();
                methods
                    .filter(|name| *name != "parameters")
                    .map(|method| (path.clone(), method.clone()))
            })
            .collect();
        let served: BTreeSet<(String, String)> = ROUTES
            .iter()
            .map(|route| (route.path.to_owned(), route.method.to_owned()))
            .collect();
        assert_eq!(told, served);
    }

    #[test]
    fn the_description_says_what_each_route_needs() {
        let described: serde_json::Value = serde_json::from_str(OPENAPI).expect("JSON");
        for route in &ROUTES {
            let told = &described["paths"][route.path][route.method];
            let roles: Vec<&str> = match route.needs {
                Needs::Nothing => Vec::new(),
                Needs::TokenFromOutside(roles) | Needs::Token(roles) | Needs::Purpose(roles) => {
                    roles.iter().map(|role| role.name()).collect()
                }
            };
            let secured = told["security"][0]["token"].as_array();
            let named: Vec<&str> = secured
                .into_iter()
                .flatten()
                .filter_map(|role| role.as_str())
                .collect();
            assert_eq!(named, roles, "{}", route.path);
            let answers = told["responses"].as_object().expect("responses");
            let purpose = told["parameters"].as_array().is_some_and(|parameters| {
                parameters
                    .iter()
                    .any(|one| one["$ref"] == "#/components/parameters/purpose")
            });
            assert_eq!(
                purpose,
                matches!(route.needs, Needs::Purpose(_)),
                "{}",
                route.path
            );
            for status in match route.needs {
                Needs::Nothing => &["200"][..],
                Needs::Purpose(_) => &["200", "400", "401", "403", "429"],
                _ => &["200", "401", "403", "429"],
            } {
                assert!(answers.contains_key(*status), "{} {status}", route.path);
            }
        }
    }
}
