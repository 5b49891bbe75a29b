"""The operator's tool against the deployed stack: `keys` and `user unlock`, as far as the API shows what they did."""

import base64
import json
import subprocess
import sys

from cloud import Rotating
from functions import PASSWORD, bearer, begin_rotation, rotation_steps


def operate(ostiary, cloud, *arguments, text=None, url=None):
    """Runs the operator's tool against the stack, or against it behind another URL."""
    command = [ostiary, "--stack", "ostiary", "--output", "json", *arguments]
    environment = {**cloud.environment, **({"AWS_ENDPOINT_URL": url} if url else {})}
    done = subprocess.run(
        [str(part) for part in command], env=environment, input=text or "", capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"ostiary {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout or "null")


def keys_by_the_tool(run, it, ostiary, cloud):
    """`keys rotate` runs a whole rotation by the function; `keys retire` ends what the key signed."""
    print("ostiary keys")

    def keys(*arguments, url=None):
        return {key["kid"]: key["state"] for key in operate(ostiary, cloud, "keys", *arguments, url=url)["keys"]}

    before = keys("show")
    signing = next(kid for kid, state in before.items() if state == "signs")
    with Rotating(cloud, lambda token: begin_rotation(it, token), lambda token: rotation_steps(it, token)) as rotating:
        after = keys("rotate", url=rotating.url)
    run.expect("keys rotate keeps every key", {kid: after.get(kid) for kid in before}, before)
    run.expect("and publishes one that waits", [after[kid] for kid in after if kid not in before], ["will-sign"])

    old = it.jwt()
    run.expect("a login meanwhile is signed by the key that signed", kid_of(old), signing)
    left = keys("retire", "--yes", signing)
    run.expect("keys retire takes it out", signing in left, False)
    run.expect("and one that waited signs", sorted(left.values()), sorted(["signs"] + ["will-sign"] * (len(left) - 1)))
    for function in it.stack.functions():
        it.begin_anew(function)
    published = it.ask("GET", "/.well-known/jwks.json")["keys"]
    run.expect("the published keys are those that are left", sorted(key["kid"] for key in published), sorted(left))
    base = it.client.front.url
    run.expect("what it signed is refused", it.client.send(base, "GET", "/test/secure", bearer(old))[0], 401)
    new = it.jwt()
    run.expect("a login is signed by the new one", left.get(kid_of(new)), "signs")
    run.expect("which is good", it.client.send(base, "GET", "/test/secure", bearer(new))[0], 200)


def kid_of(jwt):
    """Which key signed a JWT."""
    head = jwt.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def unlock_by_the_tool(run, it, ostiary, cloud):
    """Wrong passwords make an account wait; `user unlock` ends that."""
    print("ostiary user unlock")

    def login(password):
        credentials = {"username": "otto", "password": password}
        return it.client.send(it.client.front.url, "POST", "/user/login", body=credentials)[0]

    guesses = [login(f"guess number {number}") for number in range(6)]
    run.expect("guesses are refused", guesses, [401] * 6)
    run.expect("and then the right password, too", login(PASSWORD), 401)
    operate(ostiary, cloud, "user", "unlock", "--username", "otto")
    run.expect("until user unlock", login(PASSWORD), 200)
