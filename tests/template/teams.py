"""What teams write in their services: of this version, and of those before; how they update."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import updating

# (file, the line before, its own lines).
Edit = tuple[str, str, str]
GREETER = "src/greeter_service/servicers/greeter.py"
SETTINGS = "src/greeter_service/settings.py"
APP = "src/greeter_service/app.py"
LIFESPAN = "src/greeter_service/lifespan.py"

TEAM: list[Edit] = [
    (
        "protos/greeter_service/v1/greeter.proto",
        "  string name = 1;\n",
        "  // How the person is addressed.\n  string title = 2;\n",
    ),
    (
        GREETER,
        "    async def SayHello(self, request: pb.SayHelloRequest, context: Context)"
        " -> pb.SayHelloResponse:\n",
        "        if request.title:\n"
        '            name = f"{request.title} {request.name}"\n'
        '            return pb.SayHelloResponse(message=f"Hello, {name}!")\n',
    ),
    (
        SETTINGS,
        "from .gateway import ServiceSettings\n",
        '\nGREETING = "Hello"\n',
    ),
    (
        APP,
        "        errors={},  # your exception classes: StatusCode.NOT_FOUND, …\n",
        "        # KeyError is no fault of ours.\n",
    ),
    (
        "tests/test_greeter.py",
        '    assert outcome.messages == [pb.SayHelloResponse(message="Hello, World!")]\n',
        "\n\nasync def test_uses_the_title(call: testing.Call) -> None:\n"
        '    outcome = await call("SayHello", pb.SayHelloRequest(name="Ada", title="Lady"))\n'
        '    assert outcome.messages == [pb.SayHelloResponse(message="Hello, Lady Ada!")]\n',
    ),
    ("README.md", "# Greeter Service\n", "\nOwned by the welcome team.\n"),
    ("pyproject.toml", "dependencies = [\n", '    "idna>=3",\n'),
]
TEAMS_OWN = {
    "tests/test_titles.py": '"""The team\'s own."""\n\n\ndef test_one() -> None:\n    pass\n'
}


@dataclass(frozen=True)
class Past:
    """A version before this one, and how a team leaves it.

    Attributes:
        team: What the team has written.
        conflicts: The files in which that meets the update.
        kept: What is in the project after the update and the recipe of docs/upgrading.md.
        rewritten: (file, old, new): lines that the recipe changes.
    """

    team: Sequence[Edit]
    conflicts: frozenset[str]
    kept: Sequence[Edit]
    rewritten: Sequence[Edit] = ()


# Their helpers are gone: what they test is in tests/test_greeter.py then.
REPLACED = ("servicer", "grpc", "http", "parity")
_OLD_TESTS: list[Edit] = [
    (
        "tests/test_servicer.py",
        '    assert response == pb.SayHelloResponse(message="Hello, World!")\n',
        "\n\nasync def test_uses_the_title(servicer: GreeterService) -> None:\n"
        "    context = create_autospec(grpc.aio.ServicerContext)\n"
        '    request = pb.SayHelloRequest(name="Lovelace", title="Countess")\n'
        "    response = await servicer.SayHello(request, context)\n"
        '    assert response.message == "Hello, Countess Lovelace!"\n',
    ),
    (
        "tests/test_http.py",
        '    assert response.json() == {"message": "Hello, World!"}\n',
        "\n\nasync def test_a_title(http: httpx.AsyncClient) -> None:\n"
        '    body = {"name": "Lovelace", "title": "Countess"}\n'
        '    response = await http.post(f"{PATH}/sayhello", json=body)\n'
        '    assert response.json() == {"message": "Hello, Countess Lovelace!"}\n',
    ),
]
_PROTO, _SAY_HELLO, _, _, _NEW_TEST, *_ALL_ALONG = TEAM
_OLD_SETTING = (
    SETTINGS,
    "    reflection: bool = True\n",
    '    greeting: Annotated[str, Field(min_length=1)] = "Hello"\n',
)
_NEW_SETTING = (SETTINGS, 'no message shows it.\n    """\n', '\n    greeting: str = "Hello"\n')

FIRST_RELEASE = Past(
    team=[_PROTO, _SAY_HELLO, _OLD_SETTING, *_OLD_TESTS, *_ALL_ALONG],
    conflicts=frozenset(("pyproject.toml", SETTINGS)),
    kept=[_PROTO, _SAY_HELLO, _NEW_SETTING, _NEW_TEST, *_ALL_ALONG],
)

# A setting that the wiring hands to the servicer, and a route of the team's own.
_GREETING = "        self._greeting = {}\n"
_GREET = (GREETER, _SAY_HELLO[1], _SAY_HELLO[2].replace('"Hello, {n', '"{self._greeting}, {n'))
_OWNER = '\n\n@get()\nasync def owner() -> str:\n    return "the welcome team"\n'
_OWNER_TEST = (
    "\n\nasync def test_the_owner(http: httpx.AsyncClient) -> None:\n"
    '    assert (await http.get("/owner")).json() == "the welcome team"\n'
)
LAST_BEFORE_THE_LIBRARY = Past(
    team=[
        _PROTO,
        (
            GREETER,
            "_to_server(instance, server)\n",
            "\n    def __init__(self, greeting: str) -> None:\n" + _GREETING.format("greeting"),
        ),
        _GREET,
        _OLD_SETTING,
        (APP, "    Contact,\n", "    Gateway,\n"),
        (APP, "    UnchangedLogging,\n", "    get,\n"),
        (APP, "SERVICES = service_names(SERVICERS)\n", _OWNER),
        (APP, "        services=[servicer(", "settings.greeting"),
        (APP, "        routes=[", 'Gateway("/owner", handler=owner), '),
        ("tests/test_servicer.py", "    return GreeterService(", '"Hello"'),
        *_OLD_TESTS,
        ("tests/test_http.py", _OLD_TESTS[1][2], _OWNER_TEST),
        *_ALL_ALONG,
    ],
    conflicts=frozenset((APP, SETTINGS)),
    kept=[
        _PROTO,
        _GREET,
        _NEW_SETTING,
        (APP, "from esmerald import Esmerald\n", "from esmerald import Gateway, get\n"),
        (APP, "from .settings import Settings\n", _OWNER),
        (APP, "        routes=[", 'Gateway("/owner", handler=owner)'),
        (LIFESPAN, 'a pool of connections, a client."""\n', "\n    greeting: str\n"),
        (GREETER, "import grpc\n", "\nfrom ..lifespan import Resources\n"),
        _NEW_TEST,
        ("tests/test_greeter.py", "import grpc\n", "import httpx\n"),
        ("tests/test_greeter.py", _NEW_TEST[2], _OWNER_TEST),
        (
            "tests/test_greeter.py",
            "from greeter_service.gateway import testing\n",
            "from greeter_service.lifespan import Resources\n",
        ),
        *_ALL_ALONG,
    ],
    rewritten=[
        (LIFESPAN, "yield Resources()", "yield Resources(settings.greeting)"),
        (GREETER, "(self, greeting: str)", "(self, resources: Resources)"),
        (GREETER, _GREETING.format("greeting"), _GREETING.format("resources.greeting")),
        ("tests/test_greeter.py", "GreeterService().", 'GreeterService(Resources("Hello")).'),
    ],
)


def work_as_a_team(project: Path, team: Sequence[Edit] = TEAM) -> None:
    """Edit the project as teams do, and commit."""
    for name, before, lines in team:
        path = project / name
        text = path.read_text(encoding="utf-8")
        assert before in text, f"{name} has no line {before!r}"
        path.write_text(text.replace(before, before + lines, 1), encoding="utf-8", newline="\n")
    for name, text in TEAMS_OWN.items():
        (project / name).write_text(text, encoding="utf-8", newline="\n")
    updating.commit(project, "Call people by their titles")
    updating.git(project, "show", "--stat", "--format=")


def assert_the_work_is_there(project: Path, team: Sequence[Edit] = TEAM) -> None:
    """All edits are where they were, and the update has left no conflict."""
    for name, before, lines in team:
        assert before + lines in (project / name).read_text(encoding="utf-8"), name
    for name, text in TEAMS_OWN.items():
        assert (project / name).read_text(encoding="utf-8") == text
    assert sorted(project.rglob("*.rej")) == []
    unmerged = updating.git(project, "ls-files", "--unmerged")
    assert unmerged == ""
    # -I: text alone; a line that git itself would write.
    updating.run(project, "git", "grep", "-nIE", "^(<{7}|>{7}) ", status=1)


def conflicts_in(project: Path) -> set[str]:
    """The files that an update could not merge: with a `*.rej` beside them, or lines `<<<<<<<`."""
    rejected = {path.relative_to(project).with_suffix("") for path in project.rglob("*.rej")}
    unmerged = updating.git(project, "diff", "--name-only", "--diff-filter=U").split()
    return {path.as_posix() for path in rejected} | set(unmerged)


def follow_the_recipe(project: Path, fresh: Path, past: Past) -> None:
    """Take the new files, write one's own lines into them, move one's own tests."""
    for name in past.conflicts:
        shutil.copy(fresh / name, project / name)
        (project / f"{name}.rej").unlink(missing_ok=True)
        updating.git(project, "add", name)
    for name in REPLACED:
        (project / f"tests/test_{name}.py").unlink(missing_ok=True)
    for name, before, lines in past.kept:
        path = project / name
        text = path.read_text(encoding="utf-8")
        if before + lines not in text:
            assert before in text, f"{name} has no line {before!r}"
            path.write_text(text.replace(before, before + lines, 1), encoding="utf-8")
    for name, old, new in past.rewritten:
        path = project / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")
