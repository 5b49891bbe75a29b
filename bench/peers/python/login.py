"""`POST /user/login`."""

import json
import os
import secrets
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import jwt
import store
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TENANT, ISSUER, AUDIENCE = os.environ["DEFAULT_TENANT"], os.environ["ISSUER"], os.environ["AUDIENCE"]
KEY, KEY_ID = load_pem_private_key(os.environ["SIGNING_KEY"].encode(), None), os.environ["KEY_ID"]
LIFETIME_SECONDS = 3600

hasher = PasswordHasher()
# For what is done at the same time: the hash and a read, or two writes.
beside = ThreadPoolExecutor(1)


def answer(status, body):
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


def verify(phc, password):
    try:
        return hasher.verify(phc, password)
    except VerificationError:
        return False


def handler(event, context):
    body = json.loads(event["body"])
    username, password = body.get("username"), body.get("password")
    if not isinstance(username, str) or not isinstance(password, str):
        return answer(400, {"message": "username and password must be texts"})
    credential = store.credential(TENANT, username.lower())
    if not credential:
        return answer(401, {"message": "wrong user name or password"})
    reading = beside.submit(store.user, credential["user"])
    matches, user = verify(credential["phc"], password), reading.result()
    if not matches or not user or not user["enabled"]:
        return answer(401, {"message": "wrong user name or password"})
    now = int(time.time())
    ticket = {"id": secrets.token_urlsafe(32), "expires": now + LIFETIME_SECONDS}
    creating = beside.submit(store.create_ticket, user, ticket, now)
    store.note_login(credential, now)
    creating.result()
    claims = {
        "iss": ISSUER,
        "sub": user["id"],
        "aud": AUDIENCE,
        "exp": ticket["expires"],
        "iat": now,
        "jti": str(uuid.uuid4()),
        "sid": ticket["id"],
        "tenant": user["tenant"],
        "roles": user["roles"],
    }
    token = jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": KEY_ID})
    print(json.dumps({"level": "info", "act": "login", "user": user["id"], "outcome": "success"}))
    told = {"id": user["id"], "username": user["name"], "tenant": user["tenant"], "roles": user["roles"]}
    return answer(200, {**told, "jwt": token, "expires": ticket["expires"]})
