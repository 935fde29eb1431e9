"""Linear layers with AWQ weights on the CPU, against a reference of the format and lmdeploy's own plain version."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lmdeploy.pytorch.backends.awq_modules import LinearW4A16BuildSpec
from lmdeploy.pytorch.backends.default.awq_modules import DefaultLinearW4A16Impl

from tests.awq_maker import Array, Quantised, quantised
from vlmplug.engine.cpu.awq import CpuLinearW4A16, dequantised
from vlmplug.engine.cpu.backend import CpuOpsBackend
from vlmplug.errors import WeightsError

GROUP, INPUTS, OUTPUTS = 32, 96, 40


@pytest.fixture(scope="module")
def layer() -> Quantised:
    torch.set_num_threads(1)
    return quantised(np.random.default_rng(0).normal(size=(OUTPUTS, INPUTS)).astype(np.float32), GROUP)


def tensors(layer: Quantised) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    stored = layer.stored
    return tuple(torch.from_numpy(stored[name]) for name in ("qweight", "scales", "qzeros"))  # type: ignore[return-value]


def spec(bits: int = 4) -> LinearW4A16BuildSpec:
    return LinearW4A16BuildSpec(INPUTS, OUTPUTS, bits, GROUP, False, torch.float16)


@settings(deadline=None, max_examples=30)
@given(arrays.arrays(np.float32, (8, 64), elements=st.floats(-8, 8, width=16)))
def test_weights_are_those_that_are_meant(weight: Array) -> None:
    weight[:, ::32], weight[:, 1::32] = -1, 1  # no group of equal values, which has no scale
    layer = quantised(weight, 32)
    assert np.array_equal(dequantised(*tensors(layer)).numpy().T, layer.meant)


@pytest.mark.parametrize("rows", [(1, 1), (1, 7), (7,), (2, 3)])
def test_products_are_exact_in_float32(layer: Quantised, rows: tuple[int, ...]) -> None:
    x, bias = torch.randn(*rows, INPUTS), torch.randn(OUTPUTS).half()
    qweight, scales, qzeros = tensors(layer)
    found = CpuOpsBackend.build_op(spec()).forward(x, qweight, scales, qzeros, bias)
    expected = x @ torch.from_numpy(layer.meant).T + bias.float()
    assert found.shape == (*rows, OUTPUTS)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_products_have_the_type_of_the_activations(layer: Quantised, dtype: torch.dtype) -> None:
    x = torch.randn(1, 5, INPUTS).to(dtype)
    found = CpuLinearW4A16(spec()).forward(x, *tensors(layer))
    assert found.dtype == dtype
    torch.testing.assert_close(found, (x.float() @ torch.from_numpy(layer.meant).T).to(dtype))


def test_lmdeploys_plain_version_says_the_same_in_its_precision(layer: Quantised) -> None:
    x = torch.randn(1, 5, INPUTS)
    theirs = DefaultLinearW4A16Impl(INPUTS, OUTPUTS, 4, GROUP).forward(x, *tensors(layer))
    ours = CpuLinearW4A16(spec()).forward(x, *tensors(layer))
    # float16 activations, weights and products: 2 ** -11 each, of sums of 96 products
    torch.testing.assert_close(ours, theirs, atol=3 * 2.0**-11 * float(ours.abs().max()), rtol=0)


def test_other_bits_are_refused() -> None:
    with pytest.raises(WeightsError, match="AWQ with 8 bits"):
        CpuOpsBackend.build_op(spec(8))
