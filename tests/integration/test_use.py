"""Using a network as a user does: `webtext sample` and `webtext export`, on random weights and on a trained run."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
import torch
import transformers

from tests.conftest import CHECKOUT
from tests.integration.conftest import WEBTEXT, Webtext
from tests.integration.training_runs import done, write_config
from tests.model.training.token_folders import write_tokens
from webtext.command import main

FEW = ("--max-tokens", "20", "--seed", "1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps on tokens made by hand."""
    folder = tmp_path_factory.mktemp("trained")
    finished = done(write_config(folder, folder / "run", write_tokens(folder / "tokens")))
    assert finished.returncode == 0, finished.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def exported(trained: Path, webtext: Webtext) -> Path:
    """The run as a Hugging Face folder."""
    finished = webtext("export", "--checkpoint", str(trained), "--output", str(trained.parent / "HF"))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"{trained.parent / 'HF'}\n"
    return trained.parent / "HF"


@pytest.fixture
def sample(trained: Path) -> "Sample":
    return Sample(trained)


class Sample:
    """`webtext sample` on the run, in this process, where torch is loaded already; its output as bytes."""

    def __init__(self, checkpoint: Path) -> None:
        self.command = [WEBTEXT, "sample", "--checkpoint", str(checkpoint)]

    def __call__(self, *options: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        streams = [io.TextIOWrapper(io.BytesIO(content), encoding="utf-8") for content in (stdin, b"", b"")]
        before = (sys.stdin, sys.stdout, sys.stderr)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        sys.stdin, sys.stdout, sys.stderr = streams
        try:
            code = main([*self.command[1:], *options])
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = (stream.detach().getvalue() for stream in streams[1:])
        return subprocess.CompletedProcess(self.command, code, out, err)


def test_greedy_text_is_that_of_transformers(exported: Path, trained: Path) -> None:
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(exported)
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(exported)
    for prompt in ("the", "e eab", "größer 日"):
        ids = their_tokenizer(prompt, return_tensors="pt")
        room = network.config.n_positions - ids.input_ids.shape[1]
        expected = network.generate(**ids, max_new_tokens=room, do_sample=False)[0, ids.input_ids.shape[1] :]
        text = str(their_tokenizer.decode(expected, skip_special_tokens=True))
        for folder in (trained, exported):
            options = ("--prompt", prompt, "--temperature", "0", "--max-tokens", str(room))
            finished = Sample(folder)(*options)
            assert finished.returncode == 0, finished.stderr
            assert finished.stdout.decode() == (text if text.endswith("\n") else f"{text}\n")


def test_the_card_tells_of_the_run(exported: Path, trained: Path) -> None:
    card = (exported / "README.md").read_text()
    last = json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"| tokens seen | {last['tokens']:,} |" in card
    assert f"| validation | {last['validation_loss']:.4f}".rstrip("0") in card
    assert str(trained.parent) not in card


def test_stdout_has_text_only_and_a_seed_repeats_it(sample: Sample) -> None:
    first = sample("--prompt", "the", *FEW)
    assert first.returncode == 0, first.stderr
    assert first.stderr == b""
    assert first.stdout.decode().strip()
    assert sample("--prompt", "the", *FEW, "--no-stream").stdout == first.stdout
    assert sample("--prompt", "the", "--max-tokens", "20", "--seed", "2").stdout != first.stdout
    unseeded = sample("--prompt", "the", "--max-tokens", "20")
    assert unseeded.stderr.startswith(b"seed  ")
    repeated = sample("--prompt", "the", "--max-tokens", "20", "--seed", unseeded.stderr.split()[1].decode())
    assert repeated.stdout == unseeded.stdout


def test_prompts_come_from_options_files_and_stdin(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_bytes(b"caf\xe9 \xff the")
    by_file = sample("--prompt-file", str(tmp_path / "prompt.txt"), *FEW)
    assert by_file.returncode == 0, by_file.stderr
    assert sample("--prompt-file", "-", *FEW, stdin=b"caf\xe9 \xff the").stdout == by_file.stdout
    assert sample("--prompt", os.fsdecode(b"caf\xe9 \xff the"), *FEW).stdout == by_file.stdout
    missing = sample("--prompt-file", str(tmp_path / "none.txt"))
    assert (missing.returncode, missing.stdout) == (2, b"")
    assert b"none.txt" in missing.stderr


def test_several_texts_are_parted_and_do_not_depend_on_the_batch(sample: Sample, tmp_path: Path) -> None:
    options = ("--prompt", "the", "--prompt", "", "--count", "2", *FEW, "--separator", "=====")
    together = sample(*options)
    assert together.stdout.count(b"=====\n") == 3
    assert sample(*options, "--batch", "1").stdout == together.stdout
    to_file = sample(*options, "--output", str(tmp_path / "texts.jsonl"))
    assert (to_file.returncode, to_file.stdout) == (0, b"")
    rows = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in rows] == ["the", "the", "", ""]
    assert all(row["tokens"] == 20 or row["ended"] for row in rows)
    texts = together.stdout.decode().split("=====\n")
    assert [row["text"].rstrip("\n") for row in rows] == [text.rstrip("\n") for text in texts]


def test_a_stop_string_ends_the_text(sample: Sample) -> None:
    whole = sample("--prompt", "the", *FEW).stdout.decode()
    stop = whole[4:6]
    assert sample("--prompt", "the", *FEW, "--stop", stop).stdout.decode() == whole[: whole.index(stop)] + "\n"


def test_a_text_beyond_the_context_says_so_once(sample: Sample) -> None:
    finished = sample("--prompt", "the " * 200, "--max-tokens", "100", "--seed", "1")
    assert finished.returncode == 0
    assert finished.stderr.count(b"context") == 1


def test_whoever_reads_no_further_ends_it(sample: Sample) -> None:
    command = [*sample.command, "--max-tokens", "100000", "--seed", "1", "--prompt", "the"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        read(process.stdout, 10)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_ctrl_c_ends_it_without_a_word(sample: Sample) -> None:
    command = [*sample.command, "--max-tokens", "100000", "--seed", "1", "--prompt", "the"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        read(process.stdout, 10)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert b"Traceback" not in said
        assert b"goes on" not in said


def read(stream: IO[bytes] | None, count: int) -> bytes:
    assert stream is not None
    return stream.read(count)


def test_a_conversation_over_a_pipe(sample: Sample) -> None:
    command = [*sample.command, "--interactive", *FEW]
    finished = subprocess.run(
        command, cwd=CHECKOUT, input=b"the\n\nold\n", capture_output=True, timeout=120, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    first = sample("--prompt", "the", *FEW)
    assert finished.stdout.startswith(first.stdout)
    assert len(finished.stdout) > len(first.stdout)


def test_a_conversation_on_a_terminal_ends_with_ctrl_d_and_survives_ctrl_c(sample: Sample) -> None:
    ours, theirs = pty.openpty()
    command = [*sample.command, "--interactive", "--max-tokens", "1000000", "--seed", "1"]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = wait_for(ours, b"> ", b"")
        os.write(ours, b"the\n")
        seen = wait_for(ours, b"the\r\n", b"")
        os.read(ours, 100)  # text comes
        process.send_signal(signal.SIGINT)
        seen = wait_for(ours, b"\r\n> ", b"")
        assert b"Traceback" not in seen
        os.write(ours, b"\x04")
        assert process.wait(timeout=60) == 0
        os.close(ours)


def wait_for(terminal: int, end: bytes, seen: bytes) -> bytes:
    while end not in seen:
        seen += os.read(terminal, 10_000)
    return seen


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--temperature", "-1"), b"temperature"),
        (("--top-p", "0"), b"top-p"),
        (("--max-tokens", "0"), b"--max-tokens"),
        (("--stop", ""), b"--stop"),
        (("--interactive", "--prompt", "a"), b"--interactive"),
        (("--device", "cuda"), b"GPU"),
        (("--tempreature", "1"), b"--tempreature"),
    ],
)
def test_a_wrong_option_gets_a_sentence(sample: Sample, options: tuple[str, ...], word: bytes) -> None:
    if options[0] == "--device" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    finished = sample(*options)
    assert (finished.returncode, finished.stdout) == (2, b"")
    assert word in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_a_path_without_a_network_gets_a_sentence(webtext: Webtext, tmp_path: Path) -> None:
    sentence = f"error: {tmp_path} has no config.json; give a checkpoint, a training run or a Hugging Face folder.\n"
    sampled = Sample(tmp_path)()
    assert (sampled.returncode, sampled.stderr.decode()) == (2, sentence)
    exported = webtext("export", "--checkpoint", str(tmp_path), "--output", str(tmp_path / "HF"))
    assert (exported.returncode, exported.stderr) == (2, sentence)
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_torch(webtext: Webtext) -> None:
    for command in ("sample", "export"):
        finished = webtext(command, "--help", variables={"PYTHONPROFILEIMPORTTIME": "1"})
        assert finished.returncode == 0
        assert "--checkpoint" in finished.stdout
        assert " torch" not in finished.stderr
