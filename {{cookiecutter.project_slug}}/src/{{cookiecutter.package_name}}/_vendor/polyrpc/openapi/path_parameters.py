"""Path templates as OpenAPI spells them: a path and its parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..transcoding.path_template import PathTemplate, Wildcard

if TYPE_CHECKING:
    from ..transcoding.path_template import Variable

_PCHAR = "-._~!$&'()+,;=:@"


@dataclass(frozen=True, slots=True)
class PathParameter:
    """One parameter of an OpenAPI path.

    Attributes:
        name: Its name between the braces, unique in the path.
        variable: The field path of the variable that it is a part of; None outside of variables.
        spelling: How the variable's value is put together, such as `shelves/{shelvesId}`.
        multi_segment: Whether it stands for `**`, whose slashes OpenAPI cannot express.
    """

    name: str
    variable: str | None
    spelling: str
    multi_segment: bool


def openapi_path(template: PathTemplate) -> tuple[str, tuple[PathParameter, ...]]:
    """Return the path of a template for an OpenAPI document, and its parameters in order.

    A single-segment variable keeps its name. A multi-segment one becomes its segments, each
    wildcard named after the collection before it (`/v1/shelves/{shelvesId}/books/{booksId}`), as
    in Google's discovery documents: OpenAPI clients would encode the slashes of a single value.
    """
    owners = {
        index: variable
        for variable in template.fields
        for index in range(variable.start, variable.stop)
    }
    names: dict[int, str] = {}
    spelled: list[str] = []
    for index, segment in enumerate(template.segments):
        if isinstance(segment, Wildcard):
            names[index] = _unique(_name(template, index, owners.get(index)), names)
            spelled.append(f"{{{names[index]}}}")
        else:
            spelled.append(quote(segment, safe=_PCHAR))
    parameters = []
    for index, name in names.items():
        owner = owners.get(index)
        parameters.append(
            PathParameter(
                name,
                owner.field_path if owner else None,
                "/".join(spelled[owner.start : owner.stop]) if owner else spelled[index],
                template.segments[index] is Wildcard.ANY,
            )
        )
    verb = "" if template.verb is None else f":{quote(template.verb, safe=_PCHAR)}"
    return f"/{'/'.join(spelled)}{verb}", tuple(parameters)


def _name(template: PathTemplate, index: int, owner: Variable | None) -> str:
    if owner and (owner.stop - owner.start == 1 or template.segments[index] is Wildcard.ANY):
        return owner.field_path
    before = template.segments[index - 1] if index else ""
    if isinstance(before, str) and re.fullmatch(r"[A-Za-z0-9_.-]+", before):
        return f"{before}Id"
    return owner.field_path if owner else "segment"


def _unique(name: str, names: dict[int, str]) -> str:
    unique, number = name, 1
    while unique in names.values():
        number += 1
        unique = f"{name}{number}"
    return unique
