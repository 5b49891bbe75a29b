// The JavaScript libraries' side of the matrix: takes JSON lines from `run` and answers each with one.

import { createInterface } from "node:readline";
import { JwtVerifier } from "aws-jwt-verify";
import { JwtBaseError, JwtInvalidClaimError } from "aws-jwt-verify/error";
import { SimpleJwksCache } from "aws-jwt-verify/jwk";
import * as jose from "jose";

const TYPE = "at+jwt";

const joseLibrary = {
  isRefusal: (error) => error instanceof jose.errors.JOSEError,
  async verify(q) {
    const keys = q.jwksUri ? jose.createRemoteJWKSet(new URL(q.jwksUri)) : jose.createLocalJWKSet(JSON.parse(q.jwks));
    await jose.jwtVerify(q.token, keys, {
      algorithms: [q.alg],
      issuer: q.issuer,
      audience: q.audience,
      typ: TYPE,
      requiredClaims: ["sub", "iat", "exp", "jti"],
    });
  },
  async sign(q) {
    const key = q.pem ? await jose.importPKCS8(q.pem, q.header.alg) : jose.base64url.decode(q.secret);
    return new jose.SignJWT(q.claims).setProtectedHeader(q.header).sign(key);
  },
};

// Its own fetcher speaks HTTPS only. The stack on this machine speaks HTTP, and one in memory nothing at all.
const fetcher = (q) => ({
  async fetch(uri) {
    if (!q.jwksUri) return new TextEncoder().encode(q.jwks).buffer;
    const answer = await fetch(uri);
    if (!answer.ok) throw new Error(`${uri} answers ${answer.status}`);
    return answer.arrayBuffer();
  },
});

const awsLibrary = {
  isRefusal: (error) => error instanceof JwtBaseError,
  async verify(q) {
    const verifier = JwtVerifier.create(
      {
        issuer: q.issuer,
        audience: q.audience,
        jwksUri: q.jwksUri ?? `${q.issuer}/.well-known/jwks.json`,
        // It takes the key's algorithm; which one a caller wants, and the type, are the caller's to compare.
        customJwtCheck({ header }) {
          if (header.alg !== q.alg) throw new JwtInvalidClaimError("alg", header.alg, q.alg);
          if (header.typ !== TYPE) throw new JwtInvalidClaimError("typ", header.typ, TYPE);
        },
      },
      { jwksCache: new SimpleJwksCache({ fetcher: fetcher(q) }) },
    );
    await verifier.verify(q.token);
  },
};

const libraries = { jose: joseLibrary, "aws-jwt-verify": awsLibrary };

async function answer(q) {
  const library = libraries[q.library];
  if (q.op === "sign") return { token: await library.sign(q) };
  try {
    await library.verify(q);
  } catch (error) {
    if (!library.isRefusal(error)) throw error;
    return { verdict: "refused", reason: `${error.constructor.name}: ${error.message}` };
  }
  return { verdict: "accepted" };
}

for await (const line of createInterface({ input: process.stdin })) {
  let result;
  try {
    result = await answer(JSON.parse(line));
  } catch (error) {
    // Not a refusal: a program that breaks has judged nothing.
    result = { verdict: "failed", reason: `${error.stack ?? error}` };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
