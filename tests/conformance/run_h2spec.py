"""Runs h2spec against the HTTP listener, in plain text and over TLS.

    python tests/conformance/run_h2spec.py [ARGUMENTS OF h2spec]

`h2spec` is on PATH, or where `go install` puts it:

    go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible

The exit status is 0 when it passes all but what `FAILING` names, and 3 when it is missing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from run_conformance import MISSING, find_program
from served import serving

# In plain text, who does not begin with HTTP/2's preface is taken for a client of HTTP/1.1 and gets
# that protocol's 400; h2spec wants the connection closed without a word.
FAILING = {False: {("http2/3.5", "Sends invalid connection preface")}, True: set()}
# Its path answers late: frames for a stream that has had its answer are overlooked, as RFC 9113,
# 5.1, has it, so h2spec must have sent all of a case before that.
SECONDS_TO_ANSWER = 3


def judge(h2spec: str, *, tls: bool, arguments: list[str]) -> set[tuple[str, str]]:
    """Runs it; gives what failed, by section and case."""
    with tempfile.TemporaryDirectory() as folder, serving("http", tls=tls) as port:
        report = Path(folder) / "report.xml"
        command = [h2spec, f"--port={port}", "--path=/late", f"--timeout={SECONDS_TO_ANSWER}"]
        command += [f"--junit-report={report}", *(["--tls", "--insecure"] if tls else [])]
        done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, encoding="utf-8")
        print(done.stdout)
        # What a frame holds is in it as it came, and XML has no zeros.
        text = report.read_text(encoding="utf-8", errors="replace").replace("\0", "")
        cases = list(ElementTree.fromstring(text).iter("testcase"))
    failed = {
        (case.get("package", ""), case.get("classname", ""))
        for case in cases
        if case.find("error") is not None or case.find("failure") is not None
    }
    where = "TLS" if tls else "plain text"
    print(f"h2spec over {where}: {len(cases) - len(failed)} of {len(cases)} passed")
    return failed


def main() -> int:
    h2spec = find_program("h2spec")
    if h2spec is None:
        print("The judge is missing: there is no `h2spec`.", file=sys.stderr)
        return MISSING
    surprises = {
        tls: judge(h2spec, tls=tls, arguments=sys.argv[1:]) ^ FAILING[tls] for tls in (False, True)
    }
    return 1 if any(surprises.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
