"""Configs: YAML and `--set key=value` overrides, checked against a pydantic model; one line explains what is wrong."""

import difflib
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import pydantic
import yaml

from webtext import storage
from webtext.errors import UserError


class Section(pydantic.BaseModel):
    """A group of config keys: immutable, without keys that nobody reads, each documented where it is defined."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Config = TypeVar("Config", bound=Section)


def load(
    model: type[Config],
    path: str | None,
    overrides: Sequence[str] = (),
    sections: Mapping[str, str] = types.MappingProxyType({}),
) -> Config:
    """Read a config.

    path: a YAML file, here or far away, or None for defaults alone. sections: YAML files that take the place of
    sections of it, by the sections' names. overrides: `a.b=value`, value in YAML, applied from left to right.
    Raises UserError for a file that cannot be read, a wrong key or a wrong value: it names the key, the value and what
    is allowed.
    """
    values = _read(path) if path is not None else {}
    for section, file in sections.items():
        values[section] = _read(file)
    for override in overrides:
        _apply(values, override)
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        overridden = {override.partition("=")[0] for override in overrides}
        sentences = (
            _sentence(
                model, details, sections.get(str(details["loc"][0]), path) if details["loc"] else path, overridden
            )
            for details in error.errors(include_url=False)
        )
        raise UserError(" ".join(sentences)) from None


def dump(config: Section) -> dict[str, Any]:
    """A config as plain values, defaults filled in: what manifests record."""
    return config.model_dump(mode="json")


def _read(path: str) -> dict[str, Any]:
    try:
        text = storage.read_bytes(path).decode("utf-8")
    except OSError as error:
        reason = error.strerror or "No such file or directory"  # the usual words are this machine's alone
        raise UserError(f"cannot read the config {path}: {reason}; give the path of a YAML file.") from None
    except UnicodeDecodeError:
        raise UserError(f"the config {path} is not UTF-8 text; save it as UTF-8.") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where is not None else ""
        problem = getattr(error, "problem", None) or "not understood"
        raise UserError(f"the config {path}{line} is not YAML: {problem}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"the config {path} must be a mapping of keys to values, not a {type(values).__name__}.")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set takes key=value, for example harvest.min_karma=5; got {override!r}.")
    try:
        value = yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        raise UserError(f"--set {key}: {text!r} is not a YAML value; quote it for your shell.") from None
    *sections, name = key.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise UserError(f"--set {key}: {section} is a single value and has no keys below it.")
        values = inner
    values[name] = value


def _sentence(model: type[Section], details: Mapping[str, Any], file: str | None, overridden: Collection[str]) -> str:
    key = ".".join(str(part) for part in details["loc"])
    from_option = file is None or any(key == each or key.startswith(f"{each}.") for each in overridden)
    return f"{'--set' if from_option else file}: {_problem(model, details, key)}"


def _problem(model: type[Section], details: Mapping[str, Any], key: str) -> str:
    path = [part for part in details["loc"] if isinstance(part, str)]
    if details["type"] == "extra_forbidden":
        known = sorted(_section_at(model, path[:-1]).model_fields)
        close = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"unknown key {key}: {hint}known here: {', '.join(known)}."
    if details["type"] == "missing":
        return f"the key {key} is missing; set it in the config or with --set {key}=..."
    message = str(details["msg"]).removeprefix("Value error, ")
    return f"{key} = {_shown(details['input'])}: {message[:1].lower()}{message[1:].rstrip('.')}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _section_at(model: type[Section], path: Iterable[str]) -> type[Section]:
    for name in path:
        for candidate in _alternatives(model.model_fields[name].annotation):
            if isinstance(candidate, type) and issubclass(candidate, Section):
                model = candidate
                break
    return model


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
