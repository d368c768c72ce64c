"""The chunked log softmax and its backward, against the plain formula under autograd."""

import pytest
import torch
import torch.nn.functional as F

from prefgrid.logprobs import selected
from prefgrid.logprobs.selected import selected_logps

POSITIONS, HIDDEN, VOCABULARY = 6, 5, 23
SOFTCAPS = [None, 1.5]
SCALES = [1.0, 0.25, 3.0]


@pytest.fixture(autouse=True)
def several_chunks(monkeypatch):
    """Three of 7 and a last one of 2."""
    monkeypatch.setattr(selected, "CPU_TILE", 7)
    monkeypatch.setattr(selected, "MIN_CHUNK", 7)


def inputs(dtype=torch.float64, *, scale=1.0):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float64) * scale
        return drawn.to(dtype).requires_grad_()

    # The first and the last token of the vocabulary, and both sides of a chunk's edge.
    targets = torch.tensor([0, 22, 6, 7, 13, 13])
    return normal(POSITIONS, HIDDEN), normal(VOCABULARY, HIDDEN), normal(VOCABULARY), targets


def plain(hidden, weight, bias, targets, softcap, scale=1.0):
    logits = F.linear(hidden, weight, bias) * scale
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    return logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("softcap", SOFTCAPS)
@pytest.mark.parametrize("with_bias", [True, False])
def test_gradcheck(softcap, with_bias, scale):
    hidden, weight, bias, targets = inputs()
    bias = bias if with_bias else None
    assert torch.autograd.gradcheck(selected_logps, (hidden, weight, bias, targets, softcap, scale))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("softcap", SOFTCAPS)
@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 1, 2)])
def test_values_and_every_wanted_gradient_equal_the_formula(softcap, wanted, scale):
    """Kind: whatever a model does to its logits after the output layer, a scale and a cap."""
    *tensors, targets = inputs()
    for position, tensor in enumerate(tensors):
        tensor.requires_grad_(position in wanted)
    slopes = torch.linspace(-2, 3, POSITIONS, dtype=torch.float64)
    leaves = [tensors[position] for position in wanted]
    after = targets, softcap, scale
    ours, formula = selected_logps(*tensors, *after), plain(*tensors, *after)
    torch.testing.assert_close(ours, formula, atol=1e-12, rtol=1e-12)
    found = torch.autograd.grad((slopes * ours).sum(), leaves)
    expected = torch.autograd.grad((slopes * formula).sum(), leaves)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_chunks_move_float32_by_rounding_only(monkeypatch):
    hidden, weight, bias, targets = inputs(torch.float32)
    chunked = selected_logps(hidden, weight, bias, targets, None)
    monkeypatch.setattr(selected, "CPU_TILE", 10**6)
    whole = selected_logps(hidden, weight, bias, targets, None)
    torch.testing.assert_close(chunked, whole, atol=1e-6, rtol=1e-6)


def test_logits_of_thousands_stay_finite():
    hidden, weight, bias, targets = inputs(torch.float32, scale=50.0)
    logps = selected_logps(hidden, weight, bias, targets, None)
    torch.testing.assert_close(logps, plain(hidden, weight, bias, targets, None))
    assert logps.min() < -1000
    assert all(g.isfinite().all() for g in torch.autograd.grad(logps.sum(), [hidden, weight]))


@pytest.mark.parametrize("autocast", [False, True])
def test_halves_are_computed_in_float32(autocast):
    """Their products are exact in float32, so nothing but the last rounding of the gradient to
    the hidden states' own dtype may differ from float64 (2⁻⁸ of its size)."""
    hidden, weight, bias, targets = inputs(torch.bfloat16)
    wide = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight, bias)]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        ours = selected_logps(hidden, weight, bias, targets, None)
        found = torch.autograd.grad(ours.sum(), [hidden, weight, bias])
    exact = plain(*wide, targets, None)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), exact, atol=1e-5, rtol=1e-5)
    expected = torch.autograd.grad(exact.sum(), wide)
    for gradient, exact_gradient in zip(found, expected, strict=True):
        assert gradient.dtype == torch.bfloat16
        error = (gradient.double() - exact_gradient).abs()
        assert (error <= exact_gradient.abs() * 2**-8 + 1e-6).all()


def test_never_a_tensor_of_all_logits(monkeypatch):
    """The largest tensor that the forward and backward of a frozen head make or save."""
    hidden, weight, bias, targets = inputs(torch.float32)
    weight.requires_grad_(False)
    bias.requires_grad_(False)
    sizes = []

    class Sizes(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.data_ptr() != weight.data_ptr():
                sizes.append(result.numel())
            return result

    with Sizes():
        selected_logps(hidden, weight, bias, targets, None).sum().backward()
    assert POSITIONS * 7 in sizes
    assert max(sizes) < POSITIONS * VOCABULARY


@pytest.mark.skipif(not torch.cuda.is_available(), reason="products of halves on tensor cores")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("softcap", SOFTCAPS)
def test_gpu_halves_sum_in_float32(dtype, softcap):
    """Logits must be exact products summed in float32; probabilities are rounded to the weight's
    dtype before the direction's product, so gradients are near to 2⁻⁷ of their largest value."""
    tensors = [tensor.detach().cuda() for tensor in inputs(dtype)]
    hidden = tensors[0].requires_grad_()
    logps = selected_logps(hidden, *tensors[1:], softcap)
    exact_hidden = tensors[0].detach().double().requires_grad_()
    exact = plain(exact_hidden, *(t.double() for t in tensors[1:3]), tensors[3], softcap)
    torch.testing.assert_close(logps.double(), exact, atol=1e-4, rtol=1e-4)
    (found,) = torch.autograd.grad(logps.sum(), hidden)
    (expected,) = torch.autograd.grad(exact.sum(), exact_hidden)
    assert (found.double() - expected).abs().max() <= 2**-7 * expected.abs().max()
