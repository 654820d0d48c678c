"""One tokenizer, whichever files it came from; what is no GPT-2 tokenizer is refused with a sentence."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from model.tokenizer import Tokenizer, copy_files, files, load
from model.tokenizer.vocabulary import END_OF_TEXT
from tests.model.tokenizer.conftest import Learn
from webtext.errors import UserError

TEXT = "It's   two\n\n words, 'll 2,000 été 東京 😀 don't "
FOUR = {"tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"}


@pytest.fixture
def small(learn: Learn) -> Tokenizer:
    return learn(["one two three, one two three. it's three o'clock"] * 3, 300)


@pytest.fixture
def folder(small: Tokenizer, tmp_path: Path) -> Path:
    files.write(small.contents, str(tmp_path / "tokenizer"))
    return tmp_path / "tokenizer"


def test_every_kind_of_files_holds_the_same(folder: Path, small: Tokenizer, tmp_path: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FOUR
    as_huggingface, as_openai, whole = (tmp_path / name for name in ("huggingface", "openai", "whole"))
    for target, names in (
        (as_huggingface, {"vocab.json": "vocab.json", "merges.txt": "merges.txt"}),
        (as_openai, {"vocab.json": "encoder.json", "merges.txt": "vocab.bpe"}),
        (whole, {"tokenizer.json": "tokenizer.json"}),
    ):
        target.mkdir()
        for source, name in names.items():
            shutil.copy(folder / source, target / name)
        loaded = load(target)
        assert loaded.fingerprint == small.fingerprint
        assert loaded.encode(TEXT) == small.encode(TEXT)
        assert (loaded.vocabulary, loaded.end_of_text) == (small.vocabulary, small.end_of_text)


def test_copies_have_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    copy_files(folder, tmp_path / "copy")
    copy_files(tmp_path / "copy", tmp_path / "copy of the copy")
    for name in FOUR:
        assert (tmp_path / "copy of the copy" / name).read_bytes() == (folder / name).read_bytes()


def test_transformers_loads_it(folder: Path, small: Tokenizer, tmp_path: Path) -> None:
    theirs = AutoTokenizer.from_pretrained(folder)
    assert theirs.model_max_length == 1024
    assert theirs.bos_token == theirs.eos_token == theirs.unk_token == END_OF_TEXT
    assert theirs.eos_token_id == small.end_of_text == len(theirs) - 1
    assert theirs(TEXT).input_ids == small.encode(TEXT)
    assert theirs.decode(small.encode(TEXT)) == TEXT
    theirs.save_pretrained(tmp_path / "theirs")
    assert load(tmp_path / "theirs").fingerprint == small.fingerprint


def test_it_is_found_below_a_run(folder: Path, small: Tokenizer) -> None:
    assert load(folder.parent).fingerprint == small.fingerprint


def test_another_vocabulary_has_another_fingerprint(learn: Learn, small: Tokenizer) -> None:
    assert learn(["one two four"] * 3, 300).fingerprint != small.fingerprint


def test_merges_with_windows_line_ends(folder: Path, small: Tokenizer) -> None:
    (folder / "tokenizer.json").unlink()
    merges = (folder / "merges.txt").read_bytes()
    (folder / "merges.txt").write_bytes(merges.replace(b"\n", b"\r\n"))
    assert load(folder).fingerprint == small.fingerprint


def changed(folder: Path, **changes: object) -> None:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_encodes_otherwise_is_refused(folder: Path) -> None:
    original = (folder / "tokenizer.json").read_text()
    split = {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}
    for changes, sentence in [
        ({"normalizer": {"type": "Lowercase"}}, "it changes texts before it cuts them"),
        ({"pre_tokenizer": split}, "it puts a space before every text"),
        ({"pre_tokenizer": None}, "it cuts texts in another way"),
        ({"model": {"type": "WordPiece", "vocab": {}}}, "its model is not byte-pair encoding"),
        ({"model": {**json.loads(original)["model"], "dropout": 0.1}}, "its model has dropout"),
    ]:
        (folder / "tokenizer.json").write_text(original)
        changed(folder, **changes)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=sentence):
            load(folder)


def test_older_files_write_a_merge_as_one_string(folder: Path, small: Tokenizer) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert load(folder).fingerprint == small.fingerprint


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("merges.txt", "#version: 0.2\na b c\n", "'a b c' is not two tokens"),
        ("merges.txt", "#version: 0.2\nab\n", "'ab' is not two tokens"),
        ("merges.txt", "x q\n", "needs 'xq', which has no entry"),
        ("merges.txt", b"\xff\xfe", "it is not UTF-8 text"),
        ("vocab.json", "[]", "holds no JSON object"),
        ("vocab.json", "{", "holds no JSON object"),
        ("vocab.json", '{"a": "b"}', "it must map tokens to their ids"),
        ("vocab.json", '{"a": 0}', "it has no <\\|endoftext\\|>"),
        ("vocab.json", '{"a": 0, "<|endoftext|>": 1}', "no entry for 255 of the 256 bytes"),
    ],
)
def test_broken_files(folder: Path, name: str, content: str | bytes, sentence: str) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError, match=sentence):
        load(folder)


def test_ids_that_contradict_each_other(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    path = folder / "vocab.json"
    content = json.loads(path.read_text())
    for number, sentence in [(content["b"], "belongs to two entries"), (-1, "the id -1 is negative")]:
        path.write_text(json.dumps({**content, "a": number}))
        with pytest.raises(UserError, match=sentence):
            load(folder)


def test_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match=r"there is no tokenizer in .*webtext tokenizer --set output=RUN"):
            load(path)


def test_gpt2_from_its_own_files_and_through_ours(gpt2: Tokenizer, shared_data: Path, tmp_path: Path) -> None:
    copy_files(shared_data / "text" / "gpt2_vocab", tmp_path / "copy")
    assert load(tmp_path / "copy").fingerprint == gpt2.fingerprint
    assert AutoTokenizer.from_pretrained(tmp_path / "copy")(TEXT).input_ids == gpt2.encode(TEXT)
