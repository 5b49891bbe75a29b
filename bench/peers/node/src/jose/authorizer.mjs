// With `jose`.
import { importJWK, jwtVerify } from "jose";
import { authorizer } from "../authorizer.mjs";

const { ISSUER, AUDIENCE, VERIFYING_JWK } = process.env;
const key = importJWK(JSON.parse(VERIFYING_JWK), "RS256");
const options = { algorithms: ["RS256"], issuer: ISSUER, audience: AUDIENCE };

export const handler = authorizer(async (jwt) => (await jwtVerify(jwt, await key, options)).payload);
