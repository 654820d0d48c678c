import pytest

from model.training import gpus
from webtext.errors import UserError


@pytest.mark.parametrize(
    ("device", "name", "teraflops"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100", 312),
        ("NVIDIA A100 80GB PCIe", "A100", 312),
        ("NVIDIA A100-SXM4-40GB", "A100 40GB", 312),
        ("NVIDIA H100 80GB HBM3", "H100", 989),
        ("NVIDIA H100 PCIe", "H100 PCIe", 756),
        ("NVIDIA H200", "H200", 989),
        ("NVIDIA GH200 480GB", "GH200", 989),
        ("NVIDIA L4", "L4", 121),
        ("NVIDIA L40S", "L40S", 362),
        ("NVIDIA GeForce RTX 4090", "RTX 4090", 165.2),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", 364.2),
        ("h100", "H100", 989),
        ("a100-40gb", "A100 40GB", 312),
        ("A100 40 GB", "A100 40GB", 312),
    ],
)
def test_names_of_devices_and_of_people(device: str, name: str, teraflops: float) -> None:
    gpu = gpus.known(device)
    assert gpu is not None
    assert (gpu.name, gpu.peak) == (name, teraflops * 1e12)


@pytest.mark.parametrize(
    "device", ["", "cpu", "NVIDIA GeForce GTX 1080 Ti", "Tesla V100-SXM2-16GB", "A1000", "RTX 3060"]
)
def test_what_is_not_known_has_no_peak(device: str) -> None:
    assert gpus.known(device) is None


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match=r"no GPU is known as 'H9000'; known are A100 40GB, A100, .*H200"):
        gpus.named("H9000")
