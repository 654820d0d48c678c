"""Is what a GPU computes right? Each check returns figures and whether they are within bounds."""

import contextlib
import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from model.gpt2 import GPT2, GPT2Config
from model.training import muon, optimizers

Figures = dict[str, float | bool | str]

CONFIG = GPT2Config(layers=2, heads=4, width=256, context=256)
SEQUENCES = 4
LARGEST_DIFFERENCE = {torch.float32: (1e-4, 1e-3), torch.bfloat16: (1e-2, 5e-2)}
"""Of the loss (absolute, nats) and of the whole gradient (relative to its norm), from the plain way in fp32."""
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}

LossOf = Callable[..., Tensor]


class Example:
    """A network with weights as after some training, its batch, and what the plain way in fp32 makes of them."""

    def __init__(self, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(1)
        self.device = device
        self.network = GPT2(CONFIG)
        self.network.initialise(generator)
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
        self.network.to(device)
        drawn = torch.randint(0, CONFIG.vocabulary, (SEQUENCES, CONFIG.context + 1), generator=generator).to(device)
        self.ids, self.targets = drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous()
        ends = torch.rand(SEQUENCES, CONFIG.context, generator=generator) < 0.03
        self.documents = ends.cumsum(1).to(device)
        with sdpa_kernel(SDPBackend.MATH):
            self.plain = {masked: self.differentiate(self.network.loss, masked=masked) for masked in (False, True)}

    def differentiate(
        self, loss_of: LossOf, dtype: torch.dtype = torch.float32, *, masked: bool = False
    ) -> tuple[Tensor, Tensor]:
        """A loss, with attention kept inside documents or not, and its gradient as one vector."""
        self.network.zero_grad(set_to_none=True)
        lower = dtype != torch.float32
        with torch.autocast(self.device.type, dtype) if lower else contextlib.nullcontext():
            loss = loss_of(self.ids, self.targets, documents=self.documents if masked else None)
        torch.autograd.backward(loss)
        gradients = [each.grad.flatten() for each in self.network.parameters() if each.grad is not None]
        return loss.detach(), torch.cat(gradients)

    def compared(self, loss_of: LossOf, dtype: torch.dtype, *, masked: bool = False) -> Figures:
        """How far another way is from the plain one."""
        plain_loss, plain_gradients = self.plain[masked]
        loss, gradients = self.differentiate(loss_of, dtype, masked=masked)
        off = (loss - plain_loss).abs().item()
        turned = ((gradients - plain_gradients).norm() / plain_gradients.norm()).item()
        most = LARGEST_DIFFERENCE[dtype]
        return {"loss_off": off, "gradient_off": turned, "right": off <= most[0] and turned <= most[1]}


def checks(device: torch.device, *, compiled: bool) -> Iterator[tuple[str, Callable[[], Figures]]]:
    """All checks by name, to be run one by one."""
    example = Example(device)
    loss = example.network.loss
    yield "bf16", lambda: example.compared(loss, torch.bfloat16)
    if compiled:
        fast = torch.compile(loss, dynamic=False)
        yield "compiled fp32", lambda: example.compared(fast, torch.float32)
        yield "compiled bf16", lambda: example.compared(fast, torch.bfloat16)
    if device.type == "cuda":
        for name, backend in BACKENDS.items():
            yield f"bf16, {name} attention", functools.partial(_with_backend, example, backend)
    yield "document masking", lambda: _documents(example, loss)
    yield "masked bf16", lambda: example.compared(loss, torch.bfloat16, masked=True)
    if compiled:
        masked = torch.compile(loss, dynamic=False)
        yield "compiled document masking", lambda: _documents(example, masked)
        yield "compiled masked bf16", lambda: example.compared(masked, torch.bfloat16, masked=True)
    yield "Muon in bf16", lambda: _muon(device)
    recipes: tuple[optimizers.Recipe, ...] = ("paper", "fast")
    for recipe in recipes:
        yield f"a step of {recipe}", functools.partial(_step, device, recipe)


def _with_backend(example: Example, backend: SDPBackend) -> Figures:
    try:
        with sdpa_kernel(backend):
            return example.compared(example.network.loss, torch.bfloat16)
    except RuntimeError as error:
        return {"right": True, "absent": str(error).splitlines()[0]}


@torch.no_grad()
def _documents(example: Example, loss_of: LossOf) -> Figures:
    """Against every document read alone, at its own positions; and no document feels what another says."""
    network, ids = example.network, example.ids

    def losses(given: Tensor) -> Tensor:
        return loss_of(given, example.targets, documents=example.documents, reduction="none")

    measured = losses(ids)
    slow = torch.zeros_like(measured)
    for row in range(len(ids)):
        for document in torch.unique(example.documents[row]):
            where = torch.nonzero(example.documents[row] == document)[:, 0]
            slow[row, where] = _alone(network, ids[row, where], example.targets[row, where], where)
    first = example.documents == 0
    others = losses(torch.where(first, (ids + 1) % CONFIG.vocabulary, ids))
    felt = (others - measured)[~first].abs().max().item()
    off = (measured - slow).abs().max().item()
    return {"loss_off": off, "felt": felt, "right": off < 2e-3 and felt < 1e-5}


def _alone(network: GPT2, ids: Tensor, targets: Tensor, positions: Tensor) -> Tensor:
    """The losses of one document, its tokens at given positions."""
    x = (network.tokens(ids) + network.positions(positions))[None]
    for block in network.blocks:
        x = block(x)
    logits = network.logits(network.norm(x))[0].float()
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")


def _muon(device: torch.device) -> Figures:
    generator = torch.Generator().manual_seed(2)
    worst, highest = 0.0, 0.0
    for shape in ((4, 768, 768), (2, 768, 3072), (2, 3072, 768)):
        matrices = torch.randn(shape, generator=generator).to(device)
        exact, rough = muon.orthogonalise(matrices), muon.orthogonalise(matrices.bfloat16()).float()
        worst = max(worst, ((rough - exact).norm() / exact.norm()).item())
        highest = max(highest, torch.linalg.svdvals(rough).max().item())
    return {"off": worst, "largest_singular_value": highest, "right": worst < 0.05 and highest < 1.35}


def _step(device: torch.device, recipe: optimizers.Recipe) -> Figures:
    """Three steps on the device against three on the CPU, from the same gradients."""
    ends = []
    for place in (device, torch.device("cpu")):
        network = GPT2(GPT2Config(layers=2, heads=2, width=128, context=64, vocabulary=1000))
        network.initialise(torch.Generator().manual_seed(3))
        network.to(place)
        optimizer = optimizers.build(network, recipe, learning_rate=1e-2, weight_decay=0.1, device=place)
        generator = torch.Generator().manual_seed(4)
        for _ in range(3):
            for parameter in network.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator).to(place)
            optimizers.clip_gradients(network.parameters(), 1.0)
            optimizer.step()
        ends.append(torch.cat([parameter.detach().flatten().cpu() for parameter in network.parameters()]))
    off = ((ends[0] - ends[1]).norm() / ends[1].norm()).item()
    return {"off": off, "right": off < (0.02 if recipe == "fast" else 1e-4)}
