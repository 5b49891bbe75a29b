"""The Python libraries' side of the matrix: takes JSON lines from `run` and answers each with one.

Each library is used as its documentation says, with the algorithm pinned and issuer and audience required. Where one has
no option for the header's `typ`, its caller has to compare it, as is done here.
"""

import json
import sys
import traceback
import warnings

import jwt as pyjwt
from authlib.common.errors import AuthlibBaseError
from cryptography.hazmat.primitives import serialization
from joserfc import errors as joserfc_errors
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt
from jwcrypto import common as jwcrypto_common
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jws as jwcrypto_jws
from jwcrypto import jwt as jwcrypto_jwt

with warnings.catch_warnings(record=True):
    # It warns that it will go one day, in favour of joserfc; until then people use it.
    from authlib import jose as authlib_jose

# joserfc warns of the name EdDSA, which RFC 9864 deprecates and which most libraries know alone.
warnings.simplefilter("ignore")

TYPE = "at+jwt"
KEY_TYPES = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "HS256": "oct"}


class WrongType(Exception):
    """The caller's own comparison of `typ`."""


def check_type(header):
    if header.get("typ") != TYPE:
        raise WrongType("typ")


class PyJwt:
    refusals = (pyjwt.exceptions.PyJWTError,)

    def verify(self, q):
        keys = pyjwt.PyJWKSet.from_json(q["jwks"])
        # A kid that is not there is a KeyError of the set.
        try:
            key = keys[pyjwt.get_unverified_header(q["token"])["kid"]]
        except KeyError as error:
            raise pyjwt.exceptions.InvalidKeyError("no such kid") from error
        decoded = pyjwt.decode_complete(
            q["token"],
            key,
            algorithms=[q["alg"]],
            issuer=q["issuer"],
            audience=q["audience"],
            options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
        )
        check_type(decoded["header"])

    def sign(self, q):
        header = q["header"]
        return pyjwt.encode(q["claims"], key_of(q), algorithm=header["alg"], headers=header)


class JwCrypto:
    refusals = (jwcrypto_common.JWException,)

    def verify(self, q):
        # A whole set would do, but then each refusal says no more than that no key fits.
        unverified = jwcrypto_jws.JWS()
        unverified.deserialize(q["token"])
        key = jwcrypto_jwk.JWKSet.from_json(q["jwks"]).get_key(unverified.jose_header["kid"])
        if key is None:
            raise jwcrypto_jwt.JWTMissingKey("no such kid")
        token = jwcrypto_jwt.JWT(
            check_claims={"iss": q["issuer"], "aud": q["audience"], "exp": None, "sub": None, "jti": None},
            algs=[q["alg"]],
            expected_type="JWS",
        )
        # Its own leeway is a minute.
        token.leeway = 0
        token.deserialize(q["token"], key)
        check_type(json.loads(token.header))

    def sign(self, q):
        if "pem" in q:
            key = jwcrypto_jwk.JWK.from_pem(q["pem"].encode())
        else:
            key = jwcrypto_jwk.JWK(kty="oct", k=q["secret"])
        token = jwcrypto_jwt.JWT(header=q["header"], claims=q["claims"])
        token.make_signed_token(key)
        return token.serialize()


class JoseRfc:
    refusals = (joserfc_errors.JoseError,)

    def verify(self, q):
        keys = joserfc_jwk.KeySet.import_key_set(json.loads(q["jwks"]))
        token = joserfc_jwt.decode(q["token"], keys, algorithms=[q["alg"]])
        joserfc_jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": q["issuer"]},
            aud={"essential": True, "value": q["audience"]},
            exp={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
        ).validate(token.claims)
        check_type(token.header)

    def sign(self, q):
        header = q["header"]
        key = joserfc_jwk.import_key(key_of(q), KEY_TYPES[header["alg"]])
        return joserfc_jwt.encode(header, q["claims"], key, algorithms=[header["alg"]])


class Authlib:
    refusals = (AuthlibBaseError,)

    def verify(self, q):
        keys = authlib_jose.JsonWebKey.import_key_set(json.loads(q["jwks"]))
        options = {
            "iss": {"essential": True, "value": q["issuer"]},
            "aud": {"essential": True, "value": q["audience"]},
            "exp": {"essential": True},
            "sub": {"essential": True},
            "jti": {"essential": True},
        }
        # A kid that is not there is a ValueError of the set.
        def find(header, _payload):
            try:
                return keys.find_by_kid(header["kid"])
            except ValueError as error:
                raise authlib_jose.errors.JoseError("no such kid") from error

        claims = authlib_jose.JsonWebToken([q["alg"]]).decode(q["token"], find, claims_options=options)
        claims.validate()
        check_type(claims.header)

    def sign(self, q):
        header = q["header"]
        key = authlib_jose.JsonWebKey.import_key(key_of(q), {"kty": KEY_TYPES[header["alg"]]})
        return authlib_jose.JsonWebToken([header["alg"]]).encode(header, q["claims"], key).decode()


def key_of(question):
    """A private key as PEM, or the bytes of a shared secret."""
    if "pem" in question:
        return question["pem"]
    return jwcrypto_common.base64url_decode(question["secret"])


LIBRARIES = {"PyJWT": PyJwt(), "jwcrypto": JwCrypto(), "joserfc": JoseRfc(), "authlib": Authlib()}


def public(question):
    """The public half of a private key, as PEM."""
    key = serialization.load_pem_private_key(question["pem"].encode(), None).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def answer(question):
    if question["op"] == "public":
        return {"pem": public(question)}
    library = LIBRARIES[question["library"]]
    if question["op"] == "sign":
        return {"token": library.sign(question)}
    try:
        library.verify(question)
    except (*library.refusals, WrongType) as error:
        return {"verdict": "refused", "reason": f"{type(error).__name__}: {error}"}
    return {"verdict": "accepted"}


for line in sys.stdin:
    try:
        result = answer(json.loads(line))
    except Exception:
        # Not a refusal: a program that breaks has judged nothing.
        result = {"verdict": "failed", "reason": traceback.format_exc()}
    print(json.dumps(result), flush=True)
