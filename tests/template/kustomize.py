"""Renders kustomizations without kustomize, which no package index of Python's carries.

It knows what the template's kustomizations use and refuses all else. Where `kubectl` or
`kustomize` is installed, the tests run with those as well; the one that is not is not compared with
the stand-in, which a skipped test says.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from itertools import chain
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml

Object = dict[str, Any]
Renderer = Callable[[Path], list[Object]]

KEYS = {
    *("apiVersion", "kind", "namespace", "resources", "components", "images", "patches"),
    "configMapGenerator",
}
MERGE_KEYS = {"volumeMounts": "mountPath", "ports": "port"}  # of lists whose key is not the name
CLUSTER_WIDE = {"Namespace"}


PROGRAMS = {"kubectl": ("kubectl", "kustomize"), "kustomize": ("kustomize", "build")}


def kustomizes() -> list[Any]:
    """Kustomize as each program has it, for `pytest.mark.parametrize`; skipped where it is not."""
    # Not `checks.needs`: no package of Debian's, which CI installs, has them.
    return [
        pytest.param(
            partial(run, program),
            id=name,
            marks=pytest.mark.skipif(
                which(name) is None, reason=f"{name} is not installed: nothing is compared with it"
            ),
        )
        for name, program in PROGRAMS.items()
    ]


def renderers() -> list[Any]:
    """The stand-in, and every kustomize that is installed, for `pytest.mark.parametrize`."""
    installed = {name: partial(run, program) for name, program in PROGRAMS.items() if which(name)}
    return [pytest.param(one, id=name) for name, one in {"stand-in": render, **installed}.items()]


def run(command: Sequence[str], folder: Path) -> list[Object]:
    """Render `folder` with a program."""
    done = subprocess.run([*command, folder], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    # It deprecates what it is going to drop.
    assert "arning" not in done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def render(folder: Path) -> list[Object]:
    """Render `folder` as kustomize does, but for the order of the objects."""
    objects = accumulate(folder, [])
    for config in [one for one in objects if one["kind"] == "ConfigMap"]:
        name = config["metadata"]["name"]
        hashed = f"{name}-{content_hash(config)}"
        config["metadata"]["name"] = hashed
        for reference in references(objects, "configMapRef"):
            if reference["name"] == name:
                reference["name"] = hashed
    return objects


def accumulate(folder: Path, objects: list[Object]) -> list[Object]:
    """Apply the kustomization of `folder` to its own resources, or a component to `objects`."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert kustomization.keys() <= KEYS, f"{folder}: {kustomization.keys() - KEYS}"
    for name in kustomization.get("resources", []):
        path = folder / name
        objects += accumulate(path, []) if path.is_dir() else documents(path)
    for name in kustomization.get("components", []):
        objects = accumulate(folder / name, objects)
    for generator in kustomization.get("configMapGenerator", []):
        data = dict(literal.split("=", 1) for literal in generator["literals"])
        if generator.get("behavior") == "merge":
            find(objects, "ConfigMap", generator["name"])["data"].update(data)
        else:
            metadata = {"name": generator["name"]}
            objects.append(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            )
    for patch in kustomization.get("patches", []):
        for document in documents(folder / patch["path"]):
            target = find(objects, document["kind"], document["metadata"]["name"])
            target.update(merged(target, document))
    for image in kustomization.get("images", []):
        containers = (references(objects, key) for key in ("containers", "initContainers"))
        for container in chain.from_iterable(containers):
            if container["image"] == image["name"]:
                name = image.get("newName", image["name"])
                container["image"] = f"{name}:{image['newTag']}"
    if namespace := kustomization.get("namespace"):
        for one in objects:
            if one["kind"] not in CLUSTER_WIDE:
                one["metadata"]["namespace"] = namespace
    return objects


def documents(path: Path) -> list[Object]:
    """The objects of one file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def find(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of that kind and name."""
    (one,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return one


def references(node: Any, key: str) -> Iterator[Object]:
    """Every mapping that stands, alone or in a list, under `key`."""
    if isinstance(node, list):
        for item in node:
            yield from references(item, key)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield from value if isinstance(value, list) else [value]
            else:
                yield from references(value, key)


def merged(old: Any, patch: Any, field: str = "") -> Any:
    """A strategic merge: lists of named items by their names, other lists as a whole."""
    if isinstance(old, dict) and isinstance(patch, dict):
        both = {name: merged(old.get(name), value, name) for name, value in patch.items()}
        return {**old, **both}
    key = MERGE_KEYS.get(field, "name")
    if isinstance(old, list) and isinstance(patch, list) and all(map(is_mapping, patch)):
        patches = {item[key]: item for item in patch}
        changed = [merged(item, patches.pop(item[key], {})) for item in old]
        return [*patches.values(), *changed]
    return deepcopy(patch)


def is_mapping(node: object) -> bool:
    """Whether it can have a name."""
    return isinstance(node, dict)


def content_hash(config: Object) -> str:
    """The suffix of kustomize: the start of a SHA-256, in letters and digits that spell no word."""
    # As kustomize 5.5 does it: without the name, which only later becomes part of the object.
    content = {"data": config["data"], "kind": "ConfigMap", "name": ""}
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return digest[:10].translate(str.maketrans("013ae", "ghkmt"))
