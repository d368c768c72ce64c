"""The general preference model's own maths, against closed forms and circles."""

import math

import pytest
import torch
from tiny_policy import tiny_lora, tiny_model
from tiny_preferences import preference_model, shape

from prefgrid.models.preference import (
    GATES,
    PreferenceModel,
    skew_matrix,
    skew_products,
)


def rotation(pairs: int) -> torch.Tensor:
    return torch.block_diag(*[torch.tensor([[0.0, -1.0], [1.0, 0.0]])] * pairs)


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_sign_is_that_of_the_paper():
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert skew_products(first, second) == 1
    assert skew_products(second, first) == -1


@pytest.mark.parametrize("d", [2, 4, 8])
def test_products_are_the_bilinear_form_of_a_rotation(d):
    """s = ⟨R Λ v_i, v_j⟩."""
    v, scales = draws(5, d), draws(d // 2, seed=1).abs()
    expected = (rotation(d // 2) @ torch.diag(scales.repeat_interleave(2)) @ v.T).T @ v.T
    torch.testing.assert_close(skew_matrix(v, scales), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("d", [1, 2, 6])
def test_matrices_are_antisymmetric_to_the_bit(d):
    v, scales = draws(7, d) * 100, None if d == 1 else draws(d // 2, seed=1).exp()
    s = skew_matrix(v, scales)
    assert torch.equal(s, -s.T) and torch.equal(s.diagonal(), torch.zeros(7))


def test_a_pair_with_a_constant_is_bradley_terry():
    """v = (r, c): s = c (r_i − r_j)."""
    rewards, c = draws(6, 1), 0.7
    v = torch.cat([rewards, torch.full_like(rewards, c)], 1)
    torch.testing.assert_close(skew_matrix(v), c * skew_matrix(rewards), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(skew_matrix(rewards), rewards - rewards.T)


def test_any_skew_matrix_has_embeddings_of_its_rank():
    """i·S = Σ μ u u* over conjugate pairs ±μ, so S_ij = Σ_{μ>0} 2μ Im(u_i ū_j), each term a skew product of
    the coordinates (Im u, Re u)."""
    matrix = draws(6, 6).double()
    matrix = matrix - matrix.T
    values, vectors = torch.linalg.eigh(1j * matrix)
    u = vectors[:, values > 0] * (2 * values[values > 0]).sqrt()
    v = torch.stack([u.imag, u.real], dim=2).flatten(1)
    torch.testing.assert_close(skew_matrix(v), matrix, atol=1e-10, rtol=1e-10)


def test_gates_sum_to_what_they_should():
    z, width = draws(9, 3) * 5, 16
    softmax = GATES["softmax"](z, width)
    torch.testing.assert_close(softmax.sum(-1), torch.ones(9))
    scaled = GATES["scaled_softmax"](z, width)
    torch.testing.assert_close(scaled.mean(-1), torch.ones(9))
    torch.testing.assert_close(scaled, 3 * torch.softmax(z / 4, -1))
    torch.testing.assert_close(GATES["softplus"](z, width), torch.log1p(z.double().exp()).float())
    assert all((gate(z, width) > 0).all() for gate in GATES.values())


@pytest.mark.parametrize("gate", GATES)
def test_scales_are_the_gate_of_the_prompt_head(gate):
    model, states = preference_model(gate=gate), draws(3, 32)
    z = states @ model.prompt_head.weight.T
    torch.testing.assert_close(model.scales(states), GATES[gate](z, 32))
    assert preference_model().scales(states) is None


@pytest.mark.parametrize("normalize", [True, False])
def test_embeddings_have_length_one_where_asked(normalize):
    states = draws(5, 32)
    model = preference_model(normalize=normalize)
    v = states @ model.value_head.weight.T
    expected = v / v.norm(dim=1, keepdim=True) if normalize else v
    torch.testing.assert_close(model.embeddings(states), expected)


def test_heads_are_float32_under_autocast_and_a_half_decoder():
    model = preference_model(gate="softmax")
    model.backbone.to(torch.bfloat16)
    states = draws(4, 32).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.embeddings(states).dtype == model.scales(states).dtype == torch.float32
    torch.testing.assert_close(
        model.embeddings(states)[0].norm(), torch.tensor(1.0), atol=1e-6, rtol=0
    )


def test_new_heads_are_drawn_as_published_and_by_their_seed_alone():
    backbone = tiny_model()
    state = torch.get_rng_state()
    one, other = (PreferenceModel(backbone, shape(dimension=512), seed=seed) for seed in (1, 2))
    again = PreferenceModel(backbone, shape(dimension=512), seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.value_head.weight, again.value_head.weight)
    assert not torch.equal(one.value_head.weight, other.value_head.weight)
    assert one.value_head.weight.std().item() == pytest.approx(1 / 33, rel=0.05)
    assert one.value_head.bias is None and list(one.value_head.weight.shape) == [512, 32]


@pytest.mark.parametrize("start", [0.0101, 0.1, 0.25, 5.0, 50.0])
def test_a_learned_temperature_starts_where_it_is_told(start):
    model = preference_model(temperature=start, learn_temperature=True)
    assert model.temperature.item() == pytest.approx(start, rel=1e-4)
    assert preference_model(temperature=start).temperature == start


def test_the_published_start_of_a_learned_temperature_is_ours():
    """u = −2.25 is τ ≈ .1."""
    model = preference_model(temperature=0.1, learn_temperature=True)
    assert model.raw_temperature.item() == pytest.approx(-2.25, abs=0.01)


def test_a_learned_temperature_has_a_floor():
    model = preference_model(temperature=0.02, learn_temperature=True)
    model.raw_temperature.data.fill_(-50.0)
    assert model.temperature.item() == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dimension": 3}, "dimension 3: embeddings are pairs of numbers; allowed: 1, 2, 4"),
        ({"dimension": 0}, "dimension 0"),
        ({"dimension": -2}, "dimension -2"),
        ({"gate": "moe"}, "gate 'moe'; allowed: none, softmax, scaled_softmax, softplus"),
        (
            {"dimension": 1, "normalize": False, "gate": "softmax"},
            "gate 'softmax': with dimension 1",
        ),
        ({"dimension": 1}, "normalize: of length 1 a single number"),
        ({"temperature": 0.0}, "temperature 0.0; allowed: more than 0"),
        ({"temperature": math.nan}, "temperature nan"),
        ({"temperature": 0.01, "learn_temperature": True}, "allowed: more than 0.01"),
    ],
)
def test_a_shape_that_is_none_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        shape(**changes)


def test_an_adapters_model_is_what_training_asks_for():
    """Frozen weights stay so; heads and adapter are trained."""
    model = PreferenceModel(tiny_lora(), shape(gate="softmax", learn_temperature=True))
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert {"value_head.weight", "prompt_head.weight", "raw_temperature"} <= trained
    others = trained - {"value_head.weight", "prompt_head.weight", "raw_temperature"}
    assert others and all("lora_" in name for name in others)
    assert model.get_decoder() is model.backbone.get_decoder()
    assert model.supports_gradient_checkpointing


# The table of the paper's circles, with free embeddings.
@pytest.mark.parametrize("n", [3, 4, 5, 7])
@pytest.mark.parametrize("d", [1, 2])
def test_circles_of_free_embeddings(n, d):
    """A scalar ends with equal rewards and loss ln 2; two numbers of length 1 say the circle."""
    torch.manual_seed(0)
    v = torch.randn(n, d, requires_grad=True)
    adam = torch.optim.Adam([v], lr=0.02)
    first, second = torch.arange(n), (torch.arange(n) + 1) % n
    for _ in range(3000):
        unit = v if d == 1 else torch.nn.functional.normalize(v, dim=1)
        s = skew_products(unit[first], unit[second])
        loss = -torch.nn.functional.logsigmoid(s / 0.1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    if d == 1:
        assert loss.item() == pytest.approx(math.log(2), abs=1e-4) and s.abs().max() < 1e-3
    else:
        assert (s > 0).all()
        if n == 3:
            torch.testing.assert_close(
                s, torch.full((3,), math.sin(2 * math.pi / 3)), atol=1e-3, rtol=0
            )
