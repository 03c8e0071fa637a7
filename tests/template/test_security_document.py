"""What SECURITY.md of a project says of the limits is what its settings have."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]+?) \|", re.MULTILINE)


def defaults(project: Path) -> dict[str, str]:
    """The defaults of all settings, by the names of their variables."""
    found = {}
    for file in project.glob("src/**/settings.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.AnnAssign(target=ast.Name(name), value=ast.expr() as value):
                    found[name.upper()] = told(ast.unparse(value))
    return found


def told(expression: str) -> str:
    """A default as the document has it."""
    if expression == "None":
        return "unset"
    if not re.fullmatch(r"[\d.* ]+", expression):
        return expression
    return str(math.prod(map(float, expression.split("*")))).removesuffix(".0")


def test_the_limits_in_security_md_are_those_of_the_settings(generated: Path) -> None:
    rows = dict(ROW.findall((generated / "SECURITY.md").read_text(encoding="utf-8")))
    settings = defaults(generated)
    limits = {
        name
        for name in settings
        if name.startswith("MAX_") or name.endswith(("TIMEOUT_SECONDS", "KEEPALIVE_SECONDS"))
    }
    assert len(limits) >= 9
    assert set(rows) == limits
    assert {name: text.partition(":")[0] for name, text in rows.items()} == {
        name: settings[name] for name in limits
    }
