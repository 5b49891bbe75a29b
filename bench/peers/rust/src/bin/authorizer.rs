//! A Lambda authorizer.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use lambda_runtime::{LambdaEvent, run, service_fn, tracing};
use ostiary_peers::{Error, Store};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    identity_source: Vec<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
}

struct State {
    store: Store,
    key: DecodingKey,
    validation: Validation,
}

async fn handler(state: &State, event: LambdaEvent<Event>) -> Result<Value, Error> {
    let shown = event.payload.identity_source.first().and_then(|text| text.strip_prefix("Bearer "));
    let claims = shown.and_then(|jwt| decode::<Claims>(jwt, &state.key, &state.validation).ok());
    let Some(Claims { sub, sid }) = claims.map(|token| token.claims) else {
        return Ok(json!({ "isAuthorized": false }));
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (user, ticket) = state.store.user_and_ticket(&sub, &sid).await?;
    let user =
        user.zip(ticket).filter(|(user, ticket)| user.enabled && ticket.expires > now && ticket.epoch == user.epoch);
    let outcome = if user.is_some() { "success" } else { "refused" };
    tracing::info!(act = "authorizer", user = sub, outcome);
    let Some((user, _)) = user else { return Ok(json!({ "isAuthorized": false })) };
    Ok(json!({
        "isAuthorized": true,
        "context": {
            "userId": user.id,
            "username": user.name,
            "tenant": user.tenant,
            "roles": user.roles.join(","),
        },
    }))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let jwk: Jwk = serde_json::from_str(&env::var("VERIFYING_JWK")?)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[env::var("ISSUER")?]);
    validation.set_audience(&[env::var("AUDIENCE")?]);
    let state = State { store: Store::new().await?, key: DecodingKey::from_jwk(&jwk)?, validation };
    let state = &state;
    run(service_fn(|event| handler(state, event))).await
}
