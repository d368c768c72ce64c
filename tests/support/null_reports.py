"""Reports of grids in which nothing differs: how often does each kind of sentence stand in one?

Run it for the table of shares; a test holds a light version of it.

    PYTHONPATH=workflow_scripts:tests/support python tests/support/null_reports.py [reports]

Tables of runs are simulated, everything after them is the studies' own code: intervals, tests,
verdicts, sentences. Runs of one seed share its level, and methods differ by noise alone.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np
import pandas as pd

from prefgrid import seeding
from prefgrid.report.words import Finding
from prefgrid.statistics import bootstrap, comparison, reference
from prefgrid.statistics.prompts import RUN, PromptReplicates
from prefgrid.studies.link_robustness import findings as link_robustness
from prefgrid.studies.single_index import findings as single_index
from single_index import tabulate_single_index

METHODS = ["dpo", "pspo", "ospo", "rspo"]
PUBLISHED = [f"{method}_published" for method in METHODS[1:]]
# What single_index trains beside them by default.
YARDSTICKS = ["dpo_early", "true_link"]
NAMES = {label: label for label in [*METHODS, *PUBLISHED, *YARDSTICKS]}
KAPPA = 1.0
# In reference sd, as measured in the default run: of a prompt's response, and of a training seed.
PROMPT_SD, SEED_SD = 0.38, 0.05
IN_TEXT = {
    "text: the policies trained here do differ": "the policies trained here do differ",
    "text: the same prompts do change": "do change for the policies trained here",
}
# Start of a heading → words in it, the first that fit → what it claims.
EFFECT = {
    "hint": "heading: effect of the link, a hint",
    "lowers|raises|[+−]": "heading: effect of the link",
}
HEADINGS = {
    "Shift": {
        "hint": "heading: a hint of a difference",
        "differ|above|below": "heading: a difference",
    },
    "Variants": {"established,": "heading: a difference of variants"},
    "Effect of the link": EFFECT,
    "The shifted link": EFFECT,
}


def link_robustness_report(
    rng: np.random.Generator,
    *,
    seeds: int = 2,
    shifts: Sequence[float] = (0.0, 4.0),
    sizes: Sequence[int] = (400, 1000),
    prompts: int = 200,
    seed_sd: float = 0.0,
) -> set[str]:
    """Kinds of sentences in one report of a grid whose methods and shifts do not differ.

    With `seed_sd` 0 the trained policies do not differ either: all is chance in the responses to the
    prompts. With more they do, but their methods do not.
    """
    index = pd.MultiIndex.from_product([METHODS, shifts, sizes, range(seeds)], names=RUN)
    level = rng.normal(0, 0.5, (prompts, 1)) + rng.normal(0, seed_sd, len(index))
    rewards = level + rng.normal(0, PROMPT_SD, (prompts, len(index)))
    runs = index.to_frame(index=False).assign(
        reward=rewards.mean(0), kl_low=0.0, kl_high=3.0, mean_height=0.0, area_kl_high=3.0
    )
    weights = _weights(prompts)
    replicates = pd.DataFrame((weights @ rewards).T, index=index)
    by_prompt = PromptReplicates(replicates, np.zeros(len(weights)), prompts)
    base = reference.Reference(pd.Series(np.zeros(prompts)), reward_sd=1.0, within_sd=1.0)
    summary = comparison.summarise(runs, by_prompt, base, KAPPA, METHODS, range(seeds))
    differences = comparison.differences(runs, by_prompt, base, METHODS, "dpo")
    found = [
        *(
            link_robustness.shift_finding(shift, summary, differences, NAMES, "dpo")
            for shift in shifts
        ),
        link_robustness.link_finding(runs, summary, base.reward_sd, "dpo", "dpo", KAPPA),
    ]
    return kinds(found, differences["p_seeds_holm"])


def single_index_report(
    rng: np.random.Generator,
    *,
    seeds: int = 5,
    shifts: Sequence[float] = (0.0, 0.75, 1.5),
    sizes: Sequence[int] = (1000,),
    variants: bool = False,
) -> set[str]:
    """As above. Every run has noise of its own; `variants`: published learners are compared too, and no
    yardsticks."""
    labels = [*METHODS, *(PUBLISHED if variants else YARDSTICKS)]
    keys = ["method", "shift", "n", "seed"]
    runs = pd.MultiIndex.from_product([labels, shifts, sizes, range(seeds)], names=keys)
    runs = runs.to_frame(index=False).assign(tau=0.25)
    reward = 0.65 + rng.normal(0, 0.1, seeds)[runs["seed"]] + rng.normal(0, 0.01, len(runs))
    runs = runs.assign(reward=reward, mean_height=0.0, index_correlation=0.0, pair_accuracy=0.0)
    pairs = [[label.removesuffix("_published"), label] for label in PUBLISHED if variants]
    summary = tabulate_single_index.summary(runs, labels, seeds)
    differences = tabulate_single_index.differences(runs, labels, "dpo", pairs)
    summary, cells, own = (
        table[table["n"] == max(sizes)] for table in (summary, differences, runs)
    )
    found = [
        *(
            single_index.shift_finding(shift, summary, cells, NAMES, "dpo", KAPPA)
            for shift in shifts
        ),
        single_index.effect_finding(own, labels, NAMES, "dpo", KAPPA),
        single_index.family_finding(cells, NAMES, "dpo"),
    ]
    return kinds(found, differences["p_holm"])


def kinds(findings: Iterable[Finding | None], p_holm: pd.Series) -> set[str]:
    """The kinds of sentences in one report's findings, none of which is true under the null."""
    found = {"table: a p (Holm) below 0.05"} if (p_holm < 0.05).any() else set()
    for finding in filter(None, findings):
        heading, text = finding.heading, " ".join(finding.sentences)
        found |= {kind for kind, words in IN_TEXT.items() if words in text}
        start = next(start for start in HEADINGS if heading.startswith(start))
        for words, kind in HEADINGS[start].items():
            if re.search(words, heading):
                found.add(kind)
                break
    return found


def shares(report: Callable[..., set[str]], reports: int, **changes) -> dict[str, float]:
    """Kind of sentence → share of simulated reports with at least one."""
    counts = Counter()
    for number in range(reports):
        counts.update(report(seeding.stream(number, "null report"), **changes))
    return {kind: count / reports for kind, count in sorted(counts.items())}


@cache
def _weights(prompts: int) -> np.ndarray:
    return bootstrap.resample_weights(prompts, seeding.stream(0, "prompt bootstrap"))


GRIDS = {
    "link_robustness, default grid": (link_robustness_report, {}),
    "link_robustness, default grid, policies differ by seed": (
        link_robustness_report,
        {"seed_sd": SEED_SD},
    ),
    "link_robustness, 4 seeds x 4 shifts x 1 n": (
        link_robustness_report,
        {"seeds": 4, "shifts": (0.0, 2.0, 4.0, 6.0), "sizes": (5000,)},
    ),
    "single_index, default grid": (single_index_report, {}),
    "single_index, 2 n": (single_index_report, {"sizes": (500, 1000)}),
    "single_index, 10 seeds x 7 shifts, with published variants": (
        single_index_report,
        {"seeds": 10, "shifts": tuple(np.arange(7) / 4), "variants": True},
    ),
}


if __name__ == "__main__":
    reports = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for grid, (report, changes) in GRIDS.items():
        print(f"{grid} ({reports} reports)")
        for kind, share in shares(report, reports, **changes).items():
            print(f"  {share:6.1%}  {kind}")
