"""Option values of the published SPO learners (code of arXiv 2512.21917, language-model version).

They are entries of `methods:` in a config, not branches in the code: `OPTIONS[label]` belongs under
`options:` of the objective with the label's first word.

The training values published with them (under `training:`): LoRA rank 16, α 32, dropout 0.05 on
q_proj and v_proj; learning rate 5e-6, cosine with 10 warm-up updates and a horizon of 500; 125
updates of 4 micro-batches of 4 pairs.  The published loop sums the 4 micro-batch losses and clips
the gradient at 1.0.  Adam does not see a constant factor of the loss, so with losses that are
averaged the same update needs the clip at 0.25.

Micro-batch counts become optimizer steps by division by 4: refits every 50 micro-batches are every
12.5 steps.  RSPO paired within micro-batches of 4.
"""

OPTIONS = {
    "dpo_published": {"beta_train": 1.0},
    "rspo_published": {"beta_train": 1.0, "include_diagonal": True, "block_size": 4},
    "pspo_published": {
        "beta_train": 1.0,
        "warm_start_epochs": 0,
        "refit_every_steps": 12.5,
        "link_share": 0.0,
        "symmetrize": False,
        "pool_ties": False,
        "merge_tolerance": 1.0e-6,
        "level_clip": 1.0e-4,
        "smoother": "knot_softmax",
        "bandwidth": 0.1,
        "bandwidth_unit": "nats",
        "logistic_blend": 0.05,
        "clip": 1.0e-6,
    },
    "ospo_published": {
        "beta_train": 1.0,
        "warm_start_epochs": 0,
        "fifo_capacity": 4096,
        "symmetrize": False,
        "exclude_own_row": False,
        "bandwidth": 0.5,
        "bandwidth_exponent": 0.0,
        "bandwidth_floor": 1.0e-6,
        "prior_mass": 1.0e-6,
        "prior": "zero",
        "clip": 1.0e-4,
        "logistic_blend": 0.05,
    },
}
