// With `jsonwebtoken` and `argon2`, which is the reference implementation in C.
import { createPrivateKey } from "node:crypto";
import argon2 from "argon2";
import jsonwebtoken from "jsonwebtoken";
import { login } from "../login.mjs";

const { SIGNING_KEY, KEY_ID } = process.env;
const key = createPrivateKey(SIGNING_KEY);
const options = { algorithm: "RS256", keyid: KEY_ID };

export const handler = login(
  (phc, password) => argon2.verify(phc, password),
  (claims) => jsonwebtoken.sign(claims, key, options),
);
