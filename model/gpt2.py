"""GPT-2 as it was released: the network, its loss, and a cache for generation. Read it from the bottom up.

Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), and the code released with it: a decoder
of pre-norm blocks with learned positions, tanh GELU, biases everywhere, no dropout, and a head that shares the tokens'
embedding.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model.cross_entropy import IGNORED, cross_entropy
from webtext.errors import UserError

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask  # half a second that only document masks on a GPU need

END_OF_TEXT = 50256
"""The id of <|endoftext|> in the released vocabulary."""

Mask: TypeAlias = Union[Tensor, "BlockMask", None]


@dataclasses.dataclass(frozen=True)
class GPT2Config:
    """A GPT-2's shape. Raises UserError for one that no network can have."""

    layers: int
    heads: int
    width: int
    context: int = 1024
    vocabulary: int = 50257

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise UserError(f"model: {field.name} = {getattr(self, field.name)}: give a number of at least 1.")
        if self.width % self.heads:
            raise UserError(
                f"model: width = {self.width} cannot be shared by {self.heads} heads; give a multiple of it."
            )

    @property
    def padded_vocabulary(self) -> int:
        """Rows of the tokens' embedding: the next multiple of 64, which matrix units multiply much faster."""
        return math.ceil(self.vocabulary / 64) * 64

    @property
    def parameters(self) -> int:
        """How many numbers are learned, rows of padding not counted."""
        block = 12 * self.width**2 + 13 * self.width
        return (self.vocabulary + self.context + 2) * self.width + self.layers * block


PRESETS: Mapping[str, GPT2Config] = types.MappingProxyType(
    {
        "gpt2": GPT2Config(layers=12, heads=12, width=768),
        "gpt2-medium": GPT2Config(layers=24, heads=16, width=1024),
        "gpt2-large": GPT2Config(layers=36, heads=20, width=1280),
        "gpt2-xl": GPT2Config(layers=48, heads=25, width=1600),
        # small ones, for laptops and tests
        "nano": GPT2Config(layers=3, heads=3, width=96, context=256),
        "micro": GPT2Config(layers=4, heads=4, width=256, context=256),
        "mini": GPT2Config(layers=6, heads=6, width=384, context=512),
    }
)


class Cache:
    """Keys and values of what was read so far, so that the next token costs one column, not the whole text.

    Rows may have different lengths: row i's next token goes to column and position `lengths[i]`, and what lies behind
    it is never looked at. So a batch of unequal prompts is padded on the right, read at once, and `lengths` is then set
    to the prompts' own: padding costs no position, and a row's numbers do not depend on its neighbours.
    """

    def __init__(self, config: GPT2Config, batch: int, *, device: torch.device, dtype: torch.dtype) -> None:
        shape = (config.layers, batch, config.heads, config.context, config.width // config.heads)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.lengths = [0] * batch

    def row(self, index: int) -> "Cache":
        """One row as an empty cache of its own, in the same memory."""
        row = object.__new__(Cache)
        row.keys, row.values, row.lengths = self.keys[:, index : index + 1], self.values[:, index : index + 1], [0]
        return row

    def positions(self, time: int) -> Tensor:
        """Where the next `time` tokens of each row stand: (batch, time)."""
        starts = torch.tensor(self.lengths, device=self.keys.device)
        return starts[:, None] + torch.arange(time, device=self.keys.device)

    def mask(self, positions: Tensor) -> Tensor | None:
        """Which columns each new token may see: (batch, 1, time, columns); None where it is all, or plainly causal."""
        columns = max(self.lengths) + positions.shape[1]
        if min(self.lengths) == max(self.lengths) and (positions.shape[1] == 1 or columns == positions.shape[1]):
            return None
        return (torch.arange(columns, device=positions.device) <= positions[..., None])[:, None]

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write a layer's new keys and values (batch, heads, time, head width); returns all that are of use now."""
        time = key.shape[2]
        longest = max(self.lengths)
        for store, new in ((self.keys[layer], key), (self.values[layer], value)):
            if min(self.lengths) == longest:
                store[:, :, longest : longest + time] = new
            else:
                for row, start in enumerate(self.lengths):
                    store[row, :, start : start + time] = new[row]
        return self.keys[layer, :, :, : longest + time], self.values[layer, :, :, : longest + time]


class Attention(nn.Module):
    """Causal self-attention. `qkv.weight` has the rows of all queries, then all keys, then all values."""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.heads = config.heads
        self.layer = layer
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.projection = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, mask: Mask, cache: Cache | None) -> Tensor:
        """(batch, time, width) -> the same shape."""
        batch, time, width = x.shape
        parts = self.qkv(x).view(batch, time, 3, self.heads, width // self.heads).unbind(2)
        query, key, value = (part.transpose(1, 2) for part in parts)
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
        if mask is None or isinstance(mask, Tensor):
            causal = mask is None and time > 1
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        else:
            from torch.nn.attention.flex_attention import flex_attention

            mixed = flex_attention(query, key, value, block_mask=mask)
        return self.projection(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Two layers with a tanh GELU between them, four times as wide inside."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, 4 * config.width)
        self.down = nn.Linear(4 * config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) -> the same shape."""
        return self.down(F.gelu(self.up(x), approximate="tanh"))  # type: ignore[no-any-return]


class Block(nn.Module):
    """One layer: attention, then MLP, each added to what it read through a LayerNorm."""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=1e-5)
        self.attention = Attention(config, layer)
        self.mlp_norm = nn.LayerNorm(config.width, eps=1e-5)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, mask: Mask = None, cache: Cache | None = None) -> Tensor:
        """(batch, time, width) -> the same shape."""
        x = x + self.attention(self.attention_norm(x), mask, cache)
        return x + self.mlp(self.mlp_norm(x))  # type: ignore[no-any-return]


class GPT2(nn.Module):
    """The whole network: embeddings, blocks, a last norm, and the embedding again as the head.

    Its numbers mean nothing before `initialise()` or `load_state_dict()`. recompute: keep only each block's input for
    the backward pass and compute the rest again, which costs a third more time and frees most of the memory.
    """

    def __init__(self, config: GPT2Config, *, recompute: bool = False) -> None:
        super().__init__()
        self.config = config
        self.recompute = recompute
        self.tokens = nn.Embedding(config.padded_vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=1e-5)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights as the released code does; the same numbers on every device.

        generator: on the CPU, where all numbers are drawn; None for torch's own. Standard deviations: 0.02, positions
        0.01, and the projections that add to the residual path 0.02 / sqrt(2 x layers). Biases and padding are zero.
        """
        residual = 0.02 / math.sqrt(2 * self.config.layers)
        for name, module in self.named_modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.fill_(1)
                module.bias.zero_()
            elif isinstance(module, nn.Linear | nn.Embedding):
                std = {"positions": 0.01, "projection": residual, "down": residual}.get(name.rpartition(".")[2], 0.02)
                rows = self.config.vocabulary if module is self.tokens else module.weight.shape[0]
                drawn = torch.zeros(module.weight.shape, device="cpu")
                drawn[:rows].normal_(0, std, generator=generator)
                module.weight.copy_(drawn)
                if isinstance(module, nn.Linear):
                    module.bias.zero_()

    def forward(self, ids: Tensor, *, documents: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Logits (batch, time, vocabulary) of the token after each of `ids` (batch, time; int64).

        documents: (batch, time), a number per position, equal inside one document: attention does not cross over to
        another, positions count on. cache: what was read before; the new columns are added to it.
        """
        return self.logits(self.hidden(ids, documents=documents, cache=cache))

    def loss(self, ids: Tensor, targets: Tensor, *, documents: Tensor | None = None, reduction: str = "mean") -> Tensor:
        """Cross-entropy in nats against `targets` (batch, time; -100 is left out), computed in fp32.

        reduction: `mean`, `sum`, or `none` for one number per token, of shape (batch, time).
        """
        hidden = self.hidden(ids, documents=documents)
        logits = self._padded_logits(hidden.flatten(0, 1))
        losses = cross_entropy(logits, targets.flatten())
        if reduction == "none":
            return losses.view_as(targets)
        return losses.sum() / (targets != IGNORED).sum() if reduction == "mean" else losses.sum()

    def hidden(self, ids: Tensor, *, documents: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """What the head reads: (batch, time, width). Arguments as those of `forward`."""
        time = ids.shape[1]
        mask: Mask
        if cache is not None:
            where = cache.positions(time)
            mask = cache.mask(where)
        else:
            where = torch.arange(time, device=ids.device)
            mask = None if documents is None else _document_mask(documents)
        x = self.tokens(ids) + self.positions(where)
        for block in self.blocks:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, mask, use_reentrant=False)
            else:
                x = block(x, mask, cache)
        if cache is not None:
            cache.lengths = [length + time for length in cache.lengths]
        return self.norm(x)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """What `hidden` returned, or some of its positions, to logits: (..., width) -> (..., vocabulary)."""
        return F.linear(hidden, self.tokens.weight)[..., : self.config.vocabulary]

    def _padded_logits(self, hidden: Tensor) -> Tensor:
        """Logits of all rows; those of padding are -inf, which takes no probability and gives no gradient."""
        bias = hidden.new_zeros(self.config.padded_vocabulary)
        bias[self.config.vocabulary :] = -math.inf
        return F.linear(hidden, self.tokens.weight, bias)


def _document_mask(documents: Tensor) -> Mask:
    """Whom each position may see: itself and what came before it in its document.

    Compiled for a GPU it is a block mask, whose empty blocks cost nothing; elsewhere plain: (batch, 1, time, time).
    """
    if not (documents.is_cuda and torch.compiler.is_compiling()):
        return (documents[:, :, None] == documents[:, None, :]).tril()[:, None]
    from torch.nn.attention.flex_attention import create_block_mask

    def visible(row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (documents[row, query] == documents[row, key])

    batch, time = documents.shape
    return create_block_mask(visible, batch, None, time, time, device=documents.device)
