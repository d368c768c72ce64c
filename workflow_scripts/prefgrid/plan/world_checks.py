"""Checks between keys that depend on the world: the tiny one's limits, the hub's pins."""

from collections.abc import Callable, Iterator
from pathlib import Path

from prefgrid.config.fields import Problem, Raw
from prefgrid.limits import tiny_world


def _hub_is_described(raw: Raw) -> Iterator[Problem]:
    if raw["world"] == "hub" and raw["hub"] is None:
        yield "hub", "is null, but world: hub needs models and data named there"


def _hub_revisions_are_named(raw: Raw) -> Iterator[Problem]:
    if raw["world"] != "hub":
        return
    hub = raw["hub"]
    places = {f"models.{name}": model for name, model in hub["models"].items()}
    for place, what in {**places, "ultrafeedback": hub["ultrafeedback"]}.items():
        if what["revision"] is None and not Path(what["source"]).exists():
            yield (
                f"hub.{place}.revision",
                f"is null, but {what['source']!r} is no local path; name a revision of the hub's, "
                "best a commit",
            )


def _tiny_prompts_suffice(raw: Raw) -> Iterator[Problem]:
    if raw["world"] != "tiny":
        return
    pools, prompts = raw["link_robustness"]["prompts"], raw["tiny_world"]["data"]["prompts"]
    asked = pools["train"] + pools["eval"]
    if asked > prompts:
        yield (
            "link_robustness.prompts",
            f"train + eval = {asked} prompts are asked for; allowed: at most "
            f"tiny_world.data.prompts = {prompts}",
        )


def _tiny_positions_suffice(raw: Raw) -> Iterator[Problem]:
    if raw["world"] != "tiny":
        return
    tokens = raw["max_prompt_tokens"] + raw["max_response_tokens"]
    most = tiny_world.POSITIONS - tiny_world.TEMPLATE_TOKENS
    if tokens > most:
        yield (
            "max_prompt_tokens",
            f"max_prompt_tokens + max_response_tokens = {tokens}; allowed in the tiny world: at "
            f"most {most} ({tiny_world.POSITIONS} positions less the chat template)",
        )


CHECKS: tuple[Callable[[Raw], Iterator[Problem]], ...] = (
    _hub_is_described,
    _hub_revisions_are_named,
    _tiny_prompts_suffice,
    _tiny_positions_suffice,
)
