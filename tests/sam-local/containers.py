"""Runs what `sam build` made by `sam local`: every function, every event, the API, and the authorizer in front of one.

    containers.py [--only PART …]

Parts: `invoke` (sam local invoke, once for each function), `events` (sam local start-lambda, every event with live
credentials), `api` (sam local start-api, a login to its logout), `authorizer` (sam local start-api with the Lambda
authorizer). Answers are compared with events/expected.json. Ends with status 1 if anything is other than it should be.
"""

import argparse
import asyncio
import base64
import collections
import concurrent.futures
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
GUARDED = Path(__file__).resolve().parent / "guarded.yaml"
SERVICES = ("DYNAMODB", "SECRETS_MANAGER", "EVENTBRIDGE")
# For a second after each answer SAM waits for more lines of the log. So there are several of everything.
CLOUDS = 4
START_SECONDS = 90
ANSWER_SECONDS = 60


class Cloud:
    """The store behind the containers of one image, and what tells them of it."""

    def __init__(self, number):
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug" / "examples" / "sam-local"
        self._process = subprocess.Popen([program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line:
            sys.exit("the local cloud did not start")
        stand = json.loads(line)
        self.environment, self.placeholders = stand["environment"], stand["placeholders"]
        self.image = f"ostiary/sam-local-{number}:x86_64"
        self._forward(stand["endpoints"], 47101 + 10 * number)
        self._dynamodb = boto3.client(
            "dynamodb", endpoint_url=stand["endpoints"]["DYNAMODB"], region_name="us-east-1",
            aws_access_key_id="local", aws_secret_access_key="local",
        )
        self._kept = None

    def stop(self):
        """Ends it."""
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def keep(self):
        """Remembers every item of every table."""
        self._kept = {table: self._items(table) for table in self._dynamodb.list_tables()["TableNames"]}

    def restore(self):
        """Makes the tables hold what they held when `keep` was called."""
        for table, kept in self._kept.items():
            kept = {self._key(item): item for item in kept}
            there = {self._key(item): item for item in self._items(table)}
            for key, item in there.items():
                if key not in kept:
                    names = [name for name in ("pk", "sk") if name in item]
                    self._dynamodb.delete_item(TableName=table, Key={name: item[name] for name in names})
            for key, item in kept.items():
                if there.get(key) != item:
                    self._dynamodb.put_item(TableName=table, Item=item)

    def _items(self, table):
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    @staticmethod
    def _key(item):
        return json.dumps([item.get("pk"), item.get("sk")])

    def _forward(self, endpoints, first_port):
        """The cloud binds the loopback interface, which containers don't reach: their bridge leads there, and nothing else."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        host = bridge()
        # The image names these ports on the host, as seen from containers.
        for port, name in enumerate(SERVICES, first_port):
            target = int(endpoints[name].rpartition(":")[2])
            asyncio.run_coroutine_threadsafe(forward(host, port, target), loop).result(10)


def bridge():
    """The host's address on the network that containers are on."""
    said = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"],
        check=True, capture_output=True, text=True,
    )
    return said.stdout.strip()


async def forward(host, port, target):
    """Carries bytes between a port and another one of the loopback interface."""

    async def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()

    async def serve(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))
        far_writer.close()
        writer.close()

    await asyncio.start_server(serve, host, port)


class Samples:
    """The events and what they have to be answered."""

    def __init__(self):
        told = json.loads((ROOT / "events" / "expected.json").read_text())
        self.placeholders = told["placeholders"]
        self.expected = {**told["events"], **told["invocations"]}
        self.files = sorted(self.expected)

    def text(self, file, live):
        """The event, with a live credential in each place where there is one."""
        text = (ROOT / "events" / file).read_text()
        for name, value in live.items():
            text = text.replace(self.placeholders[name], value)
        return text

    def wrong(self, file, answer, is_live):
        """What is wrong with an answer; nothing when nothing is."""
        expected = self.expected[file]
        if "status" not in expected:
            return self._wrong_invocation(expected, answer, is_live)
        if is_live:
            expected = expected.get("withCredentials", expected)
        if not isinstance(answer, dict) or answer.get("statusCode") != expected["status"]:
            return f"{json.dumps(answer)[:400]} instead of status {expected['status']}"
        body = answer.get("body") or ""
        if answer.get("isBase64Encoded"):
            body = base64.b64decode(body).decode()
        parsed = json.loads(body) if body.startswith(("{", "[")) else body
        if "body" in expected and parsed != expected["body"]:
            return f"body {body[:400]} instead of {expected['body']}"
        code = parsed.get("errorCode") if isinstance(parsed, dict) else None
        if "errorCode" in expected and code != expected["errorCode"]:
            return f"{body[:400]} instead of code {expected['errorCode']}"
        return None

    @staticmethod
    def _wrong_invocation(expected, answer, is_live):
        if "error" in expected:
            said = answer.get("errorMessage") if isinstance(answer, dict) else None
            return None if said == expected["error"] else f"{answer} instead of the error {expected['error']}"
        wanted = expected.get("withCredentials", expected["answer"]) if is_live else expected["answer"]
        return None if holds(answer, wanted) else f"{json.dumps(answer)[:400]} instead of {json.dumps(wanted)[:400]}"


def holds(answer, wanted):
    """Whether an answer has what it must have; it may have more members."""
    if isinstance(wanted, dict) and isinstance(answer, dict):
        return all(name in answer and holds(answer[name], value) for name, value in wanted.items())
    return answer == wanted


def logical_id(file):
    """The function that an event is for."""
    return "".join(word.capitalize() for word in file.partition(".")[0].split("-"))


class Sam:
    """`sam local`, with the functions' variables and the image."""

    def __init__(self, cloud, folder):
        self._folder = folder
        folder.mkdir()
        variables = folder / "variables.json"
        variables.write_text(json.dumps({"Parameters": cloud.environment}))
        self._options = ["--env-vars", variables, "--invoke-image", cloud.image, "--skip-pull-image"]
        self._options += ["--add-host", "host.docker.internal:host-gateway", "--region", "us-east-1"]
        ours = ("OSTIARY_", "AWS_")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._environment |= {"SAM_CLI_TELEMETRY": "0", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}

    def _command(self, what, template, *more):
        return [str(part) for part in ("sam", "local", what, *more, "--template", template, *self._options)]

    def invoke(self, function, event):
        """The answer of `sam local invoke`."""
        command = self._command("invoke", BUILT, function, "--event", "-")
        done = subprocess.run(command, input=event, capture_output=True, text=True, cwd=ROOT, env=self._environment, timeout=180)
        try:
            return json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            return f"no answer: {done.stdout[-300:]}{done.stderr[-1500:]}"

    @contextlib.contextmanager
    def serving(self, what, template, port, *more):
        """`sam local start-…`, until the block ends. The value is its address."""
        command = self._command(what, template, "--port", port, "--warm-containers", "LAZY", "--no-watch", *more)
        log = self._folder / f"{what}-{Path(template).stem}.log"
        with open(log, "w") as sink:
            server = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=ROOT, env=self._environment)
        try:
            wait_for(port, server, log)
            yield f"http://127.0.0.1:{port}"
        except BaseException:
            sys.stderr.write(log.read_text()[-3000:])
            raise
        finally:
            server.send_signal(2)
            try:
                server.wait(timeout=60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(port, server, log):
    """Until somebody listens there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{' '.join(server.args[:3])} does not listen:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def free_port():
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def send(url, data=None, headers=None):
    """Status and body of an answer; nothing is an exception."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def every_function(sam, samples):
    """`sam local invoke`, once for each function, with its event as it is."""

    def one(file):
        wrong = samples.wrong(file, sam.invoke(logical_id(file), samples.text(file, {})), False)
        return f"sam local invoke {logical_id(file)}: {wrong}" if wrong else None

    files = [file for file in samples.files if file.count(".") == 1]
    # The first one makes the image that all of them use.
    found = [one(files[0])]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found += pool.map(one, files[1:])
    return len(files), [wrong for wrong in found if wrong]


def every_event(sams, samples, clouds):
    """Every event, each function's at one of the clouds."""
    files = collections.defaultdict(list)
    for file in samples.files:
        files[logical_id(file)].append(file)
    shares = [[] for _ in clouds]
    for of_one in sorted(files.values(), key=len, reverse=True):
        min(shares, key=len).extend(of_one)
    with concurrent.futures.ThreadPoolExecutor(len(clouds)) as pool:
        found = list(pool.map(events, sams, [samples] * len(clouds), clouds, shares))
    return len(samples.files), [wrong for some in found for wrong in some]


def events(sam, samples, cloud, files):
    """These events with live credentials in them, each on the same stored data."""
    with sam.serving("start-lambda", BUILT, free_port()) as url:

        def call(file, live):
            target = f"{url}/2015-03-31/functions/{logical_id(file)}/invocations"
            status, body = send(target, samples.text(file, live).encode(), {"content-type": "application/json"})
            try:
                return json.loads(body)
            except ValueError:
                return f"{status} {body}"

        live = dict(cloud.placeholders)

        def issue(name, file, member):
            answer = call(file, live)
            if not isinstance(answer, dict) or answer.get("statusCode") not in (200, 201):
                sys.exit(f"{file} issues no {name}: {answer}")
            live[name] = json.loads(answer["body"])[member]

        issue("jwt", "user-login.json", "Token")
        issue("ticketId", "ticket-authenticate.json", "id")
        issue("authHeader", "authheader-add.json", "token")
        issue("persistentLoginId", "persistent-login-create.json", "id")
        if missing := samples.placeholders.keys() - live:
            sys.exit(f"nothing makes {missing}")
        cloud.keep()
        found = []
        for file in files:
            wrong = samples.wrong(file, call(file, live), True)
            found += [f"{file}: {wrong}"] if wrong else []
            cloud.restore()
    return found


class Flow:
    """Requests in a row, each with the status that it has to get."""

    def __init__(self, url):
        self._url, self.count, self.found = url, 0, []

    def ask(self, expected, method, path, headers=None, body=None):
        """The answer's JSON."""
        headers = dict(headers or {})
        data = None
        if body is not None:
            data, headers["content-type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        self.count += 1
        if status != expected:
            self.found.append(f"{method} {path}: {status} {text[:400]} instead of status {expected}")
        try:
            return json.loads(text)
        except ValueError:
            return {}


def the_api(sam, cloud):
    """From a login to its logout, with an auth header on the way."""
    known = cloud.placeholders
    with sam.serving("start-api", BUILT, free_port()) as url:
        flow = Flow(url)
        flow.ask(200, "GET", "/test/unsecure")
        flow.ask(200, "GET", "/health")
        flow.ask(401, "POST", "/user/login", body={"username": "demo", "password": "not the password"})
        login = flow.ask(200, "POST", "/user/login", body={"username": "demo", "password": known["password"]})
        bearer = {"authorization": f"Bearer {login.get('Token')}"}
        flow.ask(401, "GET", "/test/secure")
        flow.ask(200, "GET", "/test/secure", bearer)
        added = flow.ask(200, "POST", "/authheader/add", bearer, {"name": "sam local"})
        key = {"x-authorization": str(added.get("token"))}
        flow.ask(200, "GET", "/test/secure", key)
        flow.ask(200, "POST", "/authheader/delete", bearer, {"text": added.get("token")})
        flow.ask(401, "GET", "/test/secure", key)
        flow.ask(200, "GET", f"/v1/profile/{known['profileId']}", {"x-api-key": known["accessTokenId"]})
        flow.ask(200, "GET", "/user/logout", bearer)
        flow.ask(401, "GET", "/test/secure", bearer)
    return flow.count, flow.found


def guarded(cloud, folder):
    """The template behind the authorizer. It declares the variables that SAM may set, and names files from where it lies."""
    names = "".join(f"        {name}: ''\n" for name in cloud.environment if name.startswith("OSTIARY_"))
    text = GUARDED.read_text().replace("../../.aws-sam/build", str(BUILT.parent))
    template = folder / GUARDED.name
    template.write_text(f"{text}\nGlobals:\n  Function:\n    Environment:\n      Variables:\n{names}")
    return template


def the_authorizer(sam, cloud, folder):
    """What the authorizer lets in, and what it keeps out."""
    login = {"username": "demo", "password": cloud.placeholders["password"]}
    with sam.serving("start-api", BUILT, free_port()) as url:
        token = Flow(url).ask(200, "POST", "/user/login", body=login).get("Token", "")
    with sam.serving("start-api", guarded(cloud, folder), free_port()) as url:
        flow = Flow(url)
        flow.ask(200, "GET", "/test/unsecure", {"authorization": f"Bearer {token}"})
        flow.ask(401, "GET", "/test/unsecure")
        flow.ask(403, "GET", "/test/unsecure", {"authorization": f"Bearer {token[:-4]}AAAA"})
        flow.ask(403, "GET", "/test/unsecure", {"authorization": "Bearer nothing.of.ours"})
    return flow.count, flow.found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", action="append", choices=["invoke", "events", "api", "authorizer"])
    options = arguments.parse_args()

    samples, failed = Samples(), False
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        clouds = [Cloud(number) for number in range(CLOUDS)]
        for cloud in clouds:
            stack.callback(cloud.stop)
        sams = [Sam(cloud, folder / str(number)) for number, cloud in enumerate(clouds)]
        parts = {
            "invoke": lambda: every_function(sams[0], samples),
            "events": lambda: every_event(sams, samples, clouds),
            "api": lambda: the_api(sams[0], clouds[0]),
            "authorizer": lambda: the_authorizer(sams[0], clouds[0], folder),
        }
        for name in options.only or parts:
            started = time.monotonic()
            count, found = parts[name]()
            print(f"{name}: {count - len(found)} of {count} as expected, in {time.monotonic() - started:.0f} s", flush=True)
            for wrong in found:
                print(f"  {wrong}", flush=True)
            failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
