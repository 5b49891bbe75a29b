// A Lambda authorizer, but for the library that a family chooses: `verify` answers a JWT's claims or throws.
import * as store from "./store.mjs";

export function authorizer(verify) {
  return async (event) => {
    const [scheme, jwt] = (event.identitySource?.[0] ?? "").split(" ");
    let claims;
    try {
      if (scheme !== "Bearer") throw new Error("no bearer token");
      claims = await verify(jwt);
    } catch {
      return { isAuthorized: false };
    }
    const { user, ticket } = await store.userAndTicket(claims.sub, claims.sid);
    const isAuthorized =
      user !== undefined && ticket !== undefined && user.enabled && ticket.expires > Date.now() / 1000 && ticket.epoch === user.epoch;
    console.log(JSON.stringify({ level: "info", act: "authorizer", user: claims.sub, outcome: isAuthorized ? "success" : "refused" }));
    if (!isAuthorized) {
      return { isAuthorized };
    }
    return { isAuthorized, context: { userId: user.id, username: user.name, tenant: user.tenant, roles: user.roles.join(",") } };
  };
}
