#!/usr/bin/env python3
"""Writes shared/src/password/blocklist.txt anew: the common passwords that `shared::password::rules` refuses.

Needs npm, which fetches the source. The same source gives the same file, byte for byte. To take a newer source: change
the two lines below, run this, and say so in shared/src/password/blocklist-notice.txt.
"""

import hashlib
import json
import pathlib
import subprocess
import tarfile
import tempfile

PACKAGE = "@zxcvbn-ts/language-common@4.1.3"
SHA256 = "bf3027c16c069d7877e25dc8751bc819e10e479afcc5ee1a323eb2ab73129ca9"

# The lowest minimum length that a tenant may set: what is shorter can't be a whole password anywhere.
SHORTEST = 8
# Shorter ones are listed for what people put around them ("Monkey2024"): words only, and of the most common ones only.
SHORTEST_WORD = 4
WORDS_AMONG_FIRST = 5000
# Every 16th entry is spelled out, so that a search can begin there.
BLOCK = 16

OUTPUT = pathlib.Path(__file__).parent.parent / "shared/src/password/blocklist.txt"


def source() -> list[str]:
    """The package's list, the most common first."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
        )
        archive = pathlib.Path(folder, run.stdout.strip())
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{PACKAGE} is not the file that this was written for")
        with tarfile.open(archive) as files:
            return json.load(files.extractfile("package/src/passwords.json"))


def chosen(ranked: list[str]) -> list[str]:
    words = {
        word for word in ranked[:WORDS_AMONG_FIRST] if word.isalpha() and SHORTEST_WORD <= len(word) < SHORTEST
    }
    return sorted(words | {word for word in ranked if len(word) >= SHORTEST})


def front_coded(words: list[str]) -> str:
    """Each entry is a capital letter, for how many characters it shares with the one before, and the rest of it."""
    text, before = [], ""
    for number, word in enumerate(words):
        if not word.isascii() or not word.isprintable() or word != word.lower():
            raise SystemExit(f"{word!r} would need another encoding")
        shared = 0
        if number % BLOCK:
            while shared < min(len(word), len(before), 25) and word[shared] == before[shared]:
                shared += 1
        text.append(chr(ord("A") + shared) + word[shared:])
        before = word
    return "".join(text)


def main() -> None:
    words = chosen(source())
    text = front_coded(words)
    OUTPUT.write_text(text, encoding="ascii")
    print(f"{len(words)} passwords in {len(text)} bytes")


main()
