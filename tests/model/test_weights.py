"""Weights to and from Hugging Face: the same numbers come out, and what cannot be computed is refused."""

import logging
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from model.gpt2 import GPT2, GPT2Config
from model.weights import config_from_huggingface, from_huggingface, huggingface_config, to_huggingface
from tests.model.conftest import perturbed
from webtext.errors import UserError

SHAPES = [
    GPT2Config(layers=2, heads=2, width=32, context=32, vocabulary=300),
    GPT2Config(layers=3, heads=25, width=100, context=48, vocabulary=257),
    GPT2Config(layers=1, heads=1, width=8, context=16, vocabulary=64),
    GPT2Config(layers=2, heads=4, width=64, context=8, vocabulary=65),
]
SMALL = SHAPES[0]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="transformers")


def theirs(config: GPT2Config) -> Any:
    """transformers' network with every number at random."""
    values = {key: value for key, value in huggingface_config(config).items() if key != "architectures"}
    network: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config(**values))
    network.eval()
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.2, generator=draw)
    return network


def compare(ours: GPT2, other: Any) -> None:
    config = ours.config
    ids = torch.randint(config.vocabulary, (3, config.context), generator=torch.Generator().manual_seed(0))
    expected = other(ids, labels=ids)
    torch.testing.assert_close(ours(ids), expected.logits, atol=1e-5, rtol=1e-5)
    loss = ours.loss(ids[:, :-1], ids[:, 1:])
    assert loss.item() == pytest.approx(expected.loss.item(), abs=1e-5)


@pytest.mark.parametrize("config", SHAPES, ids=str)
def test_transformers_weights_give_its_logits_and_loss(config: GPT2Config) -> None:
    other = theirs(config)
    ours = GPT2(config).eval()
    ours.load_state_dict(from_huggingface(other.state_dict(), config))
    compare(ours, other)


@pytest.mark.parametrize("config", SHAPES, ids=str)
def test_our_weights_give_our_logits_and_loss_in_transformers(config: GPT2Config) -> None:
    ours, other = perturbed(config, scale=0.2), theirs(config)
    missing, unexpected = other.load_state_dict(to_huggingface(ours.state_dict(), config), strict=False)
    other.tie_weights()
    assert (missing, unexpected) == (["lm_head.weight"], [])
    compare(ours, other)


@pytest.mark.parametrize("config", SHAPES, ids=str)
def test_there_and_back_changes_nothing(config: GPT2Config) -> None:
    state = perturbed(config).state_dict()
    back = from_huggingface(to_huggingface(state, config), config)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
    assert all(tensor.is_contiguous() for tensor in to_huggingface(state, config).values())
    assert config_from_huggingface(huggingface_config(config)) == config


def tensors() -> dict[str, Tensor]:
    return to_huggingface(perturbed(SMALL).state_dict(), SMALL)


def test_names_of_older_files_are_read() -> None:
    expected = perturbed(SMALL).state_dict()
    old = {name.removeprefix("transformer."): tensor for name, tensor in tensors().items()}
    for layer in range(2):
        old[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 32, 32).tril()
        old[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    read = from_huggingface(old, SMALL)
    assert all(torch.equal(read[name], expected[name]) for name in expected)
    tied = {**tensors(), "lm_head.weight": tensors()["transformer.wte.weight"]}
    assert from_huggingface(tied, SMALL).keys() == expected.keys()


def test_a_missing_tensor_is_named() -> None:
    without = tensors()
    del without["transformer.h.1.mlp.c_fc.bias"]
    with pytest.raises(UserError, match=r"no tensor transformer\.h\.1\.mlp\.c_fc\.bias"):
        from_huggingface(without, SMALL)


def test_a_tensor_of_another_shape_is_named() -> None:
    other = tensors()
    other["transformer.h.0.attn.c_attn.weight"] = other["transformer.h.0.attn.c_attn.weight"].t()
    with pytest.raises(UserError, match=r"c_attn\.weight has the shape \(96, 32\), but .* \(32, 96\)"):
        from_huggingface(other, SMALL)


def test_a_tensor_too_many_is_named() -> None:
    deeper = GPT2Config(layers=3, heads=2, width=32, context=32, vocabulary=300)
    many = to_huggingface(perturbed(deeper).state_dict(), deeper)
    with pytest.raises(UserError, match=r"tensor h\.2\."):
        from_huggingface(many, SMALL)


def test_a_head_of_its_own_is_refused() -> None:
    untied = {**tensors(), "lm_head.weight": torch.zeros(300, 32)}
    with pytest.raises(UserError, match=r"lm_head\.weight differs"):
        from_huggingface(untied, SMALL)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "llama"),
        ("model_type", None),
        ("activation_function", "gelu"),
        ("scale_attn_by_inverse_layer_idx", True),
        ("scale_attn_weights", False),
        ("add_cross_attention", True),
        ("layer_norm_epsilon", 1e-6),
        ("tie_word_embeddings", False),
        ("n_inner", 64),
        ("n_layer", "two"),
        ("n_layer", None),
        ("n_embd", 33),
        ("vocab_size", 0),
        ("n_head", 2.0),
    ],
)
def test_a_network_that_is_not_computed_here_is_refused(key: str, value: object) -> None:
    with pytest.raises(UserError):
        config_from_huggingface({**huggingface_config(SMALL), key: value})


def test_absent_keys_are_those_of_the_released_gpt2() -> None:
    assert config_from_huggingface({"model_type": "gpt2"}) == GPT2Config(layers=12, heads=12, width=768)
    assert config_from_huggingface({"model_type": "gpt2", "n_inner": 3072}).width == 768
