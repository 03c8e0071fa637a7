"""Keeps answers what they are: text, also where it looks like Jinja.

Cookiecutter renders every answer that is not typed at a prompt (of the command line, of its
configuration file, of `.cruft.json` at every update) as if it were a template. This Jinja extension
lets it render the template's own texts alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2.ext import Extension

ROOT = Path(__file__).parent
FOLDER = "{{cookiecutter.project_slug}}"
# Made before the hook can refuse the name: where it is to be, whatever the name is.
SAFE_FOLDER = "{{cookiecutter.project_slug | replace('/', '_') | replace('\\\\', '_')}}"


class LiteralAnswers(Extension):
    """Escapes what is neither in cookiecutter.json, nor a hook, nor the name of a file."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - Jinja's signature
        """Called with every text before Jinja looks at it; only a file's has a `name`."""
        if source == FOLDER:
            return SAFE_FOLDER
        # With a loader, files are generated: their texts and paths are the template's.
        if name or self.environment.loader or "{" not in source or source in own_texts():
            return source
        return source.replace("{", "{{ '{' }}")


def own_texts() -> set[str]:
    """What the template itself lets cookiecutter render before any file is."""
    # Read each time: `cruft update` renders two versions in one process.
    settings = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    hooks = {path.read_text(encoding="utf-8") for path in (ROOT / "hooks").glob("*.py")}
    return {*hooks, *texts(settings)}


def texts(value: Any) -> Iterator[str]:
    """Every text in a value of JSON, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.items() for part in item for text in texts(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in texts(part))
