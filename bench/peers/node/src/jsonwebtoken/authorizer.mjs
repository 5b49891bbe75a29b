// With `jsonwebtoken`.
import { createPublicKey } from "node:crypto";
import jsonwebtoken from "jsonwebtoken";
import { authorizer } from "../authorizer.mjs";

const { ISSUER, AUDIENCE, VERIFYING_JWK } = process.env;
// Parsed once: given the text, the library would parse it for each token.
const key = createPublicKey({ key: JSON.parse(VERIFYING_JWK), format: "jwk" });
const options = { algorithms: ["RS256"], issuer: ISSUER, audience: AUDIENCE };

export const handler = authorizer((jwt) => jsonwebtoken.verify(jwt, key, options));
