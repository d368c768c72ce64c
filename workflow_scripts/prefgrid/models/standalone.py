"""Policies' folders that other programs load: as an adapter beside its tokenizer, or merged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import peft

from prefgrid.files import artifacts, reading, records, store
from prefgrid.models import cards, loading, origin


def save_policy(
    folder: Path | str,
    policy: Any,
    reference: Path | str,
    *,
    place: Path | str,
    trained: Mapping[str, Any],
    last_step: Mapping[str, Any],
    averaged: Sequence[Path | str] = (),
) -> None:
    """Write `policy`, an adapter with the base that it goes on or a whole model, the reference's tokenizer, a
    card and then the manifest into `folder`, which will be at `place`.

    averaged: folders of the policies that it is the mean of, if it was not trained; then `trained` and `last_step`
    are the last one's, and it goes on the bare reference. The other arguments are the card's. An adapter on a stack of policies names no base: peft would put
    it on the bare reference. A tokenizer with more tokens than the model has embeddings stays with
    the reference: peft would resize the model to it.
    """
    folder = Path(folder)
    stack = [] if averaged else list(trained["inputs"].get("adapters", {}))
    base = origin.base(reference)
    told = {"averaged": list(map(str, averaged)), "trained": trained, "last_step": last_step}
    if not isinstance(policy, peft.PeftModel):
        card = cards.tuned_card(str(place), base, _folders(stack), **told)
        store.write_text(folder / artifacts.CARD, card)
        loading.save_model(folder, policy, loading.load_tokenizer(reference))
        return
    named = origin.NOWHERE if stack else base
    loading.write_adapter(folder, policy, name=named.name, revision=named.revision)
    tokenizer = loading.load_tokenizer(reference)
    beside = len(tokenizer) <= len(policy.get_base_model().get_input_embeddings().weight)
    if beside:
        loading.save_tokenizer(folder, tokenizer)
    card = cards.adapter_card(
        str(place),
        base,
        _folders(stack),
        tokenizer=str(place if beside else reference),
        **told,
    )
    store.write_text(folder / artifacts.CARD, card)
    loading.write_manifest(folder)


def training_of(policy: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(record of its training, last row of its metrics) of the policy in this folder, what a card tells of it; of
    an average those of the last policy that it is of."""
    if loading.is_average(policy):
        policy = Path(reading.read_json(policy / loading.AVERAGE, dict)["policies"][-1])
    _, record = artifacts.record_places(policy / artifacts.MANIFEST)
    *_, last_step = reading.iterate_jsonl(policy / "metrics.jsonl", dict)
    return reading.read_json(record, records.Provenance), last_step


def _folders(manifests: Sequence[str]) -> list[str]:
    return [str(Path(path).parent) for path in manifests]


def save_merged(
    folder: Path | str,
    model: Any,
    tokenizer: Any,
    parts: Sequence[Path | str],
    *,
    place: Path | str,
    trained: Mapping[str, Any],
    last_step: Mapping[str, Any],
) -> None:
    """Write a policy that is one model, with its tokenizer, a card and then the manifest into `folder`,
    which will be at `place`.

    parts: the folders that were merged into it, the reference first. The rest is the card's.
    """
    card = cards.merged_card(
        str(place),
        origin.base(parts[0]),
        [str(part) for part in parts],
        trained=trained,
        last_step=last_step,
    )
    store.write_text(Path(folder) / artifacts.CARD, card)
    loading.save_model(folder, model, tokenizer)
