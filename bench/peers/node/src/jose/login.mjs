// With `jose` and `@node-rs/argon2`, the fastest Argon2 for Node that we know.
import { verify } from "@node-rs/argon2";
import { SignJWT, importPKCS8 } from "jose";
import { login } from "../login.mjs";

const { SIGNING_KEY, KEY_ID } = process.env;
const key = importPKCS8(SIGNING_KEY, "RS256");
const header = { alg: "RS256", kid: KEY_ID };

export const handler = login(verify, async (claims) => new SignJWT(claims).setProtectedHeader(header).sign(await key));
