"""Every function of the stack, called by its own role: each has to do what it is for."""

import base64
import hashlib
import json
import os
import re
import time
import uuid
from pathlib import Path

import profiles
from stacks import ALIAS

EVENTS = Path(__file__).resolve().parents[2] / "events"
PASSWORD = "Tr0ubador-and-3-horses"
NEW_PASSWORD = "seven lamps above a quiet harbour"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")

# A use is noted at most once in so long, so one that was noted before has to look older.
AGE_MILLISECONDS = 301_000
# The note of a use is written beside the answer.
NOTE_SECONDS = 2


# The application that may do everything, the managing of access tokens included.
MASTER = "console"


class Wrong(Exception):
    """A function did not do what it is for."""

    def __init__(self, function, what, by_outage=False):
        super().__init__(f"{function}: {what}")
        self.function, self.by_outage = function, by_outage


def bearer(jwt):
    """The header that shows a JWT."""
    return {"Authorization": f"Bearer {jwt}"}


class Ostiary:
    """Calls the stack's functions and remembers which of them did well."""

    def __init__(self, client, stack, access_tokens, usernames):
        self.client = client
        self.take(stack)
        self.access_token, self.master = access_tokens
        self.application = MASTER
        self.answered = set()
        # API Gateway prefers a path without parameters.
        routes = sorted(stack.routes().items(), key=lambda route: route[0][1].count("{"))
        self._routes = [
            (method, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), function)
            for (method, path), function in routes
        ]
        self.ids = {name: self.login(name)["Id"] for name in usernames}

    def take(self, stack):
        """The stack as it is now: it was deployed, or deployed anew."""
        self.stack = stack
        self._lambda, self._store = stack.client("lambda"), stack.client("dynamodb")

    def function_of(self, method, path):
        """Which function serves a path."""
        path = path.partition("?")[0]
        return next(it for verb, pattern, it in self._routes if verb == method and pattern.fullmatch(path))

    def ask(self, method, path, headers=None, body=None, form=None, expected=200):
        """The body of an answer, which has to have the expected status."""
        function = self.function_of(method, path)
        status, answer = self.client.send(self.client.front.url, method, path, headers, body, form)
        if status != expected:
            raise Wrong(function, f"{method} {path.partition('?')[0]} answered {status}: {answer}", status == 503)
        if status in (200, 201):
            self.answered.add(function)
        return answer

    def invoke(self, function, event):
        """What a function answers that AWS calls without a route."""
        # Secrets Manager calls what was deployed last.
        qualifier = {} if function == "RotateSigningKeys" else {"Qualifier": ALIAS}
        name, payload = self.stack.physical[function], json.dumps(event).encode()
        answer = self._lambda.invoke(FunctionName=name, Payload=payload, **qualifier)
        content = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise Wrong(function, f"{event.get('Step', 'invoked')}: {content}", True)
        self.answered.add(function)
        return content

    def begin_anew(self, function):
        """Ends a function's environments, and with them the keys that they hold."""
        self.stack.renew(function)

    def login(self, username="jane"):
        """The answer to a login."""
        return self.ask("POST", "/user/login", body={"username": username, "password": PASSWORD})

    def jwt(self, username="jane"):
        """A new JWT."""
        return self.login(username)["Token"]

    def ticket(self):
        """A new ticket, by the ticket family's login."""
        form = {"accessTokenId": self.access_token, "tenantName": "demo", "username": "jane", "password": PASSWORD}
        return self.ask("POST", "/api/1/authentication/authenticate", form=form)["id"]

    def auth_header(self, jwt):
        """A new auth header: its id and its whole text."""
        made = self.ask("POST", "/authheader/add", bearer(jwt), {"name": "function", "scopes": ["orders:read"]})
        return made["id"], made["token"]

    def one_time_token(self, username, purpose):
        """Stores a token as `/user/forgot` does, which tells it to the event bus alone."""
        user, table = self.ids[username], self.stack.outputs["CredentialsTableName"]
        token = base64.urlsafe_b64encode(user.encode() + os.urandom(32)).decode().rstrip("=")
        digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
        key = {"pk": {"S": f"NAME#demo#{username}"}}
        credential = self._store.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        now = int(time.time())
        item = {
            "pk": {"S": f"RESET#{digest}"},
            "user": {"S": user},
            "tenant": {"S": "demo"},
            "purpose": {"S": purpose},
            "email": {"S": f"{username}@example.com"},
            "created": {"N": str(now * 1000)},
            "expires": {"N": str((now + 3600) * 1000)},
            "ttl": {"N": str(now + 3600)},
        }
        profile = self._store.get_item(
            TableName=self.stack.outputs["UsersTableName"], Key={"pk": {"S": user}}, ConsistentRead=True
        )["Item"]
        item["epoch"] = profile["session_epoch"]
        if purpose == "reset":
            item["version"] = credential["version"]
        self._store.put_item(TableName=table, Item=item)
        return token

    def newest_ticket(self, username="jane"):
        """The item of the user's newest ticket."""
        found = self._store.query(
            TableName=self.stack.outputs["TicketsTableName"],
            KeyConditionExpression="pk = :user",
            ExpressionAttributeValues={":user": {"S": self.ids[username]}},
            ConsistentRead=True,
        )
        return max(found["Items"], key=lambda item: int(item["created"]["N"]))

    def age_newest_ticket(self):
        """Lets the last use of jane's newest ticket lie back, so that the next one is noted. Answers how far."""
        item = self.newest_ticket()
        last = int(item["last_request"]["N"]) - AGE_MILLISECONDS
        self._store.update_item(
            TableName=self.stack.outputs["TicketsTableName"],
            Key={name: item[name] for name in ("pk", "sk")},
            UpdateExpression="SET last_request = :at",
            ExpressionAttributeValues={":at": {"N": str(last)}},
        )
        return last

    def ticket_noted(self, function, aged):
        """Waits for the note that jane's newest ticket was used."""
        self._wait(function, "ticket", lambda: int(self.newest_ticket()["last_request"]["N"]) > aged)

    def auth_header_noted(self, function, jwt, header):
        """Waits for the note that an auth header was used, as its owner sees it."""

        def noted():
            headers = self.ask("GET", "/authheader/list", bearer(jwt))
            return any(listed["id"] == header and "lastUsed" in listed for listed in headers)

        self._wait(function, "auth header", noted)

    @staticmethod
    def _wait(function, what, noted):
        deadline = time.monotonic() + NOTE_SECONDS
        while not noted():
            if time.monotonic() > deadline:
                raise Wrong(function, f"the use of a {what} was not noted", True)
            time.sleep(0.05)

    def demand(self, function, what, good):
        """What an answer has to hold beside its status."""
        if not good:
            raise Wrong(function, what)


def user_password(it):
    """A wrong old password is counted, an expired session follows a right one, and the name may be an address."""
    jwt = it.jwt("paula")
    body = {"username": "paula", "old": "a password that is wrong", "new": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    it.ask("POST", "/user/password", {}, body, expected=401)
    it.ask("POST", "/user/password", {}, body | {"old": PASSWORD})
    it.ask("GET", "/user/sessions", bearer(jwt), expected=401)
    it.ask("POST", "/user/password", {}, body | {"old": NEW_PASSWORD, "new": PASSWORD, "confirm": PASSWORD})


def user_forgot(it):
    """By name and by address; the same calls are made for anybody, so whether a message leaves does not matter here."""
    for name in ("ruth", "ruth@example.com", "nobody"):
        it.ask("POST", "/user/forgot", {}, {"username": name})


def user_reset(it):
    token, new = it.one_time_token("ruth", "reset"), f"{NEW_PASSWORD} {uuid.uuid4()}"
    body = {"token": token, "new": new, "confirm": new}
    it.ask("POST", "/user/reset", {}, body)
    it.ask("POST", "/user/reset", {}, body, expected=404)


def user_verify(it):
    body = {"token": it.one_time_token("ruth", "verify")}
    it.ask("POST", "/user/verify", {}, body)
    it.ask("POST", "/user/verify", {}, body, expected=404)


def user_renew(it):
    it.ask("GET", "/user/renew", bearer(it.jwt()))


def user_token(it):
    it.ask("GET", "/user/token?m=5", bearer(it.jwt()))


def user_sessions(it):
    sessions = it.ask("GET", "/user/sessions", bearer(it.jwt()))
    it.demand("UserSessions", "its own session is not in the list", any(session["current"] for session in sessions))


def user_sessions_revoke(it):
    """One, then all others, then all."""
    jwt, first, second = it.jwt("anna"), it.jwt("anna"), it.jwt("anna")
    listed = it.ask("GET", "/user/sessions", bearer(first))
    session = next(session["id"] for session in listed if session["current"])

    def revoke(ended, **which):
        it.ask("POST", "/user/sessions/revoke", bearer(jwt), which)
        it.ask("GET", "/user/sessions", bearer(ended), expected=401)

    revoke(first, id=session)
    revoke(second, all=True, except_current=True)
    revoke(jwt, all=True)


def user_logout(it):
    jwt = it.jwt()
    it.ask("GET", "/user/logout", bearer(jwt))
    it.ask("GET", "/user/sessions", bearer(jwt), expected=401)


def authheader_add(it):
    it.auth_header(it.jwt())


def authheader_list(it):
    jwt = it.jwt()
    header, _ = it.auth_header(jwt)
    listed = it.ask("GET", "/authheader/list", bearer(jwt))
    it.demand("AuthheaderList", "a new auth header is missing", header in [each["id"] for each in listed])


def authheader_delete(it):
    """By its id, and by its display form, which has to be looked for."""
    jwt = it.jwt()
    for form in ("id", "token"):
        header, text = it.auth_header(jwt)
        listed = it.ask("GET", "/authheader/list", bearer(jwt))
        named = next(each[form] for each in listed if each["id"] == header)
        it.ask("POST", "/authheader/delete", bearer(jwt), {"text": named})
        it.ask("GET", "/test/secure", {"X-Authorization": text}, expected=401)


def authheader_rotate(it):
    jwt = it.jwt()
    _, old = it.auth_header(jwt)
    new = it.ask("POST", "/authheader/rotate", bearer(jwt), {"text": old, "overlap": 0})["token"]
    it.ask("GET", "/test/secure", {"X-Authorization": new})
    it.ask("GET", "/test/secure", {"X-Authorization": old}, expected=401)


def authheader_report_leaked(it):
    _, header = it.auth_header(it.jwt())
    it.ask("POST", "/authheader/report-leaked", body={"token": header})
    it.ask("GET", "/test/secure", {"X-Authorization": header}, expected=401)


def test_secure(it):
    """With both credentials, whose uses are noted beside the answer."""
    jwt = it.jwt()
    header, text = it.auth_header(jwt)
    it.ask("GET", "/test/secure", {"X-Authorization": text})
    it.auth_header_noted("TestSecure", jwt, header)
    aged = it.age_newest_ticket()
    it.ask("GET", "/test/secure", bearer(jwt))
    it.ticket_noted("TestSecure", aged)


def ticket_get(it):
    """The second read comes so late that it has to be noted before it is answered."""
    path = f"/api/1/authentication/ticket/{it.ticket()}"
    application = {"x-access-token-id": it.access_token}
    it.ask("GET", path, application)
    aged = it.age_newest_ticket()
    it.ask("GET", path, application)
    it.ticket_noted("TicketGet", aged)


def ticket_invalidate(it):
    path, application = f"/api/1/authentication/ticket/{it.ticket()}", {"x-access-token-id": it.access_token}
    it.ask("POST", f"{path}/invalidate", application, form={})
    it.ask("GET", path, application, expected=404)


def profile_authenticate(it):
    """For an application, and for the user itself."""
    path = f"/v1/profile/{it.ids['jane']}/authenticate"
    it.ask("POST", path, {"x-api-key": it.access_token}, {"duration": 60})
    it.ask("POST", path, bearer(it.jwt()), {"duration": 60})


def introspected(it, token):
    """Whether introspection calls a token good."""
    return it.ask("POST", "/oauth2/introspect", {"x-access-token-id": it.access_token}, form={"token": token})["active"]


def oauth2_introspect(it):
    """Each kind, and what is noted of it."""
    name, jwt = "Oauth2Introspect", it.jwt()
    aged = it.age_newest_ticket()
    it.demand(name, "a good JWT is not active", introspected(it, jwt))
    it.ticket_noted(name, aged)
    header, text = it.auth_header(jwt)
    it.demand(name, "a good auth header is not active", introspected(it, text))
    it.auth_header_noted(name, jwt, header)
    ticket = it.ticket()
    aged = it.age_newest_ticket()
    it.demand(name, "a good ticket is not active", introspected(it, ticket))
    it.ticket_noted(name, aged)


def oauth2_revoke(it):
    jwt = it.jwt()
    for token in (it.ticket(), it.auth_header(jwt)[1], jwt):
        it.ask("POST", "/oauth2/revoke", {"x-access-token-id": it.access_token}, form={"token": token})
        it.demand("Oauth2Revoke", "a revoked token is active", not introspected(it, token))


def authorizer(it):
    """Each kind, and what is noted of it."""
    event = json.loads((EVENTS / "authorizer.json").read_text())
    others = {name: value for name, value in event["headers"].items() if name != "authorization"}

    def authorized(header, credential):
        shown = {**event, "identitySource": [credential], "headers": {**others, header: credential}}
        it.demand("Authorizer", f"refused a good {header}", it.invoke("Authorizer", shown)["isAuthorized"])

    jwt = it.jwt()
    aged = it.age_newest_ticket()
    authorized("authorization", jwt)
    it.ticket_noted("Authorizer", aged)
    header, text = it.auth_header(jwt)
    authorized("x-authorization", text)
    it.auth_header_noted("Authorizer", jwt, header)
    ticket = it.ticket()
    aged = it.age_newest_ticket()
    authorized("x-ticket", ticket)
    it.ticket_noted("Authorizer", aged)


def begin_rotation(it, token):
    """What Secrets Manager does first: a version without a value, labelled AWSPENDING, and no other with that label."""
    secrets, secret = it.stack.client("secretsmanager"), it.stack.outputs["KeysetSecretArn"]
    for version, labels in secrets.describe_secret(SecretId=secret)["VersionIdsToStages"].items():
        if "AWSPENDING" in labels:
            secrets.update_secret_version_stage(
                SecretId=secret, VersionStage="AWSPENDING", RemoveFromVersionId=version
            )
    secrets.put_secret_value(SecretId=secret, ClientRequestToken=token, VersionStages=["AWSPENDING"])


def rotation_steps(it, token):
    """The four calls of a rotation."""
    for step in STEPS:
        event = {"Step": step, "SecretId": it.stack.outputs["KeysetSecretArn"], "ClientRequestToken": token}
        it.invoke("RotateSigningKeys", event)


def rotate_signing_keys(it):
    secrets, secret = it.stack.client("secretsmanager"), it.stack.outputs["KeysetSecretArn"]

    def keys():
        current = secrets.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
        return current["VersionId"], [key["kid"] for key in json.loads(current["SecretString"])["keys"]]

    token, (_, before) = str(uuid.uuid4()), keys()
    begin_rotation(it, token)
    rotation_steps(it, token)
    version, after = keys()
    it.demand("RotateSigningKeys", "the new version is not current", version == token)
    it.demand("RotateSigningKeys", "it has not one key more", after[:-1] == before and len(after) == len(before) + 1)
    it.jwt()


def plain(method, path):
    """A function that is only asked."""
    return lambda it: it.ask(method, path)


# By logical id; that none is missing is checked.
CALLS = {
    "UserLogin": Ostiary.login,
    "UserPassword": user_password,
    "UserForgot": user_forgot,
    "UserReset": user_reset,
    "UserVerify": user_verify,
    "UserRenew": user_renew,
    "UserToken": user_token,
    "UserSessions": user_sessions,
    "UserSessionsRevoke": user_sessions_revoke,
    "UserLogout": user_logout,
    "AuthheaderAdd": authheader_add,
    "AuthheaderList": authheader_list,
    "AuthheaderDelete": authheader_delete,
    "AuthheaderRotate": authheader_rotate,
    "AuthheaderReportLeaked": authheader_report_leaked,
    "TestSecure": test_secure,
    "TestUnsecure": plain("GET", "/test/unsecure"),
    "TicketAuthenticate": Ostiary.ticket,
    "TicketGet": ticket_get,
    "TicketInvalidate": ticket_invalidate,
    "ProfileAuthenticate": profile_authenticate,
    **profiles.CALLS,
    "Oauth2Introspect": oauth2_introspect,
    "Oauth2Revoke": oauth2_revoke,
    "Jwks": plain("GET", "/.well-known/jwks.json"),
    "OpenidConfiguration": plain("GET", "/.well-known/openid-configuration"),
    "Health": plain("GET", "/health"),
    "RotateSigningKeys": rotate_signing_keys,
    "Authorizer": authorizer,
}


def every_function(run, it):
    """Calls each, and holds the list of those that did well against the template's."""
    print("every function")
    it.answered.clear()
    for name, call in CALLS.items():
        try:
            call(it)
            found = "good"
        except Wrong as wrong:
            found = str(wrong)
        run.expect(name, found, "good")
    run.expect("functions that are called", sorted(CALLS), sorted(it.stack.functions()))
    run.expect("functions that did well", sorted(it.answered), sorted(it.stack.functions()))
