#!/usr/bin/env python3
"""Writes docs/api.html anew: docs/openapi.json as one page that needs nothing from anywhere else.

    tools/api_page.py           writes it
    tools/api_page.py --check   says whether it is current, and ends with 1 if not

Needs npm, which fetches the renderer once, into .tools/api_page. The same document and renderer give the same page, byte
for byte. To take a newer renderer: change the two lines below to what `npm view <package> dist.integrity` says, run this,
and look at the page.
"""

import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tarfile

PACKAGE = "openapi-explorer@2.4.820"
INTEGRITY = "sha512-mHSIxkQS57/QDZtLJKZL4zmsR2HStgBI4PbrgYr/+i+Bk+HgRwdtBRN1n0uUnlHUenpyiOJAKPGleThm5rdhsA=="
BUNDLE = "package/dist/browser/openapi-explorer.min.js"

ROOT = pathlib.Path(__file__).resolve().parent.parent
FETCHED = ROOT / ".tools/api_page"
OUTPUT = ROOT / "docs/api.html"

# `cargo local` serves the page beside the API, so there its requests can be tried.
START = """
const shown = JSON.parse(document.getElementById("document").textContent);
const explorer = document.querySelector("openapi-explorer");
if (["127.0.0.1", "localhost", "[::1]"].includes(location.hostname)) {
  shown.servers = [{ url: location.origin, description: "`cargo local`" }];
} else {
  explorer.classList.add("reading");
}
explorer.loadSpec(shown);
"""


def renderer() -> str:
    """The pinned package's bundle for browsers."""
    archive = FETCHED / f"{PACKAGE}.tgz"
    if not archive.exists():
        FETCHED.mkdir(parents=True, exist_ok=True)
        run = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=FETCHED, check=True, stdout=subprocess.PIPE, text=True
        )
        (FETCHED / run.stdout.strip()).rename(archive)
    # Each time: what lies in the folder may have been fetched by a broken run.
    if "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != INTEGRITY:
        raise SystemExit(f"{archive} is not the file that this was written for: delete it and try again")
    with tarfile.open(archive) as files:
        code = files.extractfile(BUNDLE).read().decode()
    # Either could end its script element early, or hide the end of it.
    if "<script" in code.lower() or "</script" in code.lower():
        raise SystemExit(f"{PACKAGE} can't stand inside of a page as it is")
    return code


def allowed(script: str) -> str:
    """The script as a source of a content security policy."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def page() -> str:
    document = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))
    code = renderer()
    policy = "; ".join([
        "default-src 'none'",
        f"script-src {allowed(code)} {allowed(START)}",
        # The renderer writes its colours into style elements and attributes.
        "style-src 'unsafe-inline'",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    ])
    values = {
        "PACKAGE": PACKAGE,
        "POLICY": policy,
        "DOCUMENT": json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "START": START,
        "RENDERER": code,
    }
    template = (ROOT / "tools/api_page.html").read_text(encoding="utf-8")
    return re.sub("@([A-Z]+)@", lambda marker: values[marker[1]], template)


def main() -> None:
    if sys.argv[1:] not in ([], ["--check"]):
        raise SystemExit(__doc__)
    text = page()
    if not sys.argv[1:]:
        OUTPUT.write_text(text, encoding="utf-8")
        print(f"docs/api.html: {len(text.encode())} bytes")
    elif not OUTPUT.exists() or OUTPUT.read_text(encoding="utf-8") != text:
        raise SystemExit("docs/api.html is not current. Update it by: tools/api_page.py")


main()
