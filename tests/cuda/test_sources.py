"""Every CUDA source compiles for every architecture it is meant for, within the registers and without the spills it was designed with."""

from __future__ import annotations

import pytest

from genopipe.device.sources import Source
from genopipe.kernels import far, on_gpu, packed_on_gpu
from tests.cuda.build import nvrtc_compile

ARCHITECTURES = ["sm_80", "sm_90", "sm_100"]
SOURCES = {each.path.name: each for module in (on_gpu, packed_on_gpu, far) for each in vars(module).values() if isinstance(each, Source)}


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_compiles_without_spills(name: str, arch: str) -> None:
    cubin, kernels = nvrtc_compile(SOURCES[name], arch)
    assert cubin[:4] == b"\x7fELF"
    assert kernels
    for entry, taken in kernels.items():
        assert taken.spilled == 0, entry
        assert taken.registers <= 128, entry
        assert taken.shared <= 48 << 10, entry


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_narrow_band_lies_in_registers(arch: str) -> None:
    _, kernels = nvrtc_compile(on_gpu.EXTEND, arch)
    assert kernels["extend_narrow"].local == 0
    assert kernels["extend_wide"].local > 0


def test_every_cuda_file_is_a_source_that_is_tested() -> None:
    """Those of the parser and the aligner are compiled in their own tests, which need more than the kernels do."""
    folder = on_gpu.EXTEND.path.parent
    assert {path.name for path in folder.glob("*.cu")} == set(SOURCES) | {"ends.cu", "fastq.cu", "pair.cu", "place.cu", "split.cu"}
