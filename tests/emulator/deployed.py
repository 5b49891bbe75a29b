#!/usr/bin/env python3
"""Deploys Ostiary and the examples into a local AWS, runs the end-to-end suite there, calls every function and the
protected APIs, and updates the stack.

    deployed.py [--only PART ...] [--build FOLDER] [--ostiary PROGRAM] [--sam PROGRAM] [--packages SCOPE]

What runs is what a deployment runs: the template and the binaries that `sam build` made, `sam deploy`, and `cargo
ostiary` for the keys and the people. Each function may do what its role in the template allows and nothing else. Only
the loopback interface is used.
"""

import argparse
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

# The script for a real account, which is no package.
sys.path.append(str(Path(__file__).resolve().parents[1] / "canary"))

import canary as script
from cloud import Cloud, Front, certificates
from functions import MASTER, PASSWORD, Ostiary, begin_rotation, every_function, rotation_steps
from operated import keys_by_the_tool, operate, unlock_by_the_tool
from permissions import each_is_needed
from stacks import deploy, make_bucket
from updated import updates

ROOT = Path(__file__).resolve().parents[2]
USERS = ("jane", "anna", "otto", "paula", "ruth")
PARTS = ("end-to-end", "functions", "examples", "permissions", "keys", "unlock", "canary", "updates")
LACKS = "b: the sample has it and API Gateway does not send it"


class Run:
    """What is checked, and what was wrong."""

    def __init__(self):
        self.checked = 0
        self.wrong = []

    def expect(self, what, found, expected):
        """Notes whether `found` is as expected."""
        self.checked += 1
        good = found == expected
        print(f"  {'ok  ' if good else 'FAIL'} {what}: {found}" + ("" if good else f" instead of {expected}"))
        if not good:
            self.wrong.append(what)


class Client:
    """Sends requests to APIs in the emulator."""

    def __init__(self, front, pem):
        self.front = front
        self.tls = ssl.create_default_context(cafile=str(pem))

    def send(self, base, method, path, headers=None, body=None, form=None):
        """Status and body of an answer."""
        data, kind = (None if body is None else json.dumps(body).encode()), "application/json"
        if form is not None:
            data, kind = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        headers = {**(headers or {}), **({} if data is None else {"content-type": kind})}
        request = urllib.request.Request(base + path, data=data, headers=headers, method=method)
        tls = self.tls if base.startswith("https") else None
        try:
            with urllib.request.urlopen(request, timeout=60, context=tls) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def ask(self, method, path, headers=None, body=None):
        """The body of a 200 of Ostiary's own API."""
        status, answer = self.send(self.front.url, method, path, headers, body)
        if status != 200:
            sys.exit(f"{method} {path} answered {status}: {answer}")
        return answer

    def login(self):
        """A new JWT, raw."""
        credentials = {"username": "jane", "password": PASSWORD}
        return self.ask("POST", "/user/login", body=credentials)["Token"]


def settle(ostiary, cloud):
    """The first key, a tenant, users and two applications, by the real tool. Answers the access tokens: one for that
    tenant, and one for everything."""
    operate(ostiary, cloud, "keys", "init")
    operate(ostiary, cloud, "tenant", "create", "demo")
    roles = ["--role", "reader", "--role", "night-shift"]
    for name in USERS:
        names = ["--username", name, "--email", f"{name}@example.com"]
        operate(ostiary, cloud, "user", "create", *names, "--password-stdin", *roles, text=PASSWORD + "\n")
    made = operate(ostiary, cloud, "access-token", "create", "--application", "test", "--tenant", "demo=*")
    everything = ["--tenant", "demo=*", "--tenant", "*", "--master"]
    master = operate(ostiary, cloud, "access-token", "create", "--application", MASTER, *everything)
    return made["token"], master["token"]


def with_our_authorizer(run, client, ostiary, stack, caller, access_token):
    """The first example: all three kinds of credential, and what has ended."""
    base, jwt = stack.cloud.url + stack.address(), client.login()
    bearer = {"Authorization": f"Bearer {jwt}"}

    def status(what, expected, headers, path="/hello", method="GET"):
        run.expect(what, client.send(base, method, path, headers)[0], expected)

    found, context = client.send(base, "GET", "/hello", bearer)
    run.expect("a good JWT", found, 200)
    run.expect("its context", {name: context.get(name) for name in caller}, caller)
    run.expect("its other members", sorted(set(context) - set(caller)), ["expires", "user"])
    status("the same JWT, raw", 200, {"Authorization": jwt})
    status("another route, which asks for a role", 403, bearer, "/orders", "DELETE")
    status("no credential", 401, {})
    status("junk", 403, {"Authorization": "junk"})
    status("a forged JWT", 403, {"Authorization": "Bearer " + forged(jwt)})
    status("a JWT where an auth header belongs", 403, {"X-Authorization": jwt}, "/report")
    header = client.ask("POST", "/authheader/add", bearer, {"name": "test", "scopes": ["orders:read"]})["token"]
    found, context = client.send(base, "GET", "/report", {"X-Authorization": header})
    run.expect("a good auth header", found, 200)
    run.expect("its scopes", context.get("scopes"), "orders:read")
    status("two credentials", 403, {**bearer, "X-Authorization": header})
    status("an auth header without its last character", 403, {"X-Authorization": header[:-1]}, "/report")
    client.ask("POST", "/authheader/delete", bearer, {"text": header})
    status("a deleted auth header", 403, {"X-Authorization": header}, "/report")
    client.ask("GET", "/user/logout", bearer)
    status("the JWT after its logout", 403, bearer)
    directly(run, client, ostiary, stack, access_token)


def directly(run, client, ostiary, stack, access_token):
    """The function itself, with the events that the other kinds of API send."""
    functions = stack.client("lambda")
    arn = stack.parameters["AuthorizerArn"]
    jwt = client.login()
    ticket = ticket_of(client, access_token)
    placeholders = json.loads((ROOT / "events" / "expected.json").read_text())["placeholders"]

    def invoke(event, replaced):
        text = (ROOT / "events" / event).read_text()
        for placeholder, credential in replaced.items():
            text = text.replace(placeholders[placeholder], credential)
        answer = functions.invoke(FunctionName=arn, Payload=text.encode())
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    error, answer = invoke("authorizer.json", {"jwt": jwt})
    run.expect("invoked for an HTTP API", (error, answer.get("isAuthorized")), (None, True))
    error, answer = invoke("authorizer.json", {})
    run.expect("the same without a live credential", (error, answer), (None, {"isAuthorized": False}))
    for event, replaced in [
        ("authorizer.ticket.json", {"ticketId": ticket}),
        ("authorizer.rest-request.json", {"jwt": jwt}),
        ("authorizer.rest-token.json", {"jwt": jwt}),
        ("authorizer.payload-1.json", {"jwt": jwt}),
    ]:
        for live in (True, False):
            error, answer = invoke(event, replaced if live else {})
            if "isAuthorized" in answer:
                verdict = answer["isAuthorized"]
            else:
                verdict = answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
            run.expect(f"invoked with {event}, {'live' if live else 'placeholders'}", (error, verdict), (None, live))
    without_store(run, ostiary, lambda: invoke("authorizer.json", {"jwt": client.login()}), stack, client)


def without_store(run, ostiary, invoke, stack, client):
    """An outage is an error and neither a yes nor a no."""
    jwt = client.login()
    before = ostiary.live("Authorizer")["Environment"]["Variables"]
    ostiary.renew("Authorizer", {**before, "OSTIARY_TABLE_USERS": "nowhere"})
    error, _ = invoke()
    run.expect("invoked while a table is away", error, "Unhandled")
    found, _ = client.send(stack.cloud.url + stack.address(), "GET", "/hello", {"Authorization": jwt})
    run.expect("an API while a table is away", found, 500)
    ostiary.renew("Authorizer", before)
    found, _ = client.send(stack.cloud.url + stack.address(), "GET", "/hello", {"Authorization": jwt})
    run.expect("and when it is back", found, 200)


def kept_answers(run, client, stack):
    """Somebody raises ReauthorizeEvery: what is kept for one route and caller serves no other."""
    gateway, base = stack.client("apigatewayv2"), stack.cloud.url + stack.address()
    api = stack.physical["Api"]
    for authorizer in gateway.get_authorizers(ApiId=api)["Items"]:
        gateway.update_authorizer(ApiId=api, AuthorizerId=authorizer["AuthorizerId"], AuthorizerResultTtlInSeconds=300)
    jwt = client.login()
    bearer = {"Authorization": f"Bearer {jwt}"}
    run.expect("kept: a good JWT", client.send(base, "GET", "/hello", bearer)[0], 200)
    client.ask("GET", "/user/logout", bearer)
    run.expect("kept: the same route after the logout", client.send(base, "GET", "/hello", bearer)[0], 200)
    other = client.send(base, "DELETE", "/orders", bearer)
    run.expect("kept: another route after the logout", other, (403, {"message": "Forbidden"}))
    run.expect("kept: another JWT", client.send(base, "GET", "/hello", {"Authorization": forged(jwt)})[0], 403)


def any_credential(run, client, stack, access_token):
    """An authorizer without identity sources is always asked, and so one route takes each kind of credential."""
    gateway, base = stack.client("apigatewayv2"), stack.cloud.url + stack.address()
    api = stack.physical["Api"]
    for authorizer in gateway.get_authorizers(ApiId=api)["Items"]:
        every = {"IdentitySource": [], "AuthorizerResultTtlInSeconds": 0}
        gateway.update_authorizer(ApiId=api, AuthorizerId=authorizer["AuthorizerId"], **every)
    jwt = client.login()
    header = client.ask("POST", "/authheader/add", {"Authorization": jwt}, {"name": "any"})["token"]
    for name, credential in [
        ("Authorization", jwt),
        ("X-Authorization", header),
        ("X-Ticket", ticket_of(client, access_token)),
    ]:
        run.expect(f"any of three: {name}", client.send(base, "GET", "/hello", {name: credential})[0], 200)
    run.expect("any of three: none", client.send(base, "GET", "/hello")[0], 403)


def ticket_of(client, access_token):
    """A new ticket, by the ticket family's login."""
    query = f"?accessTokenId={access_token}&tenantName=demo&username=jane&password={PASSWORD}"
    return client.ask("POST", f"/api/1/authentication/authenticate{query}")["id"]


def with_jwt_authorizer(run, client, stack):
    """The second example: API Gateway judges JWTs by our discovery document and JWKS."""
    base, jwt = stack.cloud.url + stack.address(), client.login()
    bearer = {"Authorization": f"Bearer {jwt}"}
    found, answer = client.send(base, "GET", "/hello", bearer)
    run.expect("a good JWT", found, 200)
    run.expect("its tenant and roles", (answer.get("tenant"), answer.get("roles")), ("demo", "[reader night-shift]"))
    run.expect("no credential", client.send(base, "GET", "/hello")[0], 401)
    run.expect("a forged JWT", client.send(base, "GET", "/hello", {"Authorization": "Bearer " + forged(jwt)})[0], 401)
    client.ask("GET", "/user/logout", bearer)
    run.expect("the JWT after its logout, as documented", client.send(base, "GET", "/hello", bearer)[0], 200)


def with_rest_api(run, client, stack, usage_key):
    """The third example. The emulator takes the key of a usage plan from the client and not from the authorizer, so it is
    sent along; that the authorizer names the same one, the tests in Rust show."""
    base, jwt = f"{stack.cloud.url}/restapis/{stack.physical['Api']}/live/_user_request_", client.login()
    bearer = {"Authorization": f"Bearer {jwt}"}

    def send(path, headers):
        return client.send(base, "GET", path, {**headers, "X-Api-Key": usage_key})

    found, answer = send("/hello", bearer)
    run.expect("a good JWT", (found, answer.get("tenant")), (200, "demo"))
    # AWS does not say whether a request authorizer without caching is called then.
    run.expect("no credential", send("/hello", {})[0] in (401, 403), True)
    run.expect("a forged JWT", send("/hello", {"Authorization": forged(jwt)})[0], 403)
    header = client.ask("POST", "/authheader/add", bearer, {"name": "rest"})["token"]
    run.expect("a good auth header", send("/report", {"X-Authorization": header})[0], 200)
    run.expect("no auth header", send("/report", bearer)[0], 401)
    client.ask("GET", "/user/logout", bearer)
    run.expect("the JWT after its logout", send("/hello", bearer)[0], 403)


def forged(jwt):
    """The JWT with another signature."""
    head, _, signature = jwt.rpartition(".")
    return f"{head}.{signature[:20]}{'A' if signature[20] != 'A' else 'B'}{signature[21:]}"


def examples(run, client, options, ostiary, access_token):
    """The three examples, deployed beside the stack."""
    ours = {"AuthorizerArn": ostiary.outputs["AuthorizerArn"]}
    theirs = {"Issuer": ostiary.outputs["Issuer"], "Audience": ostiary.outputs["Audience"]}
    caller = {"username": "jane", "tenant": "demo", "roles": "reader night-shift", "scopes": "", "credential": "jwt"}

    def example(name, given):
        print(name)
        return deploy(ostiary.cloud, options.sam, ROOT / "examples" / name / "template.yaml", name, given)

    stack = example("http-api-with-authorizer", ours)
    stack.complete_http_api()
    with_our_authorizer(run, client, ostiary, stack, caller, access_token)
    kept_answers(run, client, stack)
    any_credential(run, client, stack, access_token)
    stack = example("http-api-with-jwt-authorizer", theirs)
    stack.complete_http_api()
    with_jwt_authorizer(run, client, stack)
    usage_key = hashlib.sha256(b"acme").hexdigest()
    with_rest_api(run, client, example("rest-api", {**ours, "AcmeKey": usage_key}), usage_key)


def end_to_end(run, client, options, ostiary, pem):
    """The suite of `tests/tests/end_to_end`, which knows of this stack no more than of any other deployed one."""
    print("end to end")
    asked = {
        "OSTIARY_BASE_URL": client.front.url,
        "OSTIARY_STACK": ostiary.name,
        "OSTIARY_SMOKE": "yes",
        "OSTIARY_PROGRAM": str(options.ostiary),
        "SSL_CERT_FILE": str(pem),
    }
    # Cargo's home is the user's, and what reaches AWS is the emulator's.
    reached = {name: value for name, value in ostiary.cloud.environment.items() if name.startswith("AWS_")}
    suite = ["cargo", "test", "--locked", "--quiet", *options.packages.split(), "--test", "end_to_end", "--"]
    command = [*suite, "--nocapture", "--exact", "the_contract_holds_on_a_deployed_stack"]
    before = belongings(options, ostiary)
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **reached, **asked}, stdin=subprocess.DEVNULL)
    run.expect("the end-to-end suite ended with", done.returncode, 0)
    run.expect("what it left behind or took away", belongings(options, ostiary) ^ before, set())


def belongings(options, ostiary):
    """The tenants and the access tokens that there are."""
    tenants = operate(options.ostiary, ostiary.cloud, "tenant", "list")["tenants"]
    tokens = operate(options.ostiary, ostiary.cloud, "access-token", "list")["accessTokens"]
    return {each["name"] for each in tenants} | {each["id"] for each in tokens}


def canary(run, it, options):
    """The script for a real account, as far as it goes here. Envelopes are told and not judged: this gateway isn't AWS's."""
    cloud, stack = it.stack.cloud, it.stack
    told = script.differences({"a": 1, "b": "x"}, {"a": "1"})
    run.expect("it sees a difference", list(told), ["a: str where the sample has number", LACKS])
    functions = {name: stack.physical[name] for name in stack.functions()}
    invoked, _, wrong = script.cold_starts(stack.client("lambda"), functions, len(functions))
    run.expect(f"errors in {invoked} first invocations", wrong, [])

    def ask(method, path, headers, body):
        return it.client.send(it.client.front.url, method, path, headers, body and json.loads(body))

    def rotate():
        token = str(uuid.uuid4())
        begin_rotation(it, token)
        rotation_steps(it, token)

    run.expect("refusals in rotations", script.under_traffic(script.Traffic(ask, "jane", PASSWORD), rotate, 2), [])
    echo = deploy(cloud, options.sam, ROOT / "tests" / "canary" / "template.yaml", "canary", {})
    echo.complete_http_api("Http")
    rest = f"{cloud.url}/restapis/{echo.physical['Rest']}/live/_user_request_"
    found = script.envelopes(cloud.url + echo.address("Http"), rest, script.sent)
    print(f"  {len(found)} times this gateway sends something else than the samples show")


def play(options, folder):
    """Everything that was asked for; answers what was checked."""
    run, (pem, shown) = Run(), certificates(folder)
    with Front(shown) as front, Cloud(folder, pem) as cloud:
        try:
            client = Client(front, pem)
            started = time.monotonic()
            make_bucket(cloud)
            parameters = {"Issuer": front.url, "DefaultTenant": "demo"}
            ostiary = deploy(cloud, options.sam, options.build / "template.yaml", "ostiary", parameters)
            front.target = (cloud, ostiary.address())
            print(f"deployed: {ostiary.complete_http_api()} routes in {time.monotonic() - started:.0f} s")
            access_tokens = settle(options.ostiary, cloud)
            it = Ostiary(client, ostiary, access_tokens, USERS)
            parts = {
                "end-to-end": lambda: end_to_end(run, client, options, ostiary, pem),
                "functions": lambda: every_function(run, it),
                "examples": lambda: examples(run, client, options, ostiary, it.access_token),
                "permissions": lambda: each_is_needed(run, it),
                "keys": lambda: keys_by_the_tool(run, it, options.ostiary, cloud),
                "unlock": lambda: unlock_by_the_tool(run, it, options.ostiary, cloud),
                "canary": lambda: canary(run, it, options),
                "updates": lambda: updates(run, it, options, parameters),
            }
            for part in options.only or parts:
                started = time.monotonic()
                parts[part]()
                print(f"{part}: {time.monotonic() - started:.0f} s")
                # What follows rests on it.
                if run.wrong:
                    break
        except BaseException:
            sys.stderr.write(cloud.log.read_text(errors="replace")[-8000:])
            raise
        if run.wrong:
            sys.stderr.write(cloud.log.read_text(errors="replace")[-8000:])
    return run


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=Path, default=ROOT / ".aws-sam" / "build")
    arguments.add_argument("--ostiary", type=Path, default=ROOT / "target" / "debug" / "ostiary")
    arguments.add_argument("--sam", default=shutil.which("sam"))
    arguments.add_argument("--packages", default="--workspace", help="with whose features cargo builds the suite")
    arguments.add_argument("--only", action="append", choices=PARTS, help="a part; may be given several times")
    options = arguments.parse_args()
    if not options.sam:
        sys.exit("sam is not on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        run = play(options, Path(folder))
    print(f"{run.checked} checks, {len(run.wrong)} failed")
    sys.exit(1 if run.wrong else 0)


if __name__ == "__main__":
    main()
