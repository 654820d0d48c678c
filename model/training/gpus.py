"""What GPUs can do, by the names that torch gives them: for plans, and for the share of the peak that a run reaches."""

import re
from typing import NamedTuple

from webtext.errors import UserError

GIB = 2**30


class Gpu(NamedTuple):
    """A kind of GPU."""

    name: str
    memory: int
    """Bytes, as torch reports them, rounded down."""
    peak: float
    """FLOP/s of dense bf16 products with fp32 sums."""


_KNOWN = (
    # Words of a name, GiB, TFLOP/s. From NVIDIA's data sheets, where they give figures "with sparsity" half of these;
    # GeForce and RTX cards from the architecture white papers (GA102, Ada, Blackwell), which alone tell sums in fp32.
    # The first line whose words are all in a name is the one.
    ("A100 40GB", 39, 312),
    ("A100", 79, 312),
    ("A800", 79, 312),
    ("H100 PCIe", 79, 756),
    ("H100 NVL", 93, 835),
    ("H100", 79, 989),
    ("H800", 79, 989),
    ("H200 NVL", 139, 835),
    ("H200", 139, 989),
    ("GH200", 94, 989),
    ("B200", 178, 2250),
    ("A30", 23, 165),
    ("A10", 22, 125),
    ("A40", 44, 149.7),
    ("L4", 22, 121),
    ("L40S", 44, 362),
    ("L40", 44, 181),
    ("RTX A6000", 47, 154.8),
    ("RTX 6000 Ada", 47, 364.2),
    ("RTX 3090", 23, 71),
    ("RTX 4090", 23, 165.2),
    ("RTX 5090", 31, 209.5),
)


def known(device_name: str) -> Gpu | None:
    """The GPU that a device's name (`torch.cuda.get_device_name()`, or as people say it) stands for, if it is known."""
    words = _words(device_name)
    for name, gib, teraflops in _KNOWN:
        if _words(name) <= words:
            return Gpu(name, gib * GIB, teraflops * 1e12)
    return None


def named(name: str) -> Gpu:
    """The GPU that a user names, in any spelling. Raises UserError for one that is not known."""
    gpu = known(name)
    if gpu is None:
        names = ", ".join(name for name, _, _ in _KNOWN)
        raise UserError(f"no GPU is known as {name!r}; known are {names}.")
    return gpu


def present() -> Gpu | None:
    """The first GPU of this machine with its own memory; None where there is none, or none that is known."""
    import torch

    if not torch.cuda.is_available():
        return None
    gpu = known(torch.cuda.get_device_name(0))
    return gpu and gpu._replace(memory=torch.cuda.get_device_properties(0).total_memory)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", re.sub(r"(\d) gb\b", r"\1gb", name.lower())))
