"""What configs say of the logits, by all the names that families have for it."""

import pytest
from transformers import AutoConfig

from prefgrid.logprobs.head import logit_cap, logit_scale


@pytest.mark.parametrize(
    ("family", "settings", "scale", "cap"),
    [
        ("llama", {}, 1.0, None),
        ("cohere", {"logit_scale": 0.25}, 0.25, None),
        ("granite", {"logits_scaling": 8.0}, 0.125, None),
        ("falcon_h1", {"lm_head_multiplier": 0.3}, 0.3, None),
        ("gemma2", {"final_logit_softcapping": 30.0}, 1.0, 30.0),
        ("recurrent_gemma", {"logits_soft_cap": 20.0}, 1.0, 20.0),
        # A text, in a family that has the key and does not use it.
        ("mpt", {"logit_scale": "inv_sqrt_d_model"}, 1.0, None),
    ],
)
def test_scales_and_caps_by_family(family, settings, scale, cap):
    config = AutoConfig.for_model(family, **settings)
    assert (logit_scale(config), logit_cap(config)) == (scale, cap)
