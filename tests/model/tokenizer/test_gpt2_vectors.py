"""GPT-2's ids as other projects wrote them down."""

import json
import re
from pathlib import Path

import pytest

from model.tokenizer import Tokenizer

Case = tuple[str, list[int]]


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> Path:
    folder = shared_data / "text" / "bpe_vectors"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


def existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no {path.name}")
    return path


def check(tokenizer: Tokenizer, cases: list[Case]) -> None:
    for text, ids in cases:
        assert tokenizer.encode(text) == ids, text[:200]
        assert tokenizer.decode(ids) == text


def test_gpt_tokenizers_plans(gpt2: Tokenizer, vectors: Path) -> None:
    content = existing(vectors / "gpt-tokenizer-TestPlans.txt").read_text(encoding="utf-8")
    pattern = r"EncodingName: r50k_base\nSample: (.*?)\nEncoded: (\[.*?\])"
    cases = [(sample, json.loads(ids)) for sample, ids in re.findall(pattern, content, re.DOTALL)]
    assert len(cases) == 64
    check(gpt2, cases)


def test_a_source_file_by_microsoft(gpt2: Tokenizer, vectors: Path) -> None:
    folder = existing(vectors / "ms-tokenizer")
    text = (folder / "lib.rs.txt").read_bytes().decode()
    ids = json.loads((folder / "tokens_gpt2.json").read_text())
    assert len(ids) > 5000
    check(gpt2, [(text, ids), (text, json.loads((folder / "tokens_r50k_base.json").read_text()))])


def test_llama_cpps_inputs(gpt2: Tokenizer, vectors: Path) -> None:
    inputs = existing(vectors / "llamacpp-gpt2.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    outputs = existing(vectors / "llamacpp-gpt2.out").read_text().split("\n")
    assert len(inputs) > 40
    check(gpt2, [(text, [int(each) for each in line.split()]) for text, line in zip(inputs, outputs, strict=False)])


def test_gpt_3_encoders_cases(gpt2: Tokenizer, vectors: Path) -> None:
    content = existing(vectors / "gpt-3-encoder-Encoder.test.js").read_text(encoding="utf-8")
    strings = re.findall(r"const str = (['\"])(.*?)\1;?\n", content)
    ids = re.findall(r"(?:toEqual\()?(\[[0-9, ]*\])", content)
    assert strings
    for _, text in strings:
        decoded = json.loads(f'"{text}"')
        assert str(gpt2.encode(decoded)).replace(" ", "") in {each.replace(" ", "") for each in ids}, text


def test_the_ranks_file_holds_the_same_tokens(gpt2: Tokenizer, shared_data: Path) -> None:
    import base64

    lines = existing(shared_data / "text" / "gpt2_vocab" / "gpt2.tiktoken").read_text().splitlines()
    assert len(lines) == 50_256
    for line in lines:
        token, rank = line.split()
        assert gpt2.decode_bytes([int(rank)]) == base64.b64decode(token)


@pytest.mark.parametrize("name", ["blns.json", "taylorswift.txt"])
def test_odd_texts_come_back(gpt2: Tokenizer, vectors: Path, name: str) -> None:
    content = existing(vectors / name).read_text(encoding="utf-8")
    texts = json.loads(content) if name.endswith(".json") else [content]
    for text in texts:
        assert gpt2.decode(gpt2.encode(text)) == text


def test_size_and_end_of_text(gpt2: Tokenizer) -> None:
    assert (gpt2.vocabulary, gpt2.end_of_text) == (50_257, 50_256)
    assert gpt2.decode([50_256]) == "<|endoftext|>"
    assert gpt2.encode("<|endoftext|>") == [27, 91, 437, 1659, 5239, 91, 29]


def test_gpt2_follows_from_ranks(gpt2: Tokenizer) -> None:
    assert gpt2.contents.follows_from_ranks()
