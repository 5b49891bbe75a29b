"""cargo-lambda and zig in the versions of tools/requirements.txt, and how the functions are compiled with them.

The tools are installed into .tools on first use, as `cargo local` does it (local/src/tools.rs) and in its place: an
installation counts once its stamp, the requirements themselves, is written, and one process installs at a time.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AUDITABLE = "0.7.7"
TARGETS = {"x86_64": "--x86-64", "arm64": "--arm64"}
# What may hash passwords, by the environment variable OSTIARY_KDF (docs/kdf.md), and the features that it takes.
KDFS = {"argon2": [], "simd": ["--features", "shared/simd"]}


def functions():
    """The names of all functions: of their folders, packages and binaries."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml"))


def artefacts(profile, architecture):
    """The folder in which each function has a folder with its `bootstrap`."""
    return target() / "functions" / f"{profile}-{architecture}"


def target():
    """Cargo's folder for what it makes."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def programs():
    """The folder of the installed tools, for the front of a PATH."""
    folder, requirements = ROOT / ".tools", ROOT / "tools" / "requirements.txt"
    stamp, wanted, venv = folder / "installed", requirements.read_bytes(), folder / "venv"

    def current():
        return stamp.exists() and stamp.read_bytes() == wanted

    if not current():
        folder.mkdir(exist_ok=True)
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not current():
                print("Installing cargo-lambda and zig into .tools (once, some 100 MB)", flush=True)
                stamp.unlink(missing_ok=True)
                shutil.rmtree(venv, ignore_errors=True)
                run([sys.executable, "-m", "venv", venv])
                run(
                    [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
                    + ["--require-hashes", "--only-binary", ":all:", "--requirement", requirements]
                )
                stamp.write_bytes(wanted)
    return venv / "bin"


def compile(names, profile, architecture):
    """Compiles these functions, or all of them when there is no name, into the folder of `artefacts`."""
    environment = {**os.environ, "PATH": f"{programs()}{os.pathsep}{os.environ['PATH']}"}
    command = ["cargo"]
    if profile == "ship":
        environment = shipping(environment)
        command.append("auditable")
    command += ["lambda", "build", "--locked", "--profile", profile, TARGETS[architecture]]
    command += ["--lambda-dir", artefacts(profile, architecture)] + kdf()
    for name in names:
        command += ["--bin", name]
    # SAM keeps what goes to stderr until the end, and this takes minutes.
    run(command, env=environment, stderr=subprocess.STDOUT)


def kdf():
    """The features of what was chosen to hash passwords."""
    chosen = os.environ.get("OSTIARY_KDF") or "argon2"
    if chosen not in KDFS:
        sys.exit(f"OSTIARY_KDF must be {' or '.join(KDFS)}, not {chosen}")
    return KDFS[chosen]


def shipping(environment):
    """What makes a binary carry the list of what is in it, and be the same from whatever folder it was built."""
    cargo_home = Path(environment.get("CARGO_HOME", Path.home() / ".cargo"))
    places = {ROOT: "/ostiary", target(): "/ostiary/target", cargo_home: "/cargo"}
    rust = [f"--remap-path-prefix={place}={name}" for place, name in places.items()]
    c = " ".join(f"-ffile-prefix-map={place}={name}" for place, name in places.items())
    environment = {
        **environment,
        "PATH": f"{installed('cargo-auditable', AUDITABLE)}{os.pathsep}{environment['PATH']}",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(rust),
        # Of the build machine nothing is asked but its tools.
        "SOURCE_DATE_EPOCH": "0",
    }
    for name in ("x86_64", "aarch64"):
        environment[f"CFLAGS_{name}_unknown_linux_gnu"] = c
    return environment


def installed(crate, version):
    """The folder of the programs of a crate, which is installed there on first use."""
    folder = ROOT / ".tools" / "ship"
    if not (folder / f"{crate}-{version}").exists():
        print(f"Installing {crate} {version} into .tools/ship (once)", flush=True)
        run(["cargo", "install", "--quiet", "--locked", "--root", folder, f"{crate}@{version}"])
        (folder / f"{crate}-{version}").touch()
    return folder / "bin"


def run(command, **options):
    """Runs it in the project's folder; ends this process, with its status, if it fails."""
    try:
        status = subprocess.run([str(part) for part in command], cwd=ROOT, stdin=subprocess.DEVNULL, **options).returncode
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not there: install it and try again")
    if status != 0:
        sys.exit(f"{' '.join(map(str, command[:4]))} … failed with status {status}")
