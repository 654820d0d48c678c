"""`webtext tokenizer` and `webtext tokens` as a user starts them."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

import model
from model.tokens.reading import open_tokens
from tests.integration.conftest import WEBTEXT, Webtext, environment

LETTERS = "etaoinshrdlu"


def write_corpus(run: Path, files: int = 2, rows: int = 40, words: int = 60, seed: int = 1) -> Path:
    """Documents of made-up words: `files` of them to train on, one held out."""
    draw = random.Random(seed)
    lexicon = ["".join(draw.choices(LETTERS, k=draw.randint(2, 9))) for _ in range(3000)]
    folder = run / "corpus" / "data"
    folder.mkdir(parents=True)
    for file in range(files + 1):
        name = f"train-{file:05d}-of-{files:05d}" if file < files else "validation-00000-of-00001"
        ids = [f"{file:04x}{row:08x}" for row in range(rows)]
        texts = [" ".join(draw.choices(lexicon, k=words)) for _ in ids]
        pq.write_table(pa.table({"id": ids, "text": texts}), folder / f"{name}.parquet", row_group_size=20)
    return run


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_from_a_corpus_to_tokens(webtext: Webtext, tmp_path: Path) -> None:
    run = write_corpus(tmp_path / "run")
    learnt = webtext("tokenizer", "--set", f"output={run}", "--set", "vocabulary=600")
    assert learnt.returncode == 0, learnt.stderr
    assert learnt.stdout == f"{run}/tokenizer\n"
    assert "bytes a token on the validation split" in learnt.stderr
    assert f"webtext tokens --set output={run}" in learnt.stderr
    encoded = webtext("tokens", "--set", f"output={run}")
    assert encoded.returncode == 0, encoded.stderr
    assert encoded.stdout == f"{run}/tokens\n"
    assert f"--set tokens={run}/tokens" in encoded.stderr

    tokenizer = model.load_tokenizer(run / "tokenizer")
    assert (tokenizer.vocabulary, tokenizer.end_of_text) == (600, 599)
    theirs = AutoTokenizer.from_pretrained(run / "tokenizer")
    for split, pattern in [("train", "train-*"), ("validation", "validation-*")]:
        tokens = open_tokens(run / "tokens", split, verify=True)
        texts = pq.read_table(sorted((run / "corpus" / "data").glob(pattern)))["text"].to_pylist()
        assert tokenizer.decode(tokens[:].tolist()).split("<|endoftext|>") == [*texts, ""]
        ids = [each for text in texts for each in [*theirs(text).input_ids, theirs.eos_token_id]]
        assert tokens[:].tolist() == ids

    before = contents(run)
    for command in ("tokenizer", "tokens"):
        keys = ["--set", "vocabulary=600"] if command == "tokenizer" else []
        again = webtext(command, "--set", f"output={run}", *keys)
        assert again.returncode == 0
        assert "[as before]" in again.stderr
    assert contents(run) == before


def test_threads_hash_seeds_and_workers_change_no_byte(webtext: Webtext, tmp_path: Path) -> None:
    made = []
    for number in (1, 2):
        run = write_corpus(tmp_path / str(number), rows=400, words=400)
        variables = {"RAYON_NUM_THREADS": str(number), "PYTHONHASHSEED": str(number)}
        for command, keys in [("tokenizer", ["vocabulary=2000"]), ("tokens", [f"workers={number}"])]:
            options = [each for key in [f"output={run}", *keys] for each in ("--set", key)]
            done = webtext(command, *options, variables=variables)
            assert done.returncode == 0, done.stderr
        made.append({**contents(run / "tokenizer"), **contents(run / "tokens")})
    assert made[0] == made[1]


def test_gpt2s_own_vocabulary(webtext: Webtext, tmp_path: Path, shared_data: Path) -> None:
    run = write_corpus(tmp_path / "run")
    source = shared_data / "text" / "gpt2_vocab"
    taken = webtext("tokenizer", "--set", f"output={run}", "--set", f"import_from={source}")
    assert taken.returncode == 0, taken.stderr
    assert webtext("tokens", "--set", f"output={run}").returncode == 0
    tokens = open_tokens(run / "tokens", "train", verify=True)
    assert (tokens.vocabulary, tokens.end_of_text, tokens[-1]) == (50_257, 50_256, 50_256)
    text = "Hello, World! How are you today? 🌍"
    assert AutoTokenizer.from_pretrained(run / "tokenizer")(text).input_ids == model.load_tokenizer(source).encode(text)


def test_another_tokenizer_makes_other_tokens(webtext: Webtext, tmp_path: Path) -> None:
    run = write_corpus(tmp_path / "run")
    sizes = []
    for vocabulary in (300, 900):
        assert webtext("tokenizer", "--set", f"output={run}", "--set", f"vocabulary={vocabulary}").returncode == 0
        assert webtext("tokens", "--set", f"output={run}").returncode == 0
        tokens = open_tokens(run / "tokens", "train", verify=True)
        assert tokens.vocabulary == vocabulary
        sizes.append(tokens.total)
    assert sizes[0] > sizes[1]


def test_a_small_corpus_gives_a_small_vocabulary(webtext: Webtext, tmp_path: Path) -> None:
    run = write_corpus(tmp_path / "run", files=1, rows=2, words=5)
    done = webtext("tokenizer", "--set", f"output={run}")
    assert done.returncode == 0
    assert "entries where 50,257 were wanted: no other pair occurs 2 times" in done.stderr
    tokenizer = model.load_tokenizer(run)
    assert tokenizer.end_of_text == tokenizer.vocabulary - 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tokenizer"], "the key output is missing"),
        (
            ["tokenizer", "--set", "output={run}"],
            "{run}/corpus/data holds no train-*.parquet; make one with webtext corpus",
        ),
        (["tokens", "--set", "output={run}"], "{run}/corpus/data holds no train-*.parquet"),
        (["tokenizer", "--set", "output={run}", "--set", "vocab=5"], "unknown key vocab: did you mean vocabulary?"),
        (["tokenizer", "--set", "output={run}", "--set", "vocabulary=200"], "greater than or equal to 257"),
        (
            ["tokenizer", "--set", "output={run}", "--set", "sample_bytes=2147483648"],
            "less than or equal to 2147483647",
        ),
        (["tokenizer", "--set", "output={run}", "--set", "import_from={run}/no"], "there is no tokenizer in {run}/no"),
        (["tokenizer", "--set", "output={run}", "--frequency"], "webtext tokenizer does not know --frequency"),
        (["tokens", "--set", "output={run}", "more"], "webtext tokens does not know more"),
        (["tokens", "--set", "output={run}", "--export", "x"], "--export takes llmc:FOLDER or nanogpt:FOLDER"),
    ],
)
def test_mistakes_have_a_sentence(webtext: Webtext, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    run = tmp_path / "run"
    done = webtext(*(argument.replace("{run}", str(run)) for argument in arguments))
    assert done.returncode == 2
    assert sentence.replace("{run}", str(run)) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not run.exists()


def test_tokens_without_a_tokenizer(webtext: Webtext, tmp_path: Path) -> None:
    run = write_corpus(tmp_path / "run")
    done = webtext("tokens", "--set", f"output={run}")
    assert done.returncode == 2
    assert "webtext tokenizer" in done.stderr


def test_dry_runs_write_nothing(webtext: Webtext, tmp_path: Path) -> None:
    run = write_corpus(tmp_path / "run")
    before = contents(tmp_path)
    planned = webtext("tokenizer", "--set", f"output={run}", "--dry-run")
    assert planned.returncode == 0
    assert "would learn 50,257 entries" in planned.stdout
    assert contents(tmp_path) == before
    assert webtext("tokenizer", "--set", f"output={run}", "--set", "vocabulary=400").returncode == 0
    before = contents(tmp_path)
    planned = webtext("tokens", "--set", f"output={run}", "--dry-run", "--export", "llmc:x")
    assert "would be written for llmc to x" in planned.stdout
    assert contents(tmp_path) == before


def test_exports(webtext: Webtext, tmp_path: Path) -> None:
    run = write_corpus(tmp_path / "run")
    assert webtext("tokenizer", "--set", f"output={run}", "--set", "vocabulary=400").returncode == 0
    options = [f"--export={kind}:{tmp_path / kind}" for kind in ("llmc", "nanogpt")]
    done = webtext("tokens", "--set", f"output={run}", *options)
    assert done.returncode == 0, done.stderr
    content = (run / "tokens" / "train-00000.bin").read_bytes()
    assert (tmp_path / "nanogpt" / "train.bin").read_bytes() == content
    assert (tmp_path / "llmc" / "webtext_train_000000.bin").read_bytes()[1024:] == content
    assert json.loads((tmp_path / "nanogpt" / "meta.json").read_text())["vocab_size"] == 400


def test_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from webtext.command import main; code = main(sys.argv[1:]); "
        "print([name for name in ('torch', 'transformers', 'apache_beam', 'pipeline') if name in sys.modules]); "
        "sys.exit(code)"
    )
    run = write_corpus(tmp_path / "run")
    for command in ("tokenizer", "tokens"):
        done = subprocess.run(
            [Path(WEBTEXT).with_name("python"), "-c", program, command, "--set", f"output={run}"],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture(scope="module")
def whole(webtext: Webtext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some megabytes with its tokens, made without a stop by one process."""
    run = write_corpus(tmp_path_factory.mktemp("whole") / "run", files=4, rows=300, words=800)
    assert webtext("tokenizer", "--set", f"output={run}", "--set", "vocabulary=1000").returncode == 0
    assert webtext("tokens", "--set", f"output={run}", "--set", "workers=1").returncode == 0
    return run


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_tokens_go_on(webtext: Webtext, tmp_path: Path, whole: Path, signal_number: signal.Signals) -> None:
    run = tmp_path / "run"
    for part in ("corpus", "tokenizer"):
        shutil.copytree(whole / part, run / part)
    parts = run / "tokens" / "_parts"
    with encoding(run) as process:
        children = children_of(process.pid)
        process.send_signal(signal_number)
        _, told = process.communicate(timeout=60)
    if signal_number != signal.SIGKILL:
        assert process.returncode == 128 + signal_number
        assert told.count("\n") == 1, told
    else:
        assert process.returncode == -signal.SIGKILL
    wait_for_the_end_of(children)
    there = {path: path.stat().st_mtime_ns for path in parts.glob("*.arrow")}
    assert there
    assert not (run / "tokens" / "_SUCCESS").exists()
    done = webtext("tokens", "--set", f"output={run}", "--set", "workers=2")
    assert done.returncode == 0, done.stderr
    assert contents(run / "tokens") == contents(whole / "tokens")


def test_a_process_that_is_killed(webtext: Webtext, tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    for part in ("corpus", "tokenizer"):
        shutil.copytree(whole / part, run / part)
    with encoding(run) as process:
        children = children_of(process.pid)
        os.kill(children[-1], signal.SIGKILL)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "a process that encodes was ended from outside" in told
    assert "Traceback" not in told
    wait_for_the_end_of(children)
    assert webtext("tokens", "--set", f"output={run}").returncode == 0
    assert contents(run / "tokens") == contents(whole / "tokens")


@contextlib.contextmanager
def encoding(run: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command with two workers, when it has some parts."""
    command = [WEBTEXT, "tokens", "--set", f"output={run}", "--set", "workers=2"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while len(list((run / "tokens" / "_parts").glob("*.arrow"))) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process


def children_of(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in listed]


def wait_for_the_end_of(processes: list[int]) -> None:
    """Processes whose parent is gone end too."""
    assert processes
    deadline = time.monotonic() + 30
    while any(is_alive(process) for process in processes):
        assert time.monotonic() < deadline, "children outlive the command"
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
