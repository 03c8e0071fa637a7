"""Odd answers arrive as typed; unusable ones are refused before a file is written."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
import yaml
from baking import (
    CHOICES,
    QUESTIONS,
    ROOT,
    answer_prompts,
    bake,
    bake_in_a_process,
    files,
    is_build_product,
    nox,
    with_the_library,
)
from checks import check_project, check_syntax, ruff
from cookiecutter.exceptions import FailedHookException

# Free text as no one would type it: each of these means something in Jinja, TOML, YAML, Markdown,
# Python or proto.
HOSTILE = {
    "quotes": """She said "it's" '''twice''' \"\"\"thrice\"\"\"""",
    "backslash": r"C:\new\table \" \\ \u0041 \N{DASH} end\\",
    "unicode": "Grüße, 世界 😀 \u202e عربي",
    "jinja": "{{ cookiecutter.ci }} {% raw %} {# note #} }}",
    "undefined": "{{ nobody }} {%- endraw -%} {{ '{' }} {#- ${{ x }} {{{{",
    "code": "{{ cycler.__init__.__globals__.os.popen('touch here').read() }}",
    "markup": "<b>&amp; # : - [x] */ // ; $(id) `id` %s {0} | > @ ! *",
    "shell": "$HOME ${IFS} $((1+1)) && id || id; id & > /dev/null < * ? ~ !! \\$",
    "dashes": "--help -rf --- -",
    "yaml": "- key: [*anchor, &x] ? | > ... --- %TAG !!python/object",
    "toml": "[project] name = 'x' # \"\"\" ''' = , }",
    "proto": 'syntax = "proto2"; /* */ // option x = 1; }',
    "python": '\'; import os #  """  \\N{BULLET} f"{x!r}" %(x)s',
    "long": "x" * 60,
    "letter": "x",
}


def compile_in(project: Path) -> None:
    """Compile with the tests' own compiler: the versions are the pinned ones."""
    done = subprocess.run(
        [sys.executable, "-m", "polyrpc.build"],
        cwd=project,
        env=with_the_library(project),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr


def test_thirteen_questions_are_asked_with_a_label_each() -> None:
    settings = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    expected = [
        *("project_name", "project_slug", "package_name", "service_name", "description"),
        *("author_name", "author_email", "proto_file"),
        *("license", "deployment", "ci", "framework", "library"),
    ]
    assert expected == QUESTIONS
    assert set(settings["__prompts__"]) == set(QUESTIONS)
    assert {name: settings[name] for name in CHOICES} == CHOICES
    for name, choices in CHOICES.items():
        assert set(settings["__prompts__"][name]) == {"__prompt__", *choices}


@pytest.mark.full
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_free_text_arrives_as_typed(text: str, template: Path, tmp_path: Path) -> None:
    done = answer_prompts(template, tmp_path, **hostile_answers(text), license="1")
    assert done.returncode == 0, done.stderr
    project = tmp_path / "odd-service"
    assert_verbatim(project, text)
    for stub in (project / "src/odd_service/v1").iterdir():
        ast.parse(stub.read_text(encoding="utf-8"))


def hostile_answers(text: str) -> dict[str, str]:
    """The same text for every question that takes any, and names that stay valid."""
    names = {"project_slug": "odd-service", "package_name": "odd_service", "service_name": "Odd"}
    return names | dict.fromkeys(("project_name", "description", "author_name"), text)


def assert_verbatim(project: Path, text: str) -> None:
    """Every file that shows an answer has it as it was given, and every file can be parsed."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["description"] == text
    assert metadata["authors"] == [{"name": text, "email": "you@example.com"}]
    assert (project / "README.md").read_text(encoding="utf-8").startswith(f"# {text}\n\n{text}\n")
    assert f"Copyright (c) {text} <" in (project / "LICENSE").read_text(encoding="utf-8")
    proto = (project / "protos/odd_service/v1/odd.proto").read_text(encoding="utf-8")
    assert proto.startswith(f"// {text}: {text}\n")
    for name, content in files(project).items():
        if not is_build_product(name):
            check_syntax(name, content.decode("utf-8"))


@pytest.mark.full
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_free_text_arrives_as_it_was_given_without_a_prompt(
    text: str, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, hostile_answers(text))
    assert_verbatim(project, text)
    ruff(project, "check")
    ruff(project, "format", "--check")


def test_free_text_arrives_as_it_was_given_on_the_command_line(
    template: Path, tmp_path: Path
) -> None:
    done = bake_in_a_process(template, tmp_path, hostile_answers(HOSTILE["code"]))
    assert done.returncode == 0, done.stderr
    assert_verbatim(tmp_path / "odd-service", HOSTILE["code"])
    assert not Path("here").exists()


def test_free_text_arrives_as_it_stands_in_a_configuration_file(
    template: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    text = HOSTILE["undefined"]
    config.write_text(yaml.safe_dump({"default_context": hostile_answers(text)}))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cookiecutter", str(template), "--no-input"),
            *("--config-file", str(config), "--output-dir", str(tmp_path), "--accept-hooks=no"),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert_verbatim(tmp_path / "odd-service", text)


@pytest.mark.full
def test_a_project_of_hostile_answers_passes_its_tests_and_checks(
    template: Path, tmp_path: Path
) -> None:
    answers = hostile_answers(HOSTILE["python"])
    answers |= {"description": HOSTILE["undefined"], "author_name": HOSTILE["toml"]}
    done = nox(bake(template, tmp_path, answers), "tests", "lint", "typecheck")
    assert done.returncode == 0, done.stdout


@pytest.mark.full
@pytest.mark.parametrize(
    "address", ["o'neil+a@example.com", '"a b\\"c"@example.com', "a.b@[127.0.0.1]"]
)
def test_odd_addresses_reach_the_package_metadata(
    address: str, template: Path, tmp_path: Path
) -> None:
    project = tmp_path / "greeter-service"
    done = answer_prompts(template, tmp_path, author_email=address, author_name='A "B" \\ C')
    assert done.returncode == 0, done.stderr
    written = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert written["project"]["authors"] == [{"name": 'A "B" \\ C', "email": address}]
    assert address in built_metadata(project, tmp_path).metadata["Author-email"]


def built_metadata(project: Path, folder: Path) -> Distribution:
    """Build the wheel with the tests' own hatchling, and read what it says of itself."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheel")],
        cwd=project,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (folder / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    (info,) = (folder / "unpacked").glob("*.dist-info")
    return PathDistribution(info)


@pytest.mark.parametrize(
    "answers",
    [
        {"project_slug": "a", "package_name": "a", "service_name": "A"},
        {"package_name": "orders_2_go", "service_name": "HTTPProxy"},
        {"package_name": "repeated", "service_name": "Rpc", "project_slug": "service"},
        *(
            pytest.param(names, marks=pytest.mark.full)
            for names in (
                {"project_slug": "on", "package_name": "on", "service_name": "Y"},
                {"project_slug": "v1", "package_name": "v1", "service_name": "V1"},
                {"package_name": "message", "service_name": "Message"},
            )
        ),
    ],
    ids=lambda answers: answers["package_name"][:12],
)
def test_odd_names_give_a_tidy_project_that_compiles(
    answers: dict[str, str], template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, answers)
    check_project(project)
    compile_in(project)


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="paths there end at 260 characters by default")
def test_the_longest_names_give_a_tidy_project_too(template: Path, tmp_path: Path) -> None:
    names = {"project_slug": "x" * 60, "package_name": "y" * 60, "service_name": "Z" * 60}
    done = bake_in_a_process(template, tmp_path, names)
    assert done.returncode == 0, done.stderr
    check_project(tmp_path / names["project_slug"])


@pytest.mark.parametrize(
    ("service", "module"),
    [
        ("Greeter", "greeter"),
        ("HTTPProxy", "http_proxy"),
        ("OrderBook", "order_book"),
        ("V2Api", "v2_api"),
        ("A", "a"),
        ("ABC", "abc"),
    ],
)
def test_the_proto_is_named_after_the_service(
    service: str, module: str, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, {"service_name": service})
    assert [path.name for path in (project / "protos").rglob("*.proto")] == [f"{module}.proto"]
    assert (project / "src/greeter_service/servicers" / f"{module}.py").exists()


@pytest.mark.parametrize(
    ("project_name", "slug", "package", "service"),
    [
        ("Greeter Service", "greeter-service", "greeter_service", "Greeter"),
        ("Order  Book", "order-book", "order_book", "OrderBook"),
        ("Grüße", "grusse", "grusse", "Grusse"),
        ("Service", "service", "service", "Main"),
        ("😀", "service", "service", "Main"),
    ],
)
def test_names_are_derived_from_the_project_name(
    project_name: str, slug: str, package: str, service: str, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, {"project_name": project_name})
    assert project.name == slug
    assert [path.name for path in (project / "src").iterdir()] == [package]
    (proto,) = (project / "protos").rglob("*.proto")
    assert f"\nservice {service} {{\n" in proto.read_text(encoding="utf-8")


REFUSED = [
    ("project_name", " "),
    ("project_name", "x" * 201),
    ("project_slug", "Greeter"),
    ("project_slug", "greeter_service"),
    ("project_slug", "3d-printer"),
    ("project_slug", "-x"),
    ("project_slug", "a--b"),
    ("project_slug", "a/b"),
    ("project_slug", "a\\b"),
    ("project_slug", "../outside/deep"),
    ("project_slug", "/outside-of-all"),
    ("project_slug", "{{ nobody }}"),
    ("project_slug", "$(id)"),
    ("project_slug", "a\nb"),
    ("project_slug", "com1"),
    ("project_slug", "x" * 61),
    ("package_name", ""),
    ("package_name", "class"),
    ("package_name", "None"),
    ("package_name", "match"),
    ("package_name", "json"),
    ("package_name", "grpc"),
    ("package_name", "google"),
    ("package_name", "esmerald"),
    ("package_name", "tests"),
    ("package_name", "jinja2"),
    ("package_name", "annotationlib"),
    ("project_slug", "grpcio"),
    ("project_slug", "typing-extensions"),
    ("project_slug", "python3"),
    ("package_name", "aux"),
    ("package_name", "3d"),
    ("package_name", "Greeter"),
    ("package_name", "a-b"),
    ("package_name", "a.b"),
    ("package_name", "a/b"),
    ("package_name", "{{ nobody }}"),
    ("package_name", "a__b"),
    ("package_name", "grüße"),
    ("package_name", "x" * 61),
    ("service_name", ""),
    ("service_name", "greeter"),
    ("service_name", "None"),
    ("service_name", "Import"),
    ("service_name", "Con"),
    ("service_name", "GreeterService"),
    ("service_name", "Service"),
    ("service_name", "Gre_eter"),
    ("service_name", "SayHelloRequest"),
    ("service_name", "X" * 61),
    ("description", ""),
    ("service_name", "X{{ nobody }}"),
    ("service_name", 'X"; import "y'),
    ("description", "two\nlines"),
    ("description", "{{ nobody }}\n{% raw %}"),
    ("description", "two\u2028lines"),
    ("author_name", "bell\a"),
    ("author_email", "ada"),
    ("author_email", "ada@"),
    ("author_email", "a b@example.com"),
]


@pytest.mark.parametrize(("variable", "value"), REFUSED)
def test_an_unusable_answer_is_refused_and_leaves_nothing(
    variable: str,
    value: str,
    template: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(FailedHookException):
        bake(template, tmp_path, {variable: value}, hooks=True)
    said = capfd.readouterr().err.splitlines()
    line = next(line for line in said if line.startswith(f"  {variable}: "))
    assert f"{value!a} " in line
    assert "Valid: " in line
    assert list(tmp_path.iterdir()) == []
    assert not (tmp_path.parent / "outside").exists()
    assert not Path("/outside-of-all").exists()


def test_an_empty_folder_name_is_refused(template: Path, tmp_path: Path) -> None:
    done = bake_in_a_process(template, tmp_path, {"project_slug": ""})
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_all_unusable_answers_are_reported_at_once(template: Path, tmp_path: Path) -> None:
    done = bake_in_a_process(
        template, tmp_path, {"package_name": "class", "service_name": "x", "author_email": "x"}
    )
    reported = [line.split(":")[0].strip() for line in done.stderr.splitlines() if "Valid:" in line]
    assert reported == ["package_name", "service_name", "author_email"]


PRIVATE = {
    "__proto_name": "../../../outside",
    "__env_prefix": 'X_"; import os; "',
    "__license_spdx": "MIT-0",
    "__description_toml": '"\n[tool.x]',
    "__author_name_toml": '"',
    "__author_email_toml": '"',
    "__http_url": "example.com",
    "__rpc_url": "example.com",
    "__sayhello_url": '" + str(open("ran-here", "w")) + "',
}


@pytest.mark.parametrize(("variable", "value"), PRIVATE.items(), ids=PRIVATE)
def test_a_private_variable_is_no_answer(
    variable: str,
    value: str,
    template: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "output"
    with pytest.raises(FailedHookException):
        bake(template, output, {variable: value}, hooks=True)
    assert f"  {variable}: {value!a} is no question's answer." in capfd.readouterr().err
    assert list(output.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["output"]
    assert not Path("ran-here").exists()


def test_every_private_variable_is_checked() -> None:
    settings = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    private = {name for name in settings if name.startswith("__")} - {"__prompts__"}
    assert private == set(PRIVATE)
