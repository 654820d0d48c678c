"""The recipe of the workers' image, as far as it can be checked without building it."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline import arguments
from tests.conftest import CHECKOUT

BOOT = '["/opt/apache/beam/boot"]'


class Instruction(NamedTuple):
    name: str
    words: str


def instructions(text: str) -> Iterator[Instruction]:
    """Those of a Dockerfile, without comments, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, words = line.strip().partition(" ")
            yield Instruction(name, " ".join(words.split()))


@pytest.fixture(scope="module")
def recipe() -> list[Instruction]:
    return list(instructions((CHECKOUT / "Dockerfile").read_text()))


def pins(name: str) -> dict[str, str]:
    lines = (CHECKOUT / "requirements" / name).read_text().splitlines()
    return dict(line.partition(" ;")[0].strip().split("==") for line in lines if "==" in line)


def of(recipe: list[Instruction], name: str) -> list[str]:
    return [each.words for each in recipe if each.name == name]


def variables(recipe: list[Instruction]) -> dict[str, str]:
    return dict(word.split("=", 1) for words in of(recipe, "ENV") for word in shlex.split(words))


def test_it_begins_with_beams_image_of_the_locked_version(recipe: list[Instruction]) -> None:
    settings = dict(words.split("=", 1) for words in of(recipe, "ARG"))
    assert settings["BEAM"] == pins("corpus.txt")["apache-beam"]
    assert settings["BASE"] == "apache/beam_python${PYTHON}_sdk:${BEAM}"
    least = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert least == f">={settings['PYTHON']}"
    assert of(recipe, "FROM") == ["${LAUNCHER} AS launcher", "${BASE}"]
    assert [each.name for each in recipe].index("FROM") == len(settings)


def test_what_is_copied_is_there_and_reaches_the_builder(recipe: list[Instruction]) -> None:
    let_in = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert "*" in (CHECKOUT / ".dockerignore").read_text().splitlines()
    copied = [words.split() for words in of(recipe, "COPY") if not words.startswith("--from")]
    sources = [source for words in copied for source in words[:-1]]
    assert {"pipeline", "webtext", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (CHECKOUT / source).exists(), source
        assert Path(source).parts[0] in let_in, source
    assert {Path(source).parts[0] for source in sources} == let_in
    assert not {"model", "tests"} & let_in


def test_exactly_the_lock_is_installed(recipe: list[Instruction]) -> None:
    installs = [part.split() for words in of(recipe, "RUN") for part in words.split("&&") if "install" in part]
    files = [parts[parts.index("-r") + 1] for parts in installs if "-r" in parts]
    assert files == ["requirements/uv.txt", "requirements/dataflow.txt"]
    assert all("--no-deps" in parts for parts in installs if parts[0] == "uv")
    lock = pins("dataflow.txt")
    assert pins("corpus.txt").items() <= lock.items()
    assert {"gcsfs", "s3fs", "google-apitools"} <= lock.keys()
    assert not {"pytest", "mypy", "ruff", "torch", "moto"} & lock.keys()


def test_workers_start_as_beam_starts_them(recipe: list[Instruction]) -> None:
    assert of(recipe, "ENTRYPOINT") == [BOOT]
    assert not of(recipe, "CMD")
    assert recipe[-1].name == "ENTRYPOINT"
    assert variables(recipe)["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] == "1"
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "ENTRYPOINT"}
    assert {each.name for each in recipe} == known


def test_googles_launcher_is_in_it_and_finds_what_it_starts(recipe: list[Instruction]) -> None:
    binary = "/opt/google/dataflow/python_template_launcher"
    assert [words for words in of(recipe, "COPY") if "--from" in words] == [f"--from=launcher {binary} {binary}"]
    (folder,) = of(recipe, "WORKDIR")
    started = Path(variables(recipe)["FLEX_TEMPLATE_PYTHON_PY_FILE"]).relative_to(folder)
    assert (CHECKOUT / started).is_file()
    assert any("--editable ." in words for words in of(recipe, "RUN"))  # what is started imports what lies beside it
    assert f"configs {arguments.RUNNERS.relative_to(CHECKOUT).parts[0]}" in of(recipe, "COPY")
