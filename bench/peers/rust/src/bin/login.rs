//! `POST /user/login`.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use lambda_http::{Body, Request, RequestPayloadExt, Response, run, service_fn, tracing};
use ostiary_peers::{Error, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

const LIFETIME_SECONDS: u64 = 3600;

#[derive(Deserialize)]
struct Asked {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    jti: Uuid,
    sid: &'a str,
    tenant: &'a str,
    roles: &'a [String],
}

struct State {
    store: Store,
    key: EncodingKey,
    header: Header,
    issuer: String,
    audience: String,
    tenant: String,
}

fn answer(status: u16, body: Value) -> Result<Response<Body>, Error> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.header("cache-control", "no-store").body(body.to_string().into())?)
}

fn verify(phc: &str, password: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

async fn handler(state: &State, request: Request) -> Result<Response<Body>, Error> {
    let refused = || answer(401, json!({ "message": "wrong user name or password" }));
    let Ok(Some(Asked { username, password })) = request.json::<Asked>() else {
        return answer(400, json!({ "message": "username and password must be texts" }));
    };
    let Some(credential) = state.store.credential(&state.tenant, &username.to_lowercase()).await? else {
        return refused();
    };
    let phc = credential.phc.clone();
    let (matches, user) =
        tokio::join!(tokio::task::spawn_blocking(move || verify(&phc, &password)), state.store.user(&credential.user),);
    let Some(user) = user?.filter(|user| user.enabled).filter(|_| matches.is_ok_and(|matches| matches)) else {
        return refused();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (ticket, expires) = (URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()), now + LIFETIME_SECONDS);
    state.store.log_in(&credential, &user, &ticket, now, expires).await?;
    let claims = Claims {
        iss: &state.issuer,
        sub: &user.id,
        aud: &state.audience,
        exp: expires,
        iat: now,
        jti: Uuid::new_v4(),
        sid: &ticket,
        tenant: &user.tenant,
        roles: &user.roles,
    };
    let jwt = encode(&state.header, &claims, &state.key)?;
    tracing::info!(act = "login", user = user.id, outcome = "success");
    answer(
        200,
        json!({
            "id": user.id, "username": user.name, "tenant": user.tenant, "roles": user.roles, "jwt": jwt, "expires": expires,
        }),
    )
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let header = Header { kid: Some(env::var("KEY_ID")?), ..Header::new(Algorithm::RS256) };
    let state = State {
        store: Store::new().await?,
        key: EncodingKey::from_rsa_pem(env::var("SIGNING_KEY")?.as_bytes())?,
        header,
        issuer: env::var("ISSUER")?,
        audience: env::var("AUDIENCE")?,
        tenant: env::var("DEFAULT_TENANT")?,
    };
    let state = &state;
    run(service_fn(|request| handler(state, request))).await
}
