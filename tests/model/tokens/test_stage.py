"""RUN/tokens: documents in the order of their ids, the same bytes however it is made, and nothing done twice."""

import multiprocessing
import shutil
from collections.abc import Mapping
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.tokenizer import Tokenizer, files, load, training
from model.tokens import parts, stage, working
from model.tokens.config import TokensConfig
from model.tokens.reading import open_tokens
from tests.model.tokens.conftest import Write
from webtext import storage
from webtext.errors import UserError

Documents = list[tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path, documents: Documents, write_corpus: Write) -> Path:
    """A run with a corpus of two files for training and one held out, and a tokenizer."""
    run = tmp_path / "run"
    write_corpus(run, train_00000=documents[:30], train_00001=documents[30:50], validation_00000=documents[50:])
    vocabulary = training.train([[text for _, text in documents]], 320)
    files.write(vocabulary, str(run / "tokenizer"))
    return run


def build(run: Path, **keys: int) -> Path:
    return Path(stage.build(TokensConfig(output=str(run), **keys)))


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def expected(tokenizer: Tokenizer, documents: Documents) -> list[int]:
    return [each for _, text in documents for each in [*tokenizer.encode(text), tokenizer.end_of_text]]


def test_documents_by_id_each_with_its_end(run: Path, documents: Documents) -> None:
    folder = build(run)
    tokenizer = load(run)
    for split, of_split in [("train", documents[:50]), ("validation", documents[50:])]:
        tokens = open_tokens(folder, split, verify=True)
        assert tokens[:].tolist() == expected(tokenizer, of_split)
        assert tokens[:].dtype == np.uint16
        assert tokens.documents == len(of_split)
        assert tokens.text_bytes == sum(len(text.encode()) for _, text in of_split)
        assert (tokens.vocabulary, tokens.end_of_text) == (tokenizer.vocabulary, tokenizer.end_of_text)
        assert tokens.fingerprint == tokenizer.fingerprint
    assert load(folder).fingerprint == tokenizer.fingerprint
    assert {path.name for path in folder.iterdir()} == {
        "train-00000.bin",
        "validation-00000.bin",
        "tokenizer",
        "manifest.json",
        "_SUCCESS",
        "_fingerprint.json",
    }


def test_files_are_cut_between_documents(run: Path, documents: Documents) -> None:
    folder = build(run, tokens_per_file=100)
    manifest = storage.read_json(str(folder / "manifest.json"))
    of_train = [entry for entry in manifest["files"] if entry["split"] == "train"]
    assert len(of_train) > 5
    end = load(run).end_of_text
    for entry in manifest["files"]:
        content = np.fromfile(folder / entry["path"], dtype="<u2")
        assert len(content) == entry["tokens"] <= 100
        assert content[-1] == end
        assert (content == end).sum() == entry["documents"]
    tokens = open_tokens(folder, "train", verify=True)
    assert tokens[:].tolist() == expected(load(run), documents[:50])


def test_a_document_longer_than_a_file_has_one_of_its_own(run: Path) -> None:
    folder = build(run, tokens_per_file=1)
    manifest = storage.read_json(str(folder / "manifest.json"))
    assert [entry["documents"] for entry in manifest["files"]] == [1] * 60


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_change_no_byte(run: Path, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = contents(build(run, workers=1, tokens_per_file=150))
    shutil.rmtree(run / "tokens")
    monkeypatch.setattr(working, "WORTH_A_PROCESS", 1)
    assert contents(build(run, workers=workers, tokens_per_file=150)) == one


def test_the_files_order_and_the_row_groups_change_no_token(
    run: Path, tmp_path: Path, documents: Documents, write_corpus: Write
) -> None:
    first = build(run, tokens_per_file=150)
    other = tmp_path / "other"
    train = documents[:50]
    write_corpus(
        other,
        rows_per_group=7,
        train_00000=train[1::3][::-1],
        train_00001=train[2::3] + train[0::3],
        validation=documents[:49:-1],
    )
    shutil.copytree(run / "tokenizer", other / "tokenizer")
    second = build(other, tokens_per_file=150)
    for path in first.glob("*.bin"):
        assert (second / path.name).read_bytes() == path.read_bytes()


def test_equal_ids_keep_the_order_of_files(run: Path, write_corpus: Write) -> None:
    shutil.rmtree(run / "corpus")
    write_corpus(run, train_00000=[("b", "one"), ("a", "two"), ("b", "three")], train_00001=[("a", "four")])
    tokens = open_tokens(build(run), "train", verify=True)
    assert load(run).decode(tokens[:].tolist()).split("<|endoftext|>") == ["two", "four", "one", "three", ""]


def test_numbers_as_ids_are_sorted_as_numbers(run: Path, write_corpus: Write) -> None:
    shutil.rmtree(run / "corpus")
    write_corpus(run, train_00000=[(10, "ten"), (9, "nine"), (100, "hundred")])
    tokens = open_tokens(build(run), "train", verify=True)
    assert load(run).decode(tokens[:].tolist()).split("<|endoftext|>") == ["nine", "ten", "hundred", ""]


def test_a_finished_run_is_left_alone(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "webtext")
    folder = build(run)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    caplog.clear()
    build(run, workers=3)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert "[as before]" in caplog.text


def test_what_changes_is_done_again(run: Path, documents: Documents, write_corpus: Write) -> None:
    folder = build(run)
    files.write(training.train([[text for _, text in documents]], 290), str(run / "tokenizer"))
    build(run)
    assert open_tokens(folder, "train", verify=True)[:].tolist() == expected(load(run), documents[:50])
    build(run, tokens_per_file=100)
    assert (folder / "train-00001.bin").exists()
    write_corpus(run, train_00001=documents[30:40])
    build(run, tokens_per_file=100)
    assert open_tokens(folder, "train", verify=True).documents == 40


def test_a_stopped_run_goes_on_with_the_parts_it_has(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents(build(run, tokens_per_file=150))
    shutil.rmtree(run / "tokens")
    encode, encoded = parts.encode, list[str]()

    def stop_after_five(unit: parts.Unit, folder: str, encoder: parts.Encoder) -> int:
        if len(encoded) == 5:
            raise KeyboardInterrupt
        encoded.append(unit.index(folder))
        return encode(unit, folder, encoder)

    monkeypatch.setattr(parts, "encode", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        build(run, tokens_per_file=150)
    assert not (run / "tokens" / "_SUCCESS").exists()
    with pytest.raises(UserError, match="is not finished"):
        open_tokens(run / "tokens", "train", verify=False)
    first = set(encoded)
    encoded.clear()

    def note(unit: parts.Unit, folder: str, encoder: parts.Encoder) -> int:
        encoded.append(unit.index(folder))
        return encode(unit, folder, encoder)

    monkeypatch.setattr(parts, "encode", note)
    assert contents(build(run, tokens_per_file=150)) == whole
    assert len(first) == 5
    assert first.isdisjoint(encoded)


def test_what_a_kill_left_after_success_is_removed(run: Path) -> None:
    folder = build(run)
    (folder / "_parts").mkdir()
    build(run)
    assert not (folder / "_parts").exists()


def test_no_validation_split(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in (run / "corpus" / "data").glob("validation-*"):
        path.unlink()
    folder = build(run)
    assert "training on it can measure no validation loss" in caplog.text
    assert open_tokens(folder, "validation", verify=True).total == 0


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_without_documents(
    run: Path, write_corpus: Write, split: str, caplog: pytest.LogCaptureFixture
) -> None:
    for path in (run / "corpus" / "data").glob(f"{split}-*"):
        empty = pq.read_table(path).slice(0, 0)
        pq.write_table(empty, path)
    folder = build(run)
    assert open_tokens(folder, split, verify=True).total == 0
    assert ("only be measured on" if split == "train" else "no validation loss") in caplog.text


def test_empty_texts_are_documents_too(run: Path, write_corpus: Write) -> None:
    shutil.rmtree(run / "corpus")
    write_corpus(run, train_00000=[("a", ""), ("b", "")], validation_00000=[("c", "")])
    folder = build(run)
    end = load(run).end_of_text
    assert open_tokens(folder, "train", verify=True)[:].tolist() == [end, end]


def test_a_large_vocabulary_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "MOST_ENTRIES", 260)
    with pytest.raises(UserError, match=r"has \d+ entries, and 16 bits hold 260; make a smaller one"):
        build(run)


def test_no_tokenizer(run: Path) -> None:
    shutil.rmtree(run / "tokenizer")
    with pytest.raises(UserError, match=r"no tokenizer in .*tokenizer.*webtext tokenizer"):
        build(run)


def test_no_corpus(run: Path) -> None:
    shutil.rmtree(run / "corpus")
    with pytest.raises(UserError, match=r"run/corpus/data holds no train-.*webtext corpus"):
        build(run)


def test_an_unfinished_corpus(run: Path) -> None:
    (run / "corpus" / "_fingerprint.json").write_text('"x"')
    with pytest.raises(UserError, match="is not finished: run webtext corpus"):
        build(run)


def as_table(run: Path, table: pa.Table) -> None:
    pq.write_table(table, run / "corpus" / "data" / "train-00000.parquet")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (pa.table({"id": ["a"]}), r"train-00000.parquet has no column text; a corpus needs id and text"),
        (pa.table({"text": ["a"]}), r"train-00000.parquet has no column id"),
        (pa.table({"id": ["a", "b"], "text": ["x", None]}), r"train-00000.parquet: 1 documents have no text \(null\)"),
        (pa.table({"id": ["a", None], "text": ["x", "y"]}), r"1 documents have no id \(null\)"),
        (pa.table({"id": ["a"], "text": [1]}), r"the column text holds int64 where it must hold strings"),
        (pa.table({"id": [1.5], "text": ["x"]}), r"the column id holds double"),
        (pa.table({"id": [1], "text": ["x"]}), r"ids that are numbers and ids that are strings"),
    ],
)
def test_odd_columns(run: Path, table: pa.Table, sentence: str) -> None:
    as_table(run, table)
    with pytest.raises(UserError, match=sentence):
        build(run)


def test_an_error_in_another_process(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "WORTH_A_PROCESS", 1)
    as_table(run, pa.table({"id": [f"{number:08x}" for number in range(30)], "text": ["x"] * 29 + [None]}))
    with pytest.raises(UserError, match=r"train-00000.parquet: 1 documents have no text"):
        build(run, workers=2)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_every_kind_of_string(run: Path, kind: pa.DataType, write_corpus: Write) -> None:
    shutil.rmtree(run / "corpus")
    write_corpus(run, validation_00000=[("z", "last")])
    as_table(run, pa.table({"text": pa.array(["one", "two"]).cast(kind), "id": pa.array(["b", "a"]).cast(kind)}))
    tokens = open_tokens(build(run), "train", verify=True)
    assert load(run).decode(tokens[:].tolist()).split("<|endoftext|>") == ["two", "one", ""]


@pytest.mark.parametrize("content", [b"", b"PAR1 and more", None])
def test_what_is_no_parquet(run: Path, content: bytes | None) -> None:
    path = run / "corpus" / "data" / "train-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(UserError, match=r"cannot read .*train-00001.parquet"):
        build(run)


def test_a_test_split_is_passed_over(run: Path, write_corpus: Write, documents: Documents) -> None:
    write_corpus(run, test_00000=[("0", "never to be seen")])
    assert open_tokens(build(run), "train", verify=True).documents == 50


def test_a_remote_run(run: Path) -> None:
    remote = fsspec.filesystem("memory")
    remote.put(f"{run}/", "/remote", recursive=True)
    try:
        folder = stage.build(TokensConfig(output="memory://remote", tokens_per_file=150))
        here = build(run, tokens_per_file=150)
        for path in here.rglob("*"):
            if path.is_file() and path.name not in ("manifest.json", "_fingerprint.json"):  # they tell of the inputs
                assert remote.cat_file(f"/remote/tokens/{path.relative_to(here)}") == path.read_bytes()
        assert not remote.exists("/remote/tokens/_parts")
        with pytest.raises(UserError, match="is not on a local disk"):
            open_tokens(folder, "train", verify=False)
    finally:
        remote.rm("/remote", recursive=True)
