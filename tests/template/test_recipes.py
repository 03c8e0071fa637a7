"""The recipes of a generated project do what they say, on real sockets and with real servers.

Their code is taken out of the rendered documents, so that what is tested is what stands there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from baking import bake
from databases import SECRET, WITHOUT_POSTGRESQL, WITHOUT_REDIS, Database, database_server
from recipes.document import blocks
from recipes.serving import Kitchen, Project, until

MOST_LINES = 39
# Each with those that come before it.
RECIPES = {
    "postgresql": ("postgresql",),
    "outbox": ("postgresql", "outbox"),
    "redis-cache": ("redis-cache",),
    "jwt": ("jwt",),
    "validation": ("validation",),
    "rate-limit": ("rate-limit",),
    "another-service": ("another-service",),
    "upload-and-webhook": ("upload-and-webhook",),
    "browser": ("browser",),
}

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("recipes")]


@pytest.fixture(scope="module")
def kitchen(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    project = bake(template, tmp_path_factory.mktemp("recipes"))
    return Kitchen(project, tmp_path_factory.mktemp("kitchen"))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with database_server() as server:
        yield server


def made(kitchen: Kitchen, recipe: str) -> Project:
    return kitchen.project(*RECIPES[recipe])


def test_the_index_names_every_recipe(kitchen: Kitchen) -> None:
    names = {path.stem for path in kitchen.documents.glob("*.md")} - {"README"}
    assert names == {*RECIPES, "migrations"}
    index = (kitchen.documents / "README.md").read_text(encoding="utf-8")
    assert all(f"]({name}.md)" in index for name in names)


def test_each_is_short(kitchen: Kitchen) -> None:
    lines = {
        path.stem: sum(
            len(block.code())
            for block in blocks(path)
            if block.path.endswith((".py", ".html", ".proto"))
        )
        for path in kitchen.documents.glob("*.md")
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
