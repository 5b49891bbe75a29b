"""A copy of the workspace under target/, in which code may be changed: what `run` and `mutants` have in common."""

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def write_if_other(path, data):
    """Leaves a file that is as it should be alone, so that nothing is built anew for it."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def read_tree(committed):
    """The workspace's files, by their paths: all that git knows or would take, as it is on the disk now, or as it was
    committed; and whether each may be executed."""

    def git(*command):
        return subprocess.run(["git", *command], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout

    if committed:
        with tarfile.open(fileobj=io.BytesIO(git("archive", "HEAD"))) as archive:
            files = [entry for entry in archive if entry.isfile()]
            return {entry.name: (archive.extractfile(entry).read(), bool(entry.mode & 0o100)) for entry in files}
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    paths = [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    return {str(path.relative_to(ROOT)): (path.read_bytes(), os.access(path, os.X_OK)) for path in paths}


def copy_workspace(tree, texts, copy):
    """Writes the workspace into the folder `copy`, with the `texts` in place of its own, and nothing else."""
    for name, (data, executable) in tree.items():
        target = copy / name
        write_if_other(target, texts[name].encode() if name in texts else data)
        if executable:
            target.chmod(0o755)
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        if str(path.relative_to(copy)) not in tree:
            path.unlink()


def members():
    """The names of the workspace's packages and of their targets, as cargo writes them into its folder."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    names = {package["name"] for package in packages}
    targets = {target["name"] for package in packages for target in package["targets"]}
    return names | {name.replace("-", "_") for name in names | targets} | targets


def take_dependencies(build):
    """Takes over into the folder `build` what the workspace's own build has compiled of other people's crates, which are
    the same here. Whatever does not fit, cargo compiles again."""
    source = ROOT / "target" / "debug"
    if build.exists() or not (source / ".fingerprint").is_dir():
        return
    own = members()
    named = re.compile(r"(?:lib)?(.+)-[0-9a-f]{16}(\..+)?")
    # The fingerprints first: what has one is complete, whatever is being built there meanwhile.
    for folder in (".fingerprint", "build", "deps"):
        (build / "debug" / folder).mkdir(parents=True)
        for path in (source / folder).iterdir():
            match = named.fullmatch(path.name)
            if not match or match[1] in own or (folder == "deps" and not match[2]):
                continue
            target = build / "debug" / folder / path.name
            try:
                shutil.copytree(path, target) if path.is_dir() else shutil.copy2(path, target)
            except (FileNotFoundError, shutil.Error):
                # It is being built anew; then it is here, too.
                continue
