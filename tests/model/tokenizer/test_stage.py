"""RUN/tokenizer: learnt from training text, measured on what is held out, made again only when something changed."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.tokenizer import files, load, stage
from model.tokenizer.config import TokenizerConfig
from webtext import storage
from webtext.errors import UserError


def write(run: Path, name: str, texts: list[str], first: int = 0) -> None:
    folder = run / "corpus" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"{first + number:032x}" for number in range(len(texts))]
    pq.write_table(pa.table({"id": ids, "text": pa.array(texts, pa.string())}), folder / f"{name}.parquet")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Training text in small letters, held-out text in capitals: what is learnt from tells."""
    write(tmp_path, "train-00000-of-00002", [f"one two three {number}" for number in range(50)])
    write(tmp_path, "train-00001-of-00002", [f"four five six {number}" for number in range(50)], first=50)
    write(tmp_path, "validation-00000-of-00001", ["ONE TWO THREE"] * 30, first=100)
    write(tmp_path, "test-00000-of-00001", ["$$ %% &&"] * 30, first=200)
    return tmp_path


def build(run: Path, vocabulary: int = 300, **keys: object) -> dict[str, object]:
    folder = stage.build(TokenizerConfig(output=str(run), vocabulary=vocabulary, **keys))  # type: ignore[arg-type]
    assert folder == f"{run}/tokenizer"
    counters: dict[str, object] = storage.read_json(f"{folder}/manifest.json")["counters"]
    return counters


def test_it_learns_from_training_text_alone(run: Path) -> None:
    assert build(run)["measured_on"] == "the validation split"
    entries = load(run).contents.entries
    assert "Ġthree" in entries
    assert "Ġfive" in entries
    assert not any(word in entries for word in ("ON", "TW", "TH", "Ġ%", "$$"))


def test_every_file_but_held_out_ones_is_trained_on(tmp_path: Path) -> None:
    write(tmp_path, "part-0", ["one two three"] * 10)
    write(tmp_path, "train", ["four five six"] * 10)
    build(tmp_path)
    assert {"Ġthree", "Ġfive"} <= load(tmp_path).contents.entries.keys()


def test_without_validation_it_measures_outside_the_sample(run: Path) -> None:
    for path in (run / "corpus" / "data").glob("validation-*"):
        path.unlink()
    assert build(run, sample_bytes=500)["measured_on"] == "documents outside the sample"
    page = (run / "tokenizer" / "report.md").read_text()
    assert "of 100 documents" in page
    assert build(run)["measured_on"] == "the text that it learnt from"


def test_the_files_order_changes_nothing(run: Path, tmp_path: Path) -> None:
    build(run, sample_bytes=700)
    data = run / "corpus" / "data"
    first, second = data / "train-00000-of-00002.parquet", data / "train-00001-of-00002.parquet"
    before = load(run).fingerprint
    first.rename(data / "aside")
    second.rename(first)
    (data / "aside").rename(second)
    build(run, sample_bytes=700)
    assert load(run).fingerprint == before


def test_a_changed_key_or_corpus_makes_it_anew(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "webtext")
    build(run)
    build(run)
    assert caplog.text.count("[as before]") == 1
    build(run, vocabulary=310)
    assert load(run).vocabulary == 310
    write(run, "train-00001-of-00002", ["seven eight nine"] * 50)
    build(run, vocabulary=310)
    assert "Ġeight" in load(run).contents.entries
    assert caplog.text.count("[as before]") == 1


def test_an_unfinished_tokenizer_is_not_read(run: Path) -> None:
    build(run)
    (run / "tokenizer" / "_SUCCESS").unlink()
    with pytest.raises(UserError, match="is not finished"):
        load(run)


def test_too_small_a_sample(run: Path) -> None:
    with pytest.raises(UserError, match="sample_bytes = 3 is less than a single document"):
        build(run, sample_bytes=3)


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_no_text(tmp_path: Path, texts: list[str]) -> None:
    write(tmp_path, "train-00000", texts)
    with pytest.raises(UserError, match="has no text to learn from"):
        build(tmp_path)


def test_taken_from_elsewhere_with_and_without_a_corpus(run: Path, tmp_path: Path) -> None:
    build(run)
    for target in (tmp_path / "bare", tmp_path / "full"):
        if target.name == "full":
            write(target, "train-00000", ["seven eight nine"] * 3)
        counters = build(target, import_from=str(run / "tokenizer"))
        assert load(target).fingerprint == load(run).fingerprint == counters["fingerprint"]
        assert counters["measured_on"] == ("the corpus" if target.name == "full" else "no text")
        names = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"]
        assert all((target / "tokenizer" / n).read_bytes() == (run / "tokenizer" / n).read_bytes() for n in names)


def test_a_changed_source_is_taken_anew(run: Path, tmp_path: Path) -> None:
    build(run)
    source = tmp_path / "source"
    files.copy_files(run, source)
    target = tmp_path / "target"
    build(target, import_from=str(source))
    build(run, vocabulary=320)
    files.copy_files(run, source)
    build(target, import_from=str(source))
    assert load(target).vocabulary == 320
