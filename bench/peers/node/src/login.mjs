// `POST /user/login`, but for the two libraries that a family chooses: `verify` checks a password, `sign` makes a JWT.
import { randomBytes, randomUUID } from "node:crypto";
import * as store from "./store.mjs";

const { DEFAULT_TENANT, ISSUER, AUDIENCE } = process.env;
const LIFETIME_SECONDS = 3600;

function answer(statusCode, body) {
  return { statusCode, headers: { "content-type": "application/json", "cache-control": "no-store" }, body: JSON.stringify(body) };
}

export function login(verify, sign) {
  return async (event) => {
    const { username, password } = JSON.parse(event.body);
    if (typeof username !== "string" || typeof password !== "string") {
      return answer(400, { message: "username and password must be texts" });
    }
    const credential = await store.credential(DEFAULT_TENANT, username.toLowerCase());
    if (!credential) {
      return answer(401, { message: "wrong user name or password" });
    }
    const [matches, user] = await Promise.all([verify(credential.phc, password), store.user(credential.user)]);
    if (!matches || !user?.enabled) {
      return answer(401, { message: "wrong user name or password" });
    }
    const now = Math.floor(Date.now() / 1000);
    const ticket = { id: randomBytes(32).toString("base64url"), expires: now + LIFETIME_SECONDS };
    await store.logIn(credential, user, ticket, now);
    const claims = {
      iss: ISSUER,
      sub: user.id,
      aud: AUDIENCE,
      exp: ticket.expires,
      iat: now,
      jti: randomUUID(),
      sid: ticket.id,
      tenant: user.tenant,
      roles: user.roles,
    };
    const jwt = await sign(claims);
    console.log(JSON.stringify({ level: "info", act: "login", user: user.id, outcome: "success" }));
    return answer(200, { id: user.id, username: user.name, tenant: user.tenant, roles: user.roles, jwt, expires: ticket.expires });
  };
}
