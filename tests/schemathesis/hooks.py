"""What schemathesis loads: credentials that are good, what must not be ended, and the checks that are our own."""

import atexit
import base64
import hashlib
import itertools
import json
import os
import urllib.parse
from collections import Counter, defaultdict
from pathlib import Path

import requests
import schemathesis
from schemathesis.core.failures import Failure

STAND = json.loads(Path(os.environ["OSTIARY_STAND"]).read_text())
URL, TOKEN = STAND["url"], STAND["token"]
APPLICATION = {"x-access-token-id": TOKEN}
FORM = {"content-type": "application/x-www-form-urlencoded"}

# These end the JWT that they are called with, or change what its user may: they get one of a user of their own.
ENDS_ITS_JWT = {"user-logout", "user-renew", "user-token", "user-sessions-revoke"}

# What the run itself rests on. An operation that would end or change it is sent to something else.
OWN = {
    STAND["crew"]["id"],
    STAND["castaway"]["id"],
    TOKEN,
    base64.urlsafe_b64encode(hashlib.sha256(TOKEN.encode()).digest()).decode().rstrip("="),
}
# What the document's examples name lives on, too, until all of them were sent.
EXAMPLES = {STAND["demo"]["profileId"], STAND["drifter"]["id"]}
TENANT = STAND["demo"]["tenant"]
CHANGES_PROFILE = {
    "api1-profile-update",
    "api1-profile-disable",
    "api1-profile-delete",
    "api1-profile-reset-password",
    "persistent-login-refresh",
}

# An item's own path, by the operation that deletes it: after that the path must lead nowhere.
DELETES = {
    "ticket-invalidate": "/api/1/authentication/ticket/{id}",
    "ticket-invalidate-older": "/api/1/authentication/token/{id}",
    "persistent-login-delete": "/api/1/authentication/persistent_login/{id}",
    "access-token-delete": "/api/1/access_token/{id}",
    "tenant-delete": "/api/1/tenant/{name}",
    "api1-profile-delete": "/api/1/profile/{id}",
    "verification-token-delete": "/api/1/profile/verification_token/{id}",
}

# What `run` breaks to see a check of this file fail.
FAULT = os.environ["OSTIARY_FAULT"]
OWED = ["content-type", "cache-control", "x-request-id"]
if FAULT == "deletes":
    DELETES["ticket-get"] = DELETES["ticket-invalidate"]
if FAULT == "headers":
    OWED.append("x-absent")

session = requests.Session()
session.trust_env = False
answers = defaultdict(Counter)
deletions = Counter()


class Failed(Failure):
    """An answer that breaks a rule of ours."""

    __slots__ = ()

    def __init__(self, operation, title, message):
        super().__init__(operation=operation, title=title, message=message)


def name(case):
    """The operation's id."""
    return case.operation.definition.raw["operationId"]


def ask(method, path, **options):
    """A request that schemathesis does not count."""
    return session.request(method, URL + path, timeout=20, **options)


class Logins:
    """JWTs, made anew when they were used up."""

    def __init__(self):
        self.jwts = {}

    def of(self, user):
        """A JWT that is good."""
        if user not in self.jwts:
            body = {"username": STAND[user]["name"], "password": STAND["password"]}
            answer = ask("POST", "/user/login", json=body)
            answer.raise_for_status()
            self.jwts[user] = answer.json()["Token"]
        return self.jwts[user]

    def forget(self, user):
        """It was ended."""
        self.jwts.pop(user, None)


logins = Logins()


def basic(text):
    """HTTP's Basic scheme."""
    return "Basic " + base64.b64encode(text.encode()).decode()


def credential(scheme, operation):
    """A header's name and value, for a security scheme of the document."""
    jwt = logins.of("castaway" if operation in ENDS_ITS_JWT else "crew") if scheme in ("jwt", "rawJwt") else None
    return {
        "accessTokenHeader": ("x-access-token-id", TOKEN),
        "apiKey": ("x-api-key", TOKEN),
        "accessTokenBearer": ("Authorization", f"Bearer {TOKEN}"),
        "accessTokenBasic": ("Authorization", basic(f"{STAND['application']}:{TOKEN}")),
        "accessTokenParameter": ("accessTokenId", TOKEN),
        "jwt": ("Authorization", f"Bearer {jwt}"),
        "rawJwt": ("Authorization", jwt),
        "authHeader": ("X-Authorization", STAND["authHeader"]),
    }[scheme]


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """Shows one of those that an operation takes, in turn."""

    def __init__(self):
        self.turns = Counter()

    def get(self, case, _context):
        """The scheme."""
        wanted = [next(iter(each)) for each in case.operation.definition.raw.get("security", []) if each]
        if not wanted:
            return None
        operation = name(case)
        scheme = wanted[self.turns[operation] % len(wanted)]
        self.turns[operation] += 1
        if scheme == "accessTokenParameter" and not isinstance(case.query, dict):
            scheme = "accessTokenHeader"
        return scheme

    def set(self, case, scheme, _context):
        """The credential."""
        key, value = credential(scheme, name(case))
        if scheme == "accessTokenParameter":
            case.query[key] = value
        else:
            case.headers[key] = value


@schemathesis.hook
def filter_case(_context, case):
    """API Gateway hands a body that is no text on in base64. The front here fails on one, and no function is called."""
    if not isinstance(case.body, bytes):
        return True
    try:
        case.body.decode()
    except UnicodeDecodeError:
        return False
    return True


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Spares what the run rests on, and looks whether there is anything to delete."""
    if case.meta and case.meta.phase.name.value == "stateful" and case.meta.generation.mode.is_positive:
        make_real(case)
    spare(case)
    seen = witness(case)
    if seen and seen():
        witnesses[case.id] = seen


witnesses = {}


made = set()
counted = itertools.count()


def make_real(case):
    """Whatever begins a chain of requests names things that exist: of drawn names nothing would ever follow."""
    operation, body = name(case), case.body
    for values in (case.query, body):
        if isinstance(values, dict):
            if "tenantName" in values and values["tenantName"] not in made:
                values["tenantName"] = TENANT
            if "profileId" in values and values["profileId"] not in made:
                values["profileId"] = STAND["crew"]["id"]
    if isinstance(body, dict) and operation in ("ticket-authenticate", "user-login"):
        body |= {"username": STAND["crew"]["name"], "password": STAND["password"]}
    if isinstance(body, dict) and operation == "api1-profile-create":
        drawn = f"drawn-{next(counted)}"
        real = {"password": STAND["password"], "attributes": '{"level": 3}', "email": f"{drawn}@example.com"}
        body |= {"username": drawn, "enabled": "true", **{key: real[key] for key in real if key in body}}
        body.pop("verificationUrl", None)
    if operation in ("persistent-login-get", "persistent-login-refresh"):
        # A drawn token is not the series'.
        for values in (case.query, body):
            if isinstance(values, dict):
                values.pop("token", None)
    if isinstance(body, dict) and operation == "tenant-create":
        body["name"] = f"drawn-{next(counted)}"
    if isinstance(body, dict) and operation == "profile-create":
        body["applicationId"] = STAND["application"]
    if isinstance(body, dict) and operation.startswith("authheader-"):
        # A drawn text is no date to come.
        body.pop("expires", None)


def spare(case):
    """Another target for what would end the run's own credentials, or close the tenant that it works in."""
    operation, path, body = name(case), case.path_parameters, case.body
    if operation == "access-token-delete" or operation in CHANGES_PROFILE:
        if isinstance(path, dict) and path.get("id") in OWN:
            path["id"] = "spared"
    if operation == "api1-profile-delete" and isinstance(path, dict) and path.get("id") in EXAMPLES:
        path["id"] = "spared"
    if operation == "tenant-delete" and isinstance(path, dict) and path.get("name") == TENANT:
        path["name"] = "spared"
    if operation == "tenant-update" and isinstance(body, dict) and body.get("name") == TENANT:
        body["name"] = STAND["spare"]


def witness(case):
    """For what an operation ends: a question whether it is still there."""
    operation, body = name(case), case.body if isinstance(case.body, dict) else {}
    if operation in DELETES:
        path = case.path_parameters if isinstance(case.path_parameters, dict) else {}
        values = {key: urllib.parse.quote(str(value), safe="") for key, value in path.items()}
        if not all(values.values()):
            return None
        at = DELETES[operation].format(**values)
        return lambda: ask("GET", at, headers=APPLICATION).status_code == 200
    if operation in ("authheader-delete", "authheader-report-leaked") and case.media_type == "application/json":
        text = body.get("text") or body.get("token")
        if isinstance(text, str) and text.startswith("ost_") and text.isascii() and text.isprintable():
            return lambda: ask("GET", "/test/secure", headers={"x-authorization": text}).status_code == 200
    if operation == "oauth2-revoke" and isinstance(body.get("token"), str):
        form = {"token": body["token"]}
        return lambda: ask("POST", "/oauth2/introspect", headers=APPLICATION, data=form).json().get("active") is True
    if operation in ENDS_ITS_JWT - {"user-sessions-revoke"} and "Authorization" in case.headers:
        shown = {"Authorization": case.headers["Authorization"]}
        return lambda: ask("GET", "/test/secure", headers=shown).status_code == 200
    return None


@schemathesis.hook
def after_call(_context, case, response):
    """Counts, and lets a JWT go that was ended."""
    operation = name(case)
    answers[operation][response.status_code] += 1
    if operation in ENDS_ITS_JWT and response.status_code == 200:
        logins.forget("castaway")
    if operation in ("tenant-create", "api1-profile-create") and response.status_code == 200:
        answer = response.json()
        made.add(answer["name"] if operation == "tenant-create" else answer["id"])


@schemathesis.check
def use_after_delete(_ctx, response, case):
    """What was there and was deleted is gone with the answer."""
    seen = witnesses.pop(case.id, None)
    if seen and 200 <= response.status_code < 300:
        deletions[name(case)] += 1
        if seen():
            raise Failed(case.operation.label, "Use after delete", "what was deleted is still there")


@schemathesis.check
def owed_headers(_ctx, response, case):
    """What every answer of ours has. An answer without an id is the front's own, for a path that no function serves."""
    headers = {key.lower(): values[0] for key, values in response.headers.items()}
    if response.status_code == 404 and "x-request-id" not in headers:
        return
    cacheable = name(case) in ("jwks", "openid-configuration") and response.status_code == 200
    for header in OWED:
        if header not in headers:
            raise Failed(case.operation.label, "A header is missing", f"no {header} with {response.status_code}")
    if not cacheable and headers["cache-control"] != "no-store":
        raise Failed(case.operation.label, "The answer may be stored", headers["cache-control"])


@atexit.register
def tell():
    """What was done, for `run`."""
    told = {"answers": {operation: dict(count) for operation, count in answers.items()}, "deletions": dict(deletions)}
    Path(os.environ["OSTIARY_TOLD"]).write_text(json.dumps(told))
