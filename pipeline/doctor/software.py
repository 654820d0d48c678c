"""Python and the libraries: what is installed against what webtext says it needs."""

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipeline.doctor.findings import Finding, ok, problem, warning

DISTRIBUTION = "webtext"


class Library(NamedTuple):
    """A distribution that is required. wanted: versions that will do; installed: None where it is not there."""

    name: str
    wanted: str
    installed: str | None

    @property
    def will_do(self) -> bool:
        """Whether a version is there that was asked for."""
        return self.installed is not None and SpecifierSet(self.wanted).contains(self.installed, prereleases=True)

    def __str__(self) -> str:
        """What is wrong with it."""
        if self.installed is None:
            return f"{self.name} is not there"
        return f"{self.name} is {self.installed} and must be {self.wanted}"


def examine() -> Iterator[Finding]:
    """The findings about this interpreter and what it can import."""
    metadata = importlib.metadata.metadata(DISTRIBUTION)
    yield check_python(platform.python_version(), metadata["Requires-Python"])
    lines = importlib.metadata.requires(DISTRIBUTION) or []
    yield check_corpus(required(lines, "corpus", installed_version))
    yield check_model(required(lines, "model", installed_version))


def installed_version(name: str) -> str | None:
    """The version of a distribution, None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def required(lines: Iterable[str], extra: str, installed: Callable[[str], str | None]) -> list[Library]:
    """What an extra needs, what is needed without it included, as a distribution's metadata lists it."""
    found = []
    for line in lines:
        each = Requirement(line)
        if each.marker is None or each.marker.evaluate({"extra": extra}):
            found.append(Library(each.name, str(each.specifier), installed(each.name)))
    return found


def check_python(version: str, wanted: str) -> Finding:
    """Whether this Python is one that webtext runs on."""
    if SpecifierSet(wanted).contains(version, prereleases=True):
        return ok("python", f"{version}; {wanted} is needed.")
    return problem("python", f"{version} runs this, and {wanted} is needed: make the environment anew with such a one.")


def check_corpus(libraries: Sequence[Library]) -> Finding:
    """Whether a corpus can be built."""
    wrong = [each for each in libraries if not each.will_do]
    if not wrong:
        return ok("libraries", f"all {len(libraries)} that a corpus needs are there, in versions that will do.")
    told = "; ".join(map(str, wrong))
    return problem("libraries", f"{told}: pip install --upgrade 'webtext[corpus]', or make setup in a checkout.")


def check_model(libraries: Sequence[Library]) -> Finding:
    """Whether a model can be trained. Who builds a corpus alone need not have what that takes."""
    missing = [each for each in libraries if each.installed is None]
    wrong = [each for each in libraries if each.installed is not None and not each.will_do]
    if wrong:
        told = "; ".join(map(str, wrong))
        return warning("training", f"{told}: pip install --upgrade 'webtext[model]' before webtext train.")
    if missing:
        return ok("training", "its libraries are not installed, which a corpus does not need (webtext[model]).")
    return ok("training", f"all {len(libraries)} libraries that a model needs are there.")
