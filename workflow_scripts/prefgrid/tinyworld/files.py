"""The tiny world's data file, in the schema of openbmb/UltraFeedback on the hub.

Source of the schema: Cui et al., arXiv 2310.01377; every field of the hub's JSON lines is here,
with its type. What annotators wrote there is empty here; ratings and scores come from the rule.
"""

from pathlib import Path
from typing import Any

from prefgrid import seeding
from prefgrid.data import instructions, pools
from prefgrid.tinyworld import aspects, language
from prefgrid.tinyworld.corpus import WRITERS, Writer, respond

PRINCIPLE = "helpfulness"
# Aspects whose annotations have a type, too.
TYPED = ("helpfulness", "truthfulness")
SYSTEM_PROMPT = "You are a teller of tales."


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """`count` rows of UltraFeedback's schema, four completions each, by writers of mixed quality.

    ValueError if the language has fewer instructions.
    """
    prompts = language.all_prompts()
    if not 0 < count <= len(prompts):
        raise ValueError(
            f"tiny_world.data.prompts = {count}; allowed: 1 to {len(prompts)}, "
            "which is how many instructions the language has"
        )
    order = seeding.stream(seed, "tiny prompts").permutation(len(prompts))[:count]
    return [_row(prompts[i], seed) for i in order]


def _row(instruction: str, seed: int) -> dict[str, Any]:
    random = seeding.stream(seed, "tiny completions", instruction)
    order = random.permutation(len(WRITERS))
    writers = [WRITERS[i] for i in order]
    return {
        "source": "tiny_world",
        "instruction": instruction,
        "models": [writer.name for writer in writers],
        "completions": [
            _completion(instruction, writer, respond(random, instruction, writer))
            for writer in writers
        ],
        "correct_answers": ["None"],
        "incorrect_answers": ["None"],
    }


def _completion(instruction: str, writer: Writer, response: str) -> dict[str, Any]:
    score = language.score(instruction, response)
    return {
        "annotations": {
            aspect: _annotation(value, aspect in TYPED)
            for aspect, value in aspects.ratings(instruction, response).items()
        },
        "custom_system_prompt": SYSTEM_PROMPT,
        "model": writer.name,
        "principle": PRINCIPLE,
        "response": response,
        "critique": "",
        "fine-grained_score": fine_grained(score),
        "overall_score": round(2.0 * fine_grained(score), 2),
    }


def _annotation(value: int, typed: bool) -> dict[str, Any]:
    note: dict[str, Any] = {"Rating": str(value), "Rationale": ""}
    if typed:
        note |= {"Type": ["None"], "Rationale For Rating": ""}
    return note


def fine_grained(score: float) -> float:
    """The rule's score on UltraFeedback's scale of 1 to 5: an increasing map, so ranks survive."""
    return round(min(5.0, max(1.0, 2.6 + 0.25 * score)), 4)


def training_dialogues(
    path: Path | str, dataset: str, bad_row_share: float, eval_share: float
) -> list[tuple[str, str]]:
    """All (instruction, response) of the data file whose instruction may train.

    dataset: the module that reads it. The evaluation side of the split is left out, so the models
    are assessed on unseen prompts.
    """
    return [
        (row.prompt, completion.response)
        for row in instructions.read(path, dataset, bad_row_share).rows
        if not pools.is_evaluation(pools.prompt_id(row.prompt), eval_share)
        for completion in row.completions
    ]
