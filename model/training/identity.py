"""What makes a training run the one it is: TRAIN/config.json, and what of it may be changed when the run goes on."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pydantic

from model.gpt2 import GPT2Config
from model.training.config import TrainConfig
from webtext import settings, storage
from webtext.errors import UserError

CONFIG = "config.json"

MAY_CHANGE = frozenset(
    {
        "output",
        "tokens",
        "steps",
        "validate_every",
        "checkpoint_every",
        "keep_checkpoints",
        "micro_batch",
        "recompute",
        "dtype",
        "compile",
        "device",
        "parallel",
        "price_per_gpu_hour",
    }
)
"""`tokens` by its contents, `steps` by the schedule: see `continued`."""


class Identity(NamedTuple):
    """What a run began with."""

    config: TrainConfig
    vocabulary: int
    tokens_sha256: str
    """Of the token files' own sha256 and of their tokenizer's fingerprint."""
    tokenizer: str
    """Its fingerprint."""

    @property
    def network(self) -> GPT2Config:
        """The shape of what is trained."""
        assert self.config.model is not None
        return self.config.model.network(self.vocabulary)


def identity_of(config: TrainConfig, network: GPT2Config, manifest: Mapping[str, Any]) -> Identity:
    """What a config and the manifest of its tokens make of a new run."""
    tokenizer: str = manifest["tokenizer"]["fingerprint"]
    contents = {
        "tokenizer": tokenizer,
        "files": sorted([entry["path"], entry["sha256"]] for entry in manifest["files"]),
    }
    digest = hashlib.sha256(storage.json_bytes(contents)).hexdigest()
    return Identity(config.filled_in(network), network.vocabulary, digest, tokenizer)


def read(run: Path) -> Identity | None:
    """What the run in a folder is; None where there is none.

    Raises UserError for a config.json that is no training run's.
    """
    path = run / CONFIG
    if not path.exists():
        return None
    try:
        values = storage.read_json(str(path))
        return Identity(
            TrainConfig.model_validate(values["config"]),
            int(values["vocabulary"]),
            str(values["tokens_sha256"]),
            str(values["tokenizer"]),
        )
    except (ValueError, KeyError, TypeError, pydantic.ValidationError):
        raise UserError(
            f"{path} is not the config of a training run of this version; choose another output, which may be new."
        ) from None


def write(run: Path, identity: Identity) -> None:
    """Write config.json; an equal one is left as it is."""
    if read(run) != identity:
        storage.write_json(str(run), CONFIG, {**identity._asdict(), "config": settings.dump(identity.config)})


def continued(given: TrainConfig, new: Identity, old: Identity, step: int) -> Identity:
    """The run `old`, which has made `step` steps, with what `given` may change of it.

    given: as the user wrote it; what it leaves open stays as the run has it. new: what it would be as a new run.
    Raises UserError, naming the key, for a change that would make another run of it.
    """
    said = {key for key in given.model_fields_set if getattr(given, key) is not None}
    for key in sorted(said - MAY_CHANGE):
        was, wanted = getattr(old.config, key), getattr(new.config, key)
        if was != wanted:
            raise UserError(
                f"{key} = {_shown(wanted)}: the run in {given.output} has {key} = {_shown(was)};"
                " go on with that, or choose another output."
            )
    if new.tokenizer != old.tokenizer:
        raise UserError(
            f"tokens = {given.tokens}: these were made with another tokenizer than those of the run in {given.output};"
            " give it its own tokens, or choose another output."
        )
    if new.tokens_sha256 != old.tokens_sha256:
        raise UserError(
            f"tokens = {given.tokens}: these are not the tokens that the run in {given.output} is trained on;"
            " give it its own tokens, or choose another output."
        )
    config = old.config.model_copy(update={key: getattr(given, key) for key in said})
    config = config.model_copy(update={"model": old.config.model})
    _check_steps(config, old.config, step)
    return old._replace(config=config)


def _check_steps(wanted: TrainConfig, was: TrainConfig, step: int) -> None:
    """`steps` may change while the learning rates so far would have been the same."""
    if wanted.steps == was.steps:
        return
    if wanted.steps < step:
        raise UserError(
            f"steps = {wanted.steps}: the run in {was.output} has made {step} already; give it at least that."
        )
    if any(wanted.learning_rate_factor(n) != was.learning_rate_factor(n) for n in range(step)):
        raise UserError(
            f"steps = {wanted.steps}: the learning rates of the run in {was.output} were laid out for {was.steps} steps"
            " and came down with them; begin another output with init_from, or raise steps of a wsd schedule earlier."
        )


def _shown(value: Any) -> str:
    if isinstance(value, pydantic.BaseModel):
        return ", ".join(f"{key} {each}" for key, each in value.model_dump().items())
    return str(value)
