"""webtext_training for real: a release of the sample, made by hand, becomes a small model."""

import json
from pathlib import Path

import pytest

from tests.airflow.conftest import CHECKOUT, WEBTEXT, Airflow, called

TRAIN = "webtext_training"
SHAPE = ["model={layers: 1, heads: 2, width: 16, context: 32}", "steps=8", "batch_tokens=64", "validation_tokens=256"]


@pytest.fixture(scope="session")
def release(airflow: Airflow) -> Path:
    """All of the sample."""
    run = airflow.folder / "by-hand"
    called(WEBTEXT, "corpus", "--config", "configs/corpus/sample.yaml", "--set", f"output={run}")
    return run / "corpus"


def test_a_release_becomes_a_model_that_writes(airflow: Airflow, release: Path) -> None:
    conf = {
        "release": str(release),
        "config": str(CHECKOUT / "configs" / "train" / "sample.yaml"),
        "overrides": SHAPE,
        "tokenizer_overrides": ["vocabulary=300"],
        "prompt": "The lamp",
    }
    done = airflow.test(TRAIN, conf)
    assert done.state == "success", done.output
    model = airflow.folder / "models" / "by-hand"
    steps = [
        json.loads(line)["step"] for line in (model / "metrics.jsonl").read_text().splitlines() if '"loss"' in line
    ]
    assert steps == list(range(1, 9))
    assert (airflow.folder / "models" / "by-hand-export" / "model.safetensors").exists()
    (written,) = airflow.rows("SELECT value FROM xcom WHERE dag_id = ? AND task_id = 'sample'", TRAIN)
    first = json.loads(written["value"]).splitlines()[0]
    assert first
    assert first in done.output


def test_without_a_release_there_is_nothing_to_train_on(airflow: Airflow, tmp_path: Path) -> None:
    done = airflow.test(TRAIN, {"release": str(tmp_path)})
    assert (done.state, done.tasks["plan"]["try_number"]) == ("failed", 1)
    assert "is no finished release; run webtext_corpus_monthly" in done.output
