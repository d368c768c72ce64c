"""A made-up but plausible grid of results, so that figures and report can be tested in seconds."""

import numpy as np
import pandas as pd

from prefgrid import links, seeding

METHODS = ["dpo", "pspo", "ospo", "rspo"]
BETAS = [0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.5, 4.5, 9.0]
PROMPTS = [f"{number:016x}" for number in range(60)]
SKILL = {"dpo": 1.0, "pspo": 0.93, "ospo": 1.02, "rspo": 0.99}
REFERENCE_MEAN, REFERENCE_SD = 0.94, 1.7


def noise_of_scan(prompts=PROMPTS) -> np.ndarray:
    """What each prompt's one scanned sample is above its mean: common to all runs."""
    return np.random.default_rng(2).normal(0, 0.9, len(prompts))


def reference_samples(samples: int = 64) -> pd.DataFrame:
    """The reference's rewards; sample 0 has the scans' noise."""
    rng = seeding.stream(0, "synthetic reference")
    level, shared = np.random.default_rng(1).normal(0, 0.6, len(PROMPTS)), noise_of_scan()
    rows = [
        {
            "prompt_id": prompt_id,
            "sample": sample,
            "reward": REFERENCE_MEAN + level[p] + (rng.normal(0, 1.6) if sample else shared[p]),
            "length_tokens": int(rng.integers(8, 30)),
            "finish": "stop",
            "response": f"the reference tells tale {sample} .",
        }
        for p, prompt_id in enumerate(PROMPTS)
        for sample in range(samples)
    ]
    return pd.DataFrame(rows)


def samples(
    methods=METHODS,
    seeds=(0, 1),
    shifts=(0.0, 4.0),
    sizes=(500, 1500),
    betas=BETAS,
    prompts=PROMPTS,
) -> pd.DataFrame:
    """Per-sample evaluation rows of every run, with common noise per prompt."""
    level = np.random.default_rng(1).normal(0, 0.6, len(prompts))
    frames = []
    for method in methods:
        for seed in seeds:
            for shift in shifts:
                for n in sizes:
                    rng = seeding.stream(seed, "run", method, shift, n)
                    skill = SKILL.get(method.split("_")[0], 1.0)
                    skill *= (0.85 if shift else 1.0) * (0.8 + 0.2 * np.log(n) / np.log(1500))
                    skill += rng.normal(0, 0.04)
                    for beta in betas:
                        root = (0.95 if shift else 1.25) * (1 + rng.normal(0, 0.03)) / beta
                        kl = np.maximum(rng.gamma(12, root**2 / 12, len(prompts)), 0)
                        gain = 2.1 * skill * root - 0.33 * root**2
                        noise = level + noise_of_scan(prompts)
                        frames.append(
                            pd.DataFrame(
                                {
                                    "method": method,
                                    "seed": seed,
                                    "shift": shift,
                                    "n": n,
                                    "beta": beta,
                                    "prompt_id": prompts,
                                    "sample": 0,
                                    "reward": REFERENCE_MEAN
                                    + gain
                                    + noise
                                    + rng.normal(0, 0.4, len(prompts)),
                                    "kl_nats": kl,
                                    "kl_sample_nats": kl + rng.normal(0, 0.3, len(prompts)),
                                    "length_tokens": rng.integers(8, 30, len(prompts)),
                                    "finish": "stop",
                                    "response": [
                                        f"the <b>fox</b> told {method} a tale & ran , {beta:g} ."
                                        for _ in prompts
                                    ],
                                }
                            )
                        )
    return pd.concat(frames, ignore_index=True)


def evaluations(sample_rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["method", "seed", "shift", "n", "beta"]
    means = sample_rows.groupby(keys, as_index=False)[["reward", "kl_nats"]].mean()
    means = means.rename(columns={"reward": "avg_reward", "kl_nats": "kl_div"})
    return means.assign(link_shift=means["shift"], num_preferences=means["n"])


def indices(methods=METHODS, seeds=(0, 1), shifts=(0.0, 4.0), n=1500, pairs=240) -> pd.DataFrame:
    frames = []
    for method in methods:
        for seed in seeds:
            for shift in shifts:
                rng = seeding.stream(seed, "indices", method, shift)
                utility = rng.normal(0, 1, pairs)
                index = 2.2 * utility + rng.normal(0, 1.1, pairs)
                if method.startswith("pspo"):
                    link = np.round(links.mixture(0.35 * index, shift, 0.25), 1)
                else:
                    link = 1 / (1 + np.exp(-index))
                frames.append(
                    pd.DataFrame(
                        {
                            "method": method,
                            "seed": seed,
                            "shift": shift,
                            "n": n,
                            "prompt_id": [f"{i:016x}" for i in range(pairs)],
                            "index_nats": index,
                            "utility_diff": utility,
                            "link_probability": link,
                            "true_probability": links.mixture(utility, shift, 0.25),
                        }
                    )
                )
    return pd.concat(frames, ignore_index=True)


def metrics(methods=METHODS, seeds=(0, 1), shifts=(0.0, 4.0), n=1500, steps=140) -> pd.DataFrame:
    frames = []
    for method in methods:
        for seed in seeds:
            for shift in shifts:
                rng = seeding.stream(seed, "metrics", method, shift)
                step = np.arange(1, steps + 1)
                rise = 1 - np.exp(-step / 40)
                margin = (2.2 if shift == 0 else 1.2) * rise + rng.normal(0, 0.15, steps)
                chosen = 0.6 * rise - 0.9 * rise**2 + rng.normal(0, 0.1, steps)
                frames.append(
                    pd.DataFrame(
                        {
                            "method": method,
                            "seed": seed,
                            "shift": shift,
                            "n": n,
                            "step": step,
                            "epoch": step / 47,
                            "loss": 0.69 - 0.3 * rise + rng.normal(0, 0.04, steps),
                            "margin": margin,
                            "index_sd": 2 * rise,
                            "chosen_log_ratio": chosen,
                            "rejected_log_ratio": chosen - margin,
                            "pair_accuracy": 0.5 + 0.35 * rise + rng.normal(0, 0.05, steps),
                            "grad_norm": 2 - rise + rng.normal(0, 0.2, steps),
                            "learning_rate": 3e-4,
                            "examples_seen": 32 * step,
                        }
                    )
                )
    return pd.concat(frames, ignore_index=True)


def rewards(seed: int, pairs: int = 1500) -> list[dict]:
    """Scored pairs of a seed, in training order: groups of two."""
    rng = seeding.stream(seed, "synthetic pairs")
    scores = rng.normal(REFERENCE_MEAN, REFERENCE_SD, (pairs, 2)).tolist()
    return [
        _group(pair, PROMPTS[pair % len(PROMPTS)], [_response(k, one) for k, one in enumerate(two)])
        for pair, two in enumerate(scores)
    ]


def reference_rewards(samples: int = 64) -> list[dict]:
    """`reference_samples` as the groups that a job scored."""
    frame = reference_samples(samples)
    return [
        _group(
            number,
            prompt_id,
            [
                _response(row["sample"], row["reward"], row["length_tokens"])
                | {"text": row["response"]}
                for row in own.to_dict("records")
            ],
        )
        for number, (prompt_id, own) in enumerate(frame.groupby("prompt_id", sort=False))
    ]


def _group(number: int, prompt_id: str, responses: list[dict]) -> dict:
    prompt = {"prompt_id": prompt_id, "prompt": "tell a tale", "prompt_tokens": [5, 6, 7]}
    return {"group": number, **prompt, "responses": responses}


def _response(number: int, reward: float, tokens: int = 3) -> dict:
    return {
        "text": f"tale {number} .",
        "tokens": [8, 9 + number, *[10] * (tokens - 3), 1],
        "finish": "stop",
        "reward": reward,
    }
