#!/usr/bin/env python3
"""What only a real account can show. NOT RUN on AWS yet: see README.md.

    canary.py --stack NAME --url URL --bucket BUCKET [--cold-starts 1000] [--rotations 3] [--only PART ...]

envelopes    what API Gateway sends, held against the samples in events/
cold-starts  every function with a route begins anew, again and again: none may fail
rotation     the keys rotate while people log in and use what they have: nobody may notice

It needs OSTIARY_SMOKE=yes, boto3, `sam` on the PATH and a built `ostiary`, and works on a stack made for tests: each
rotation leaves a key. It takes away the stack, the tenant and the access token that it makes.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("envelopes", "cold-starts", "rotation")
ROTATION_SECONDS = 300
AT_ONCE = 16
THREADS = 8
# What a request need not have, and what API Gateway makes of a caller of AWS's own: no sample has to show it.
OPTIONAL = {"authentication", "authorizer", "body", "cookies", "pathParameters", "queryStringParameters", "stageVariables"}
# Their members are the request's.
OPEN = {"headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "lambda", "authorizer"}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--stack", required=True)
    arguments.add_argument("--url", required=True, help="where the stack's API answers, without a slash at the end")
    arguments.add_argument("--bucket", help="where `sam deploy` may put the template of the echo stack")
    arguments.add_argument("--ostiary", type=Path, default=ROOT / "target" / "debug" / "ostiary")
    arguments.add_argument("--cold-starts", type=int, default=1000)
    arguments.add_argument("--rotations", type=int, default=3)
    arguments.add_argument("--only", action="append", choices=PARTS)
    options = arguments.parse_args()
    if os.environ.get("OSTIARY_SMOKE") != "yes":
        sys.exit(f"OSTIARY_SMOKE has to be yes: keys, a tenant and functions of {options.stack} are changed")
    wrong = []
    for part in options.only or PARTS:
        print(part, flush=True)
        found = {"envelopes": on_aws, "cold-starts": every_cold_start, "rotation": rotated}[part](options)
        wrong += found
        print("\n".join(f"  WRONG {each}" for each in found) or "  good", flush=True)
    sys.exit(1 if wrong else 0)


# --- envelopes


def shape(value):
    """The names and types of a value."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def differences(sample, sent, path=""):
    """Where what is sent isn't what the sample shows."""
    if isinstance(sample, dict) and isinstance(sent, dict):
        for name in sorted({*sample, *sent}):
            at = f"{path}.{name}".lstrip(".")
            if name in OPEN and name in sample and name in sent:
                if type(sample[name]) is not type(sent[name]):
                    yield f"{at}: {sent[name]} where the sample has {sample[name]}"
            elif name not in sent:
                if name not in OPTIONAL:
                    yield f"{at}: the sample has it and API Gateway does not send it"
            elif name not in sample:
                if name not in OPTIONAL:
                    yield f"{at}: API Gateway sends it and the sample has it not"
            elif path.split(".")[-1] != "pathParameters":
                yield from differences(sample[name], sent[name], at)
    elif isinstance(sample, dict) or isinstance(sent, dict) or shape(sample) != shape(sent):
        yield f"{path}: {shape(sent)} where the sample has {shape(sample)}"


def envelopes(http, rest, send):
    """What is wrong with the samples. `send` answers the JSON body of an answer."""
    token, text = {"Authorization": "Bearer x"}, {"content-type": "application/json"}
    form, binary = {"content-type": "application/x-www-form-urlencoded"}, {"content-type": "application/octet-stream"}
    asked = [
        ("persistent-login-create.json", lambda: send(http, "POST", "/plain/7", form, b"a=b")),
        ("user-login.json", lambda: send(http, "POST", "/plain/7", text, b"{}")),
        ("ticket-authenticate.query-string.json", lambda: send(http, "POST", "/plain/7?a=b%20c&a=d", {}, None)),
        ("ticket-authenticate.base64-body.json", lambda: send(http, "POST", "/plain/7", binary, b"\xff")),
        ("authorizer.json", lambda: judged(send(http, "GET", "/judged/7", token, None))),
        ("authorizer.payload-1.json", lambda: judged(send(http, "GET", "/judged-before/7", token, None))),
        ("authorizer.rest-request.json", lambda: judged(send(rest, "GET", "/request/7", token, None))),
        ("authorizer.rest-token.json", lambda: judged(send(rest, "GET", "/token/7", token, None))),
    ]
    wrong = []
    for name, call in asked:
        sample = json.loads((ROOT / "events" / name).read_text())
        wrong += [f"{name}: {each}" for each in differences(sample, call())]
    return wrong


def judged(event):
    """What the authorizer was asked, which it passed on."""
    authorizer = event["requestContext"]["authorizer"]
    return json.loads(authorizer.get("lambda", authorizer)["event"])


def on_aws(options):
    """The echo stack, deployed for as long as it is asked."""
    name = f"{options.stack}-canary-{secrets.token_hex(4)}"
    formation = boto3.client("cloudformation")
    bucket = ["--s3-bucket", options.bucket] if options.bucket else ["--resolve-s3"]
    template = str(Path(__file__).with_name("template.yaml"))
    command = ["sam", "deploy", "--template-file", template, "--stack-name", name, *bucket]
    subprocess.run([*command, "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"], check=True)
    try:
        outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        urls = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        return envelopes(urls["HttpUrl"], urls["RestUrl"], sent)
    finally:
        formation.delete_stack(StackName=name)


def sent(base, method, path, headers, body):
    """The JSON body of an answer."""
    request = urllib.request.Request(base + path, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


# --- cold starts


def every_cold_start(options):
    """On the version that nobody calls, so that no user waits."""
    resources = boto3.client("cloudformation").get_paginator("list_stack_resources")
    found = [each for page in resources.paginate(StackName=options.stack) for each in page["StackResourceSummaries"]]
    found = [each for each in found if each["ResourceType"] == "AWS::Lambda::Function"]
    functions = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}
    invoked, cold, wrong = cold_starts(boto3.client("lambda"), functions, options.cold_starts)
    print(f"  {cold} cold starts in {invoked} invocations")
    if cold < options.cold_starts:
        wrong.append(f"only {cold} of {options.cold_starts} invocations were cold starts")
    return wrong


def cold_starts(client, functions, wanted):
    """Begins functions anew so many times at least. Answers how many invocations there were, how many of them were cold
    starts by what Lambda says, and what was wrong."""
    event = json.loads((ROOT / "events" / "health.json").read_text())
    # Those two are asked by AWS in another way, and refuse this event.
    served = {name: physical for name, physical in functions.items() if name not in ("Authorizer", "RotateSigningKeys")}
    rounds = -(-wanted // len(served))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda name: of_function(client, name, event, rounds), served.values()))
    return rounds * len(served), sum(cold for cold, _ in found), [each for _, wrong in found for each in wrong]


def of_function(client, name, event, rounds):
    """So many cold starts of one function. It knows no route of this event's path, and need not: any answer will do."""
    cold, wrong = 0, []
    described = client.get_function_configuration(FunctionName=name)["Description"]
    try:
        for number in range(rounds):
            client.update_function_configuration(FunctionName=name, Description=f"canary {number}")
            client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
            answer = client.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(event).encode())
            content = json.loads(answer["Payload"].read() or b"null")
            said = base64.b64decode(answer.get("LogResult", ""))
            cold += b"Init Duration" in said or b"initDurationMs" in said
            if "FunctionError" in answer or not isinstance(content, dict) or content.get("statusCode", 500) >= 500:
                wrong.append(f"{name}, cold start {number}: {content}")
    finally:
        client.update_function_configuration(FunctionName=name, Description=described)
    return cold, wrong


# --- rotation


class Traffic:
    """People who log in and use what they have, and who are never refused."""

    def __init__(self, ask, username, password):
        self._ask, self._credentials = ask, {"username": username, "password": password}
        self._end, self.requests, self.wrong = threading.Event(), 0, []

    def _go(self):
        old = self._login()
        while not self._end.is_set():
            new = self._login()
            for jwt in (old, new):
                self._expect("GET", "/test/secure", {"Authorization": f"Bearer {jwt}"})

    def _login(self):
        body = json.dumps(self._credentials).encode()
        return (self._expect("POST", "/user/login", {"content-type": "application/json"}, body) or {}).get("Token")

    def _expect(self, method, path, headers, body=None):
        status, answer = self._ask(method, path, headers, body)
        self.requests += 1
        if status != 200:
            self.wrong.append(f"{method} {path} answered {status} in the rotation: {answer}")
        return answer if status == 200 else None

    def __enter__(self):
        self._threads = [threading.Thread(target=self._go) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()


def under_traffic(traffic, rotate, times):
    """Rotates so many times while there is traffic; answers what was wrong."""
    with traffic:
        for _ in range(times):
            rotate()
            time.sleep(2)
    if not traffic.requests:
        traffic.wrong.append("there was no traffic")
    print(f"  {traffic.requests} requests")
    return traffic.wrong


def rotated(options):
    """As Secrets Manager does it by itself once in a while."""
    formation, manager = boto3.client("cloudformation"), boto3.client("secretsmanager")
    outputs = formation.describe_stacks(StackName=options.stack)["Stacks"][0]["Outputs"]
    secret = next(it["OutputValue"] for it in outputs if it["OutputKey"] == "KeysetSecretArn")

    def current():
        labels = manager.describe_secret(SecretId=secret)["VersionIdsToStages"]
        return next(version for version, stages in labels.items() if "AWSCURRENT" in stages)

    def rotate():
        before, deadline = current(), time.monotonic() + ROTATION_SECONDS
        manager.rotate_secret(SecretId=secret)
        while current() == before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no rotation in {ROTATION_SECONDS} s")
            time.sleep(1)

    with somebody(options) as (username, password):
        return under_traffic(Traffic(asks(options.url), username, password), rotate, options.rotations)


def asks(base):
    """Status and body of an answer."""

    def ask(method, path, headers, body):
        request = urllib.request.Request(base + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    return ask


@contextlib.contextmanager
def somebody(options):
    """A user of a tenant of this run alone."""
    tenant, password = f"canary-{secrets.token_hex(4)}", secrets.token_hex(16)

    def tool(*arguments, text=""):
        command = [options.ostiary, "--stack", options.stack, *arguments]
        subprocess.run([str(part) for part in command], input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    tool("tenant", "create", tenant)
    try:
        tool("user", "create", "--tenant", tenant, "--username", "canary", "--password-stdin", text=f"{password}\n")
        yield f"{tenant}/canary", password
    finally:
        tool("tenant", "delete", tenant, "--yes")


if __name__ == "__main__":
    main()
