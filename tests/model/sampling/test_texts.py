"""Batches of texts: greedy as transformers', the same alone and together, and beyond the context."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import model
from model import checkpoint
from model.gpt2 import GPT2
from model.sampling.choosing import Choice
from model.sampling.generating import Generation
from model.sampling.layout import arrange_for_reading
from model.sampling.texts import Limits, Text, write_texts
from model.tokenizer import Tokenizer
from tests.model.conftest import NetworkFolder

GREEDY = Choice(temperature=0)
PROMPTS = ["the old house", "", "größer", "the wind went through the trees and the river"]


@pytest.fixture
def folder(network_folder: NetworkFolder) -> Path:
    return network_folder(context=64)


@pytest.fixture
def network(folder: Path) -> GPT2:
    return model.load(folder)


@pytest.fixture
def own(folder: Path) -> Tokenizer:
    return model.load_tokenizer(folder)


def written(network: GPT2, own: Tokenizer, prompts: list[str], **options: object) -> list[Text]:
    given = {"choice": Choice(top_k=50), "limits": Limits(20), "seed": 1, "batch": 8, **options}
    return list(write_texts(network, own, [own.encode(prompt) for prompt in prompts], **given))  # type: ignore[arg-type]


@pytest.mark.parametrize("arranged", [False, True])
def test_greedy_is_what_transformers_writes(folder: Path, network: GPT2, own: Tokenizer, arranged: bool) -> None:
    if arranged:
        arrange_for_reading(network)
        assert not network.get_parameter("blocks.0.mlp.up.weight").is_contiguous()
    theirs: Any = transformers.AutoModelForCausalLM.from_pretrained(folder)
    generation = Generation(network, [own.encode(prompt) or [own.end_of_text] for prompt in PROMPTS], GREEDY, seed=0)
    steps = [generation.step() for _ in range(20)]
    for row, prompt in enumerate(PROMPTS):
        ids = torch.tensor([own.encode(prompt) or [own.end_of_text]])
        expected = theirs.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, min_new_tokens=20)
        ours = [step[row] for step in steps]
        wanted = expected[0, ids.shape[1] :].tolist()
        if own.end_of_text not in ours:  # transformers may not choose it before its 20th token
            assert ours == wanted


def test_the_text_is_the_continuation_alone(network: GPT2, own: Tokenizer) -> None:
    generation = Generation(network, [own.encode("the old house")], GREEDY, seed=0)
    tokens = [generation.step()[0] for _ in range(20)]
    cut = tokens.index(own.end_of_text) if own.end_of_text in tokens else 20
    assert written(network, own, ["the old house"], choice=GREEDY) == [
        Text(own.decode(tokens[:cut]), cut, ended=cut < 20)
    ]


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_a_text_depends_on_its_prompt_and_number_and_not_on_the_batch(
    network: GPT2, own: Tokenizer, batch: int
) -> None:
    assert written(network, own, PROMPTS, batch=batch) == written(network, own, PROMPTS, batch=8)


def test_a_seed_is_a_text_and_equal_prompts_have_different_ones(network: GPT2, own: Tokenizer) -> None:
    first = written(network, own, ["the"] * 4)
    assert first == written(network, own, ["the"] * 4)
    assert len({text.text for text in first}) == 4
    assert first != written(network, own, ["the"] * 4, seed=2)
    assert first[2] == written(network, own, ["river", "wind", "the"])[2]


def test_a_batch_beyond_the_context_is_what_each_row_is_alone(
    network: GPT2, own: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    long = "the river and the trees " * 30
    prompts = ["the old house", long, "wind", " ".join(PROMPTS)]
    with caplog.at_level(logging.WARNING, logger="webtext"):
        together = written(network, own, prompts, limits=Limits(150))
    assert len(caplog.records) == 1  # told once
    for number, prompt in enumerate(prompts):
        alone = write_texts(
            network,
            own,
            [own.encode(prompt)],
            choice=Choice(top_k=50),
            limits=Limits(150),
            seed=1,
            batch=1,
            first_number=number,
        )
        assert list(alone) == [together[number]]


def test_beyond_the_context_only_the_last_half_is_read_again(network: GPT2, own: Tokenizer) -> None:
    context = network.config.context
    prompt = torch.randint(own.vocabulary, (context + 9,), generator=torch.Generator().manual_seed(0)).tolist()
    generation = Generation(network, [prompt], GREEDY, seed=0)
    text = prompt[-context:]
    with torch.inference_mode():
        expected = [int(network(torch.tensor([text]))[0, -1].argmax())]
        window = [*text, *expected][-(context // 2) :]
        for _ in range(context):
            if len(window) > context:
                window = window[-(context // 2) :]
            expected.append(int(network(torch.tensor([window]))[0, -1].argmax()))
            window.append(expected[-1])
    assert [generation.step()[0] for _ in range(context + 1)] == expected


def test_a_stop_string_ends_a_text_and_is_left_out(network: GPT2, own: Tokenizer) -> None:
    whole = written(network, own, ["the old house"])[0].text
    stop = whole[3:5]
    (stopped,) = written(network, own, ["the old house"], limits=Limits(20, (stop, "nowhere at all")))
    assert stopped.ended
    assert stopped.text == whole[: whole.index(stop)]


def test_a_text_ends_where_the_network_ends_it(network: GPT2, own: Tokenizer) -> None:
    with torch.no_grad():
        network.norm.weight.zero_()
        network.norm.bias.copy_(network.tokens.weight[own.end_of_text])
        network.tokens.weight[own.end_of_text] *= 4
    assert written(network, own, ["the", ""]) == [Text("", 0, ended=True)] * 2


def test_ids_that_the_tokenizer_does_not_have_never_come(network: GPT2, own: Tokenizer) -> None:
    generation = Generation(network, [[1]] * 8, Choice(temperature=5.0), seed=0)
    assert max(max(generation.step(vocabulary=10)) for _ in range(20)) < 10


def test_the_listener_hears_the_text_in_pieces(network: GPT2, own: Tokenizer) -> None:
    heard: list[tuple[int, str]] = []
    texts = written(network, own, ["the", "old"], batch=1, listen=lambda *piece: heard.append(piece))
    for number, text in enumerate(texts):
        assert "".join(piece for row, piece in heard if row == number) == text.text


def test_generating_leaves_the_network_as_it_is(folder: Path, network: GPT2, own: Tokenizer) -> None:
    written(network, own, PROMPTS)
    fresh = checkpoint.load(folder)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), fresh.parameters(), strict=True))
