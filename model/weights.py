"""GPT-2's tensors under our names and under Hugging Face's, and the same of its shape.

Hugging Face kept the layout of the first release: the blocks' matrices are (in, out) there, ours are torch's (out, in).
The head is the tokens' embedding: it is stored once, without the rows of padding that ours has.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from model.gpt2 import GPT2Config
from webtext.errors import UserError

PREFIX = "transformer."
TIED_HEAD = "lm_head.weight"
MASKS = (".attn.bias", ".attn.masked_bias")
"""Constants that older files carry along: what is causal is no weight."""

_OUTER = {
    "tokens.weight": "wte.weight",
    "positions.weight": "wpe.weight",
    "norm.weight": "ln_f.weight",
    "norm.bias": "ln_f.bias",
}
_BLOCK = {
    "attention_norm": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.projection": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp.up": "mlp.c_fc",
    "mlp.down": "mlp.c_proj",
}

_COMPUTED = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
"""What config.json may say otherwise and this network does not compute; the values are Hugging Face's defaults."""


def to_huggingface(state: Mapping[str, Tensor], config: GPT2Config) -> dict[str, Tensor]:
    """Our tensors under the names and in the layout of `GPT2LMHeadModel`; contiguous, the head's not repeated."""
    tensors = {}
    for ours, theirs in _names(config).items():
        tensor = state[ours].detach()
        if ours == "tokens.weight":
            tensor = tensor[: config.vocabulary]
        tensors[PREFIX + theirs] = (tensor.t() if _is_matrix(ours) else tensor).contiguous()
    return tensors


def from_huggingface(tensors: Mapping[str, Tensor], config: GPT2Config) -> dict[str, Tensor]:
    """The tensors of a `GPT2LMHeadModel` (or of a `GPT2Model`, whose names have no prefix) as `GPT2` takes them.

    Raises UserError for a tensor that is missing, too many, or of another shape, and for a head that is not the tokens'
    embedding.
    """
    given = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if not name.endswith(MASKS)}
    head = given.pop(TIED_HEAD, None)
    state = {}
    for ours, theirs in _names(config).items():
        if theirs not in given:
            raise UserError(f"the weights have no tensor {PREFIX}{theirs}; this is not a whole GPT-2 of that config.")
        tensor = given.pop(theirs)
        expected = huggingface_shape(ours, config)
        if tuple(tensor.shape) != expected:
            raise UserError(
                f"the tensor {PREFIX}{theirs} has the shape {tuple(tensor.shape)}, but config.json asks for {expected};"
                " take weights and config from the same model."
            )
        if ours == "tokens.weight":
            if head is not None and not torch.equal(head, tensor):
                raise UserError(f"{TIED_HEAD} differs from the tokens' embedding; a GPT-2 has one for both.")
            tensor = torch.nn.functional.pad(tensor, (0, 0, 0, config.padded_vocabulary - config.vocabulary))
        state[ours] = (tensor.t() if _is_matrix(ours) else tensor).contiguous()
    if given:
        raise UserError(f"the weights have a tensor {min(given)}, which no GPT-2 of that config has.")
    return state


def huggingface_config(config: GPT2Config) -> dict[str, Any]:
    """What config.json says of a network of this shape; <|endoftext|> is the vocabulary's last entry, as released."""
    last = config.vocabulary - 1
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_embd": config.width,
        "n_inner": None,
        "n_positions": config.context,
        "n_ctx": config.context,
        "vocab_size": config.vocabulary,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "initializer_range": 0.02,
        "bos_token_id": last,
        "eos_token_id": last,
        "dtype": "float32",
        **_COMPUTED,
    }


def config_from_huggingface(values: Mapping[str, Any]) -> GPT2Config:
    """The shape that a config.json describes; keys that are absent have Hugging Face's defaults.

    Raises UserError where it is no GPT-2, or a variant that this network does not compute.
    """
    if values.get("model_type") != "gpt2":
        raise UserError(f"config.json: model_type = {values.get('model_type')!r}: only gpt2 can be read here.")
    for key, computed in _COMPUTED.items():
        if values.get(key, computed) != computed:
            raise UserError(f"config.json: {key} = {values[key]!r}: this network computes {computed!r} only.")
    sizes = {
        "layers": values.get("n_layer", 12),
        "heads": values.get("n_head", 12),
        "width": values.get("n_embd", 768),
        "context": values.get("n_positions", 1024),
        "vocabulary": values.get("vocab_size", 50257),
    }
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool):
            raise UserError(f"config.json: the model's {name} is {size!r}, not a whole number.")
    config = GPT2Config(**sizes)
    if values.get("n_inner") not in (None, 4 * config.width):
        raise UserError(f"config.json: n_inner = {values['n_inner']!r}: this network computes 4 x n_embd only.")
    return config


def huggingface_shape(name: str, config: GPT2Config) -> tuple[int, ...]:
    """The shape that our tensor `name` has in Hugging Face's files."""
    width = config.width
    if name == "tokens.weight":
        return (config.vocabulary, width)
    if name == "positions.weight":
        return (config.context, width)
    wide = {"qkv": 3 * width, "up": 4 * width}.get(name.split(".")[-2], width)
    if not _is_matrix(name):
        return (wide,)
    return (4 * width if ".down." in name else width, wide)


def _names(config: GPT2Config) -> dict[str, str]:
    """Every tensor's name here, and there without prefix."""
    names = dict(_OUTER)
    for layer in range(config.layers):
        for ours, theirs in _BLOCK.items():
            for kind in ("weight", "bias"):
                names[f"blocks.{layer}.{ours}.{kind}"] = f"h.{layer}.{theirs}.{kind}"
    return names


def _is_matrix(ours: str) -> bool:
    """Whether a tensor is one of the blocks' matrices, which Hugging Face stores transposed."""
    return ours.endswith((".qkv.weight", ".projection.weight", ".up.weight", ".down.weight"))
