"""The card: what was measured stands in it, and nothing else does."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.export.card import is_ours, write_card
from model.export.facts import Facts, Training, training_of
from model.gpt2 import GPT2Config
from model.training import identity
from model.training.config import TrainConfig
from tests.model.training.token_folders import write_tokens
from webtext import storage

MEASURED = {"validation_loss": 4.75, "validation_loss_per_byte": 1.625}
SHAPE = GPT2Config(layers=2, heads=2, width=32, context=32, vocabulary=300)


def trained(folder: Path, **changes: Any) -> Path:
    """A training run's books, without weights; returns the folder of its checkpoint at step 4."""
    tokens = write_tokens(folder / "tokens")
    values = {
        "output": str(folder / "run"),
        "tokens": str(tokens),
        "model": {"layers": 2, "heads": 2, "width": 32, "context": 32},
        "steps": 10,
        "batch_tokens": 640,
        "learning_rate": 0.0125,
        "price_per_gpu_hour": 2.5,
        **changes,
    }
    manifest = storage.read_json(str(tokens / "manifest.json"))
    identity.write(folder / "run", identity.identity_of(TrainConfig.model_validate(values), SHAPE, manifest))
    rows = [
        {"step": step, "loss": 5.0 - step / 8, "seconds": 360.0, "cost": step / 4, **validated}
        for step, validated in enumerate([{}, {}, MEASURED, {}, {}, {"validation_loss": 1.0}], start=1)
    ]
    lines = [json.dumps(row) for row in rows]
    (folder / "run" / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 7, "lo')
    checkpoint = folder / "run" / "checkpoints" / "step-00000004"
    checkpoint.mkdir(parents=True)
    return checkpoint


def facts(training: Training | None) -> Facts:
    return Facts("A small one", "other", "fp32", SHAPE, training)


def sections(card: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in card.split("\n## ")[1:]}


def test_a_runs_card_tells_what_it_measured_up_to_the_checkpoint(tmp_path: Path) -> None:
    card = write_card(facts(training_of(trained(tmp_path))))
    made = sections(card)["How it was made"]
    assert "| recipe | `paper`, schedule cosine, peak learning rate 0.0125, 1 steps of warm-up |" in made
    assert "| steps | 4 of 10, 640 tokens each |" in made
    assert "| tokens seen | 2,560 |" in made
    assert "| time of the steps | 0.4 hours |" in made
    assert "| cost | 1 dollars at 2.5 a GPU hour |" in made
    assert re.search(r"\| train \| [\d,]+ \| 4,000 \| 8,000 \|", made)
    measured = sections(card)["What was measured"]
    assert "| training, the last batch | 4.5 | 4 |" in measured
    assert "| validation | 4.75 | 3 |" in measured  # the row of step 6 came later
    assert "perplexity is 115.5843 a token" in measured
    assert "1.625 nats a byte of text" in measured
    assert str(tmp_path) not in card


def test_a_loss_that_was_not_measured_by_the_byte_is_not_told_so(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path)
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace("validation_loss_per_byte", "something_else"))
    measured = sections(write_card(facts(training_of(checkpoint))))["What was measured"]
    assert "perplexity" in measured
    assert "byte" not in measured


def test_tokens_that_are_gone_or_others_are_not_described(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path)
    write_tokens(tmp_path / "tokens", seed=9)
    card = write_card(facts(training_of(checkpoint)))
    assert "| train |" not in card
    assert "not where the run found them" in card
    (tmp_path / "tokens").rename(tmp_path / "elsewhere")
    assert "not where the run found them" in write_card(facts(training_of(checkpoint)))


def test_without_metrics_nothing_was_measured(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path)
    (tmp_path / "run" / "metrics.jsonl").unlink()
    card = write_card(facts(training_of(checkpoint)))
    assert "as far as this folder knows" in sections(card)["What was measured"]
    assert "hours" not in card
    assert "dollars" not in card


def test_weights_that_came_alone_have_no_history(tmp_path: Path) -> None:
    assert training_of(tmp_path) is None
    moved = trained(tmp_path / "a").rename(tmp_path / "step-00000004")
    assert training_of(moved) is None
    card = write_card(facts(None))
    assert "Not known" in sections(card)["How it was made"]
    assert "as far as this folder knows" in sections(card)["What was measured"]
    assert "36,096 parameters" in card


def test_weights_that_began_from_others_say_from_which_but_not_where(tmp_path: Path) -> None:
    card = write_card(facts(training_of(trained(tmp_path, init_from="/home/somebody/models/gpt2-xl"))))
    assert "began from the weights in `gpt2-xl`" in card
    assert "somebody" not in card


def test_the_front_matter_is_what_hugging_face_reads(tmp_path: Path) -> None:
    named = dataclasses.replace(facts(None), license="mit", name="It's: a #name")
    card = write_card(named)
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "mit"
    assert (front["library_name"], front["pipeline_tag"]) == ("transformers", "text-generation")
    assert "# It's: a #name" in card
    assert write_card(named) == card


@pytest.mark.parametrize("card", ["", "# Mine", "---\ntags: [gpt2]\n---\n", "---\n- webtext\n---\n", "---\n{\n---\n"])
def test_another_card_is_not_taken_for_ours(card: str) -> None:
    assert is_ours(write_card(facts(None)))
    assert not is_ours(card)
