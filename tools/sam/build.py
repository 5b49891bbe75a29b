"""What `sam build` runs for each function: puts its binary into the folder that SAM names.

    build.py ARCHITECTURE LOGICAL_ID FOLDER

SAM wants to be given one function at a time. The first one of a run compiles all of them, by one command that uses every
core; the others find their binary made. The environment variable OSTIARY_PROFILE names another profile of Cargo.toml
than `release`.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import cargo_lambda

# 1 January 2000: a zip can't say 1970.
LONG_AGO = 946_684_800


def process(pid):
    """A process's parent, when it started, and its arguments: from /proc, or by `ps` where there is none, as on macOS."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[1]), fields[19], Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except FileNotFoundError:
        said = subprocess.run(
            ["ps", "-ww", "-o", "ppid=,lstart=,args=", "-p", str(pid)], capture_output=True, text=True, check=True
        )
        words = said.stdout.split()
        return int(words[0]), " ".join(words[1:6]), words[6:]


def sam():
    """The run of `sam build` that we belong to: what tells it from every other run, and its arguments.

    Our parent is make, and make's is SAM. If it isn't SAM the name of the run is empty.
    """
    pid, _, _ = process(os.getppid())
    _, started, words = process(pid)
    if any(Path(word).name == "sam" for word in words[:3]):
        return f"{pid} {started}", words
    return "", words


def main():
    architecture, logical_id, folder = sys.argv[1:]
    name = re.sub("(?<!^)(?=[A-Z])", "-", logical_id).lower()
    profile = os.environ.get("OSTIARY_PROFILE", "release")
    made = cargo_lambda.artefacts(profile, architecture)

    run, arguments = sam()
    stamp = made / "made-for"
    with open_lock(made) as _lock:
        if not run or logical_id in arguments:
            # By hand, or `sam build UserLogin`: only what was asked for, and anew each time.
            cargo_lambda.compile([name], profile, architecture)
        elif not stamp.exists() or stamp.read_text() != run:
            print(f"Compiling all functions ({profile}, {architecture}); the first time takes minutes", flush=True)
            cargo_lambda.compile([], profile, architecture)
            stamp.write_text(run)
    Path(folder).mkdir(parents=True, exist_ok=True)
    bootstrap = Path(folder) / "bootstrap"
    shutil.copy(made / name / "bootstrap", bootstrap)
    # The time goes into the zip, and from a zip that is as before `sam deploy` makes no new version.
    os.utime(bootstrap, (LONG_AGO, LONG_AGO))
    # `sam build --cached` looks for changes in this folder only, where none ever happens: so it finds one each time.
    (Path(__file__).parent / architecture / "copied").write_text(f"{logical_id} {time.time_ns()}\n")


def open_lock(made):
    """`sam build --parallel` asks for several functions at once."""
    made.mkdir(parents=True, exist_ok=True)
    lock = open(made / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


if __name__ == "__main__":
    main()
