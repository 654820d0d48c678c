"""Normalisation, shingles, signatures and content hashes of texts."""

import hashlib
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import minhash

UGLY = [
    "",
    " \n\t ",
    "one",
    "one two three four",
    "one two three four five",
    "a b c d e a b c d e a b c d e",
    "Ünïcode “quotes” and—dashes, don’t_they? 1,234.5 ÅNGSTRÖM ſtraße ŒUVRE İstanbul ΣΊΣΥΦΟΣ",
    "日本語のテキスト、句読点。 ภาษาไทย mixed 中文words中文",
    "\U00020000\U0002a6d6 ext \U0001f600 emoji \U0001d400\U0001d401",
    "soft\u00adhyphen zero\u200bwidth\ufeff joiner\u200d",
    "e\u0301 \u00e9 हिन्दी में लिखा",
    "\x00\x01 control \x7f",
    "word " * 5000,
]
TEXTS = st.lists(st.text(), max_size=8)


def with_datasketch(text: str, permutations: int = 128) -> np.ndarray:
    reference = MinHash(num_perm=permutations, seed=1, hashfunc=minhash.shingle_hash)
    reference.update_batch([shingle.encode() for shingle in minhash.shingles(text)])
    return np.asarray(reference.hashvalues)


def values(texts: list[str], permutations: int = 128) -> np.ndarray:
    return minhash.signature_matrix(minhash.signatures(texts, permutations).signature, permutations)


@pytest.mark.parametrize("permutations", [1, 7, 128, 256])
def test_signatures_are_datasketchs(permutations: int) -> None:
    expected = np.array([with_datasketch(text, permutations) for text in UGLY])
    np.testing.assert_array_equal(values(UGLY, permutations), expected)


@settings(max_examples=60)
@given(TEXTS)
def test_any_text_has_datasketchs_signature_and_its_shingles(texts: list[str]) -> None:
    sketches = minhash.signatures(texts)
    matrix = minhash.signature_matrix(sketches.signature, 128)
    assert len(matrix) == len(sketches.content_hash) == len(texts)
    sets = minhash.shingle_sets(texts)
    for at, text in enumerate(texts):
        np.testing.assert_array_equal(matrix[at], with_datasketch(text))
        distinct = {minhash.shingle_hash(shingle.encode()) for shingle in minhash.shingles(text)}
        own = sets.hashes[sets.offsets[at] : sets.offsets[at + 1]]
        assert set((own & np.uint64(0xFFFFFFFF)).tolist()) == distinct
        assert sketches.shingle_count[at].as_py() == len(own) == len(distinct)
        assert (np.diff(own.astype(object)) > 0).all()


def test_a_stored_signature_loads_into_datasketch() -> None:
    left, right = "the quick brown fox jumps over the lazy dog " * 3, "the quick brown fox jumps over the lazy cat " * 3
    loaded = [
        MinHash(hashvalues=np.frombuffer(each.as_py(), "<u4"), hashfunc=minhash.shingle_hash, scheme="affine32", seed=1)
        for each in minhash.signatures([left, right]).signature
    ]
    fresh = MinHash(num_perm=128, seed=1, hashfunc=minhash.shingle_hash)
    fresh.update_batch([shingle.encode() for shingle in minhash.shingles(right)])
    assert loaded[1].jaccard(fresh) == 1.0
    assert 0 < loaded[0].jaccard(fresh) < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's  GREAT,\nreally!", "it s great really"),
        ("snake_case **bold** 3.14", "snake case bold 3 14"),
        ("Café cafe\u0301 CAFÉ", "cafe cafe cafe"),
        ("hy\u00adphen", "hyphen"),
        ("ΣΊΣΥΦΟΣ Σίσυφος", "σισυφοσ σισυφοσ"),
        ("Straße", "straße"),
        ("東京 tower", "東 京 tower"),
        ("हिन्दी", "हिन्दी"),
        ("…—!", ""),
    ],
)
def test_normalisation(text: str, words: str) -> None:
    assert minhash.normalised(text) == words


def test_equal_words_give_equal_content_hashes_and_others_do_not() -> None:
    same = ["Hello, World! One two three.", "hello world one two three", " HELLO\nWORLD: one — two — thrée "]
    other = [
        "hello world one two",
        "hello world one two three three",
        "world hello one two three",
        "",
        "helloworld one two three",
    ]
    hashes = [each.as_py() for each in minhash.signatures(same + other).content_hash]
    assert len(set(hashes[:3])) == 1
    assert len(set(hashes)) == 1 + len(other)


def test_word_order_beyond_shingles_counts_for_the_content_hash() -> None:
    around = ["x y z w v x y z w", "x y z w v x y z w v x y z w"]
    hashes = minhash.signatures(around).content_hash
    assert minhash.shingle_hashes(around[0]).tolist() == minhash.shingle_hashes(around[1]).tolist()
    assert hashes[0] != hashes[1]


@given(st.text(alphabet=st.characters(codec="utf-8", max_codepoint=0x24F)))
def test_composed_and_decomposed_texts_are_one(text: str) -> None:
    forms = [unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]
    hashes = minhash.signatures(forms).content_hash
    assert hashes[0] == hashes[1]


def test_short_texts_are_one_shingle_each_and_differ() -> None:
    texts = ["one", "two", "one two", "two one", "one two three four", ""]
    assert minhash.signatures(texts).shingle_count.to_pylist() == [1] * 6
    assert len({tuple(row) for row in values(texts).tolist()}) == 6


def test_signatures_estimate_the_real_similarity() -> None:
    draw = np.random.default_rng(5)
    shared = [f"w{n}" for n in draw.integers(0, 10**9, 2000)]
    left, right = " ".join(shared[:1500]), " ".join(shared[500:])
    one, other = minhash.shingle_hashes(left), minhash.shingle_hashes(right)
    real = len(np.intersect1d(one, other)) / len(np.union1d(one, other))
    estimate = (values([left], 4096) == values([right], 4096)).mean()
    assert abs(estimate - real) < 4 * np.sqrt(real * (1 - real) / 4096)


def test_columns_are_read_as_they_lie() -> None:
    texts = ["left out", "first text of all", "second", "日本 語", "left out"]
    expected = values(texts[1:4])
    for column in (
        pa.array(texts).slice(1, 3),
        pa.array(texts, pa.large_string()).slice(1, 3),
        pa.chunked_array([pa.array(texts[1:2]), pa.array(texts[2:4])]),
    ):
        np.testing.assert_array_equal(minhash.signature_matrix(minhash.signatures(column).signature, 128), expected)
    whole = minhash.signatures(texts).signature
    np.testing.assert_array_equal(minhash.signature_matrix(whole.slice(1, 3), 128), expected)


def test_nothing_gives_nothing() -> None:
    sketches = minhash.signatures([])
    assert [len(column) for column in sketches] == [0, 0, 0]
    assert minhash.signature_matrix(sketches.signature, 128).shape == (0, 128)
    assert minhash.shingle_sets([]).offsets.tolist() == [0]


def test_broken_utf8_is_read_within_its_bounds() -> None:
    broken = [b"\xf0", b"a \xe4\xb8", b"a\xf0", b"\x80\x80", b"ok \xff\xfe ok", b"a b\xf4\x8f\xbf\xbf\xf7\xbf\xbf\xbf"]
    offsets = np.cumsum([0, *map(len, broken)]).astype(np.int32)
    column = pa.Array.from_buffers(
        pa.string(), len(broken), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(broken))]
    )
    assert all(count >= 1 for count in minhash.signatures(column).shingle_count.to_pylist())


def test_a_wrong_width_is_refused() -> None:
    with pytest.raises(AssertionError, match="64 permutations"):
        minhash.signature_matrix(minhash.signatures(["a"], 128).signature, 64)


PRINT_DIGEST = (
    "import hashlib; from pipeline import minhash; s = minhash.signatures(['one two three four five six', 'Ä 中']);"
    "print(hashlib.sha256(b''.join(s.signature.to_pylist() + s.content_hash.to_pylist())).hexdigest())"
)


def test_same_values_in_another_process_without_a_folder_to_cache_in(tmp_path: Path) -> None:
    sketches = minhash.signatures(["one two three four five six", "Ä 中"])
    expected = hashlib.sha256(b"".join(sketches.signature.to_pylist() + sketches.content_hash.to_pylist())).hexdigest()
    unwritable = tmp_path / "file"
    unwritable.write_text("a file where a folder would have to be")
    checkout = Path(minhash.__file__).parent.parent
    copy = tmp_path / "checkout"
    (copy / "pipeline").mkdir(parents=True)
    for name in ("__init__.py", "minhash.py"):
        (copy / "pipeline" / name).write_bytes((checkout / "pipeline" / name).read_bytes())
    (copy / "pipeline" / "__pycache__").write_text("in the way")
    environment = os.environ | {
        "NUMBA_CACHE_DIR": "",
        "HOME": str(unwritable),
        "XDG_CACHE_HOME": str(unwritable),
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": str(copy),
    }
    ran = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == expected
