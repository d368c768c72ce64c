"""The sampled distribution and the inverse-CDF draw."""

import pytest
import torch
from transformers import TopPLogitsWarper

from prefgrid.sampling.distribution import draw, outside_nucleus, sampled_log_probs


def test_top_p_keeps_the_token_that_crosses():
    # .5 + .3 = .8 crosses .75, so two of .5, .3, .2 stay: .5/.8 = .625 and .3/.8 = .375.
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    probs = sampled_log_probs(logits, temperature=1.0, top_p=0.75).exp()
    torch.testing.assert_close(probs, torch.tensor([[0.625, 0.375, 0.0]]))


@pytest.mark.parametrize("top_p", [0.01, 0.3, 0.75, 0.95, 0.999])
def test_top_p_is_transformers_top_p(top_p):
    logits = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * 3
    expected = TopPLogitsWarper(top_p)(None, logits)
    assert torch.equal(logits.masked_fill(outside_nucleus(logits, top_p), -torch.inf), expected)


def test_temperature_comes_before_top_p():
    logits = torch.tensor([[0.0, -1.0, -2.0]])
    # At temperature 2: exp(0, −.5, −1) = 1, .607, .368; the first two hold .814 of the mass.
    probs = sampled_log_probs(logits, temperature=2.0, top_p=0.8).exp()
    expected = torch.tensor([1.0, 0.6065, 0.0]) / 1.6065
    torch.testing.assert_close(probs[0], expected, atol=1e-4, rtol=0)


def test_temperature_zero_is_all_mass_on_the_first_best_token():
    log_probs = sampled_log_probs(torch.tensor([[1.0, 3.0, 3.0]]), temperature=0.0, top_p=1.0)
    assert log_probs.tolist() == [[-torch.inf, 0.0, -torch.inf]]


def test_sampled_log_probs_are_float32_whatever_the_logits_are():
    assert (
        sampled_log_probs(torch.zeros(1, 4, dtype=torch.bfloat16), 1.0, 1.0).dtype == torch.float32
    )


def test_draw_gives_each_token_its_share_of_the_unit_interval():
    probabilities = torch.tensor([[0.5, 0.3, 0.2]]).expand(1000, 3)
    uniform = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    assert draw(probabilities, uniform).bincount().tolist() == [500, 300, 200]


def test_draw_is_the_inverse_cdf_at_its_steps():
    # The CDF of (.25, .5, .25) steps at .25 and .75; u equal to a step belongs to the next token.
    probabilities = torch.tensor([[0.25, 0.5, 0.25]]).expand(4, 3)
    uniform = torch.tensor([0.0, 0.25, 0.7499, 0.75], dtype=torch.float64)
    assert draw(probabilities, uniform).tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("scale", [1.0, 1 - 2**-24, 1 + 2**-23])
def test_draw_never_takes_a_token_of_probability_zero(uniform, scale):
    probabilities = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]]) * scale
    token = draw(probabilities, torch.tensor([uniform], dtype=torch.float64))
    assert token.item() == (1 if uniform == 0 else 3)
