"""A Lambda authorizer."""

import json
import os
import time

import jwt
import store

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
KEY = jwt.PyJWK.from_json(os.environ["VERIFYING_JWK"], algorithm="RS256")


def handler(event, context):
    scheme, _, token = (event.get("identitySource") or [""])[0].partition(" ")
    try:
        if scheme != "Bearer":
            raise jwt.InvalidTokenError("no bearer token")
        claims = jwt.decode(token, KEY, algorithms=["RS256"], issuer=ISSUER, audience=AUDIENCE)
    except jwt.InvalidTokenError:
        return {"isAuthorized": False}
    user, ticket = store.user_and_ticket(claims["sub"], claims["sid"])
    allowed = bool(user and ticket and user["enabled"] and ticket["expires"] > time.time() and ticket["epoch"] == user["epoch"])
    print(json.dumps({"level": "info", "act": "authorizer", "user": claims["sub"], "outcome": "success" if allowed else "refused"}))
    if not allowed:
        return {"isAuthorized": False}
    context = {"userId": user["id"], "username": user["name"], "tenant": user["tenant"], "roles": ",".join(user["roles"])}
    return {"isAuthorized": True, "context": context}
