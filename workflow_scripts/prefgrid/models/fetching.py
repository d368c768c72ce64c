"""Bring a model from the hub, or from a folder, into the one folder shape of this workflow."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError
from transformers.utils.hub import resolve_revision
from transformers.utils.peft_utils import find_adapter_config_file

from prefgrid import pairs
from prefgrid.files import store
from prefgrid.models import checking, row_lengths
from prefgrid.models.attention import AUTO, ask, implementation
from prefgrid.models.classifiers import score_layer
from prefgrid.models.loading import save_model
from prefgrid.templates import dates, trial

KINDS: dict[str, Any] = {
    "causal": transformers.AutoModelForCausalLM,
    "sequence-classification": transformers.AutoModelForSequenceClassification,
}


def fetch_model(
    source: str,
    revision: str | None,
    folder: Path | str,
    kind: str,
    prompt_format: str | None = None,
    *,
    prompt_date: date | None = None,
    attention: str = AUTO,
    text_tokens: int | None = None,
    dialogue_tokens: int | None = None,
) -> None:
    """Save `source` (a hub id or a local folder) with its tokenizer into `folder`.

    Weights keep their stored dtype and become one safetensors file; `source.json` beside them says
    {source, revision, commit}, commit null for a local folder, and generation_config where the source's
    own contradicts itself. `kind` is a key of `KINDS`. The date that a chat template asks for is
    `prompt_date` from then on (None: whatever day it is). `attention` is the implementation that every
    later job gives the model (`attention.ask`); `text_tokens` and `dialogue_tokens` are the longest
    rows that these can give it (`row_lengths.check_rows`).

    What would end a later job is found here, before hours of sampling. Raises ValueError naming what was
    tried if the source cannot be had; if it is an adapter; if a reward model does not give exactly one
    score; if weights are missing, of another shape than the configuration's, NaN or infinite; if
    the tokenizer has more tokens than the model, or cannot render `prompt_format` (None: any), or
    an encoder's tokenizer no pairs; if the model has no such attention, or rows can come that are
    too long for it.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}: allowed are {', '.join(KINDS)}")
    store.log(f"fetching {source} (revision {revision or 'default'})")
    # A revision may be a moving branch: one commit is looked up and all files come from it.
    resolved = resolve_revision(source, revision)
    try:
        _refuse_an_adapter(source, resolved)
        config = transformers.AutoConfig.from_pretrained(source, revision=resolved)
        if kind == "sequence-classification" and config.num_labels != 1:
            raise ValueError(
                f"it is no scalar reward model: num_labels is {config.num_labels}, 1 is needed"
            )
        model, report = KINDS[kind].from_pretrained(
            source,
            revision=resolved,
            config=config,
            attn_implementation=implementation(config),
            dtype="auto",
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are in the report, which is read below
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, revision=resolved)
    # Damaged weights are none of Python's own errors.
    except (OSError, ValueError, SafetensorError) as error:
        if Path(source).is_dir():
            tried = f"the local folder {Path(source).resolve()}"
        else:
            tried = f"the hub {os.environ.get('HF_ENDPOINT', 'https://huggingface.co')}"
        raise ValueError(
            f"cannot get model {source!r} at revision {revision!r}: {str(error).splitlines()[0]} "
            f"(tried {tried}). Allowed: a hub id 'owner/name' that this machine can reach and may "
            "read, or a local folder with config.json, weights and tokenizer files."
        ) from error
    checking.check_loaded(source, report)
    checking.check_finite(source, model)
    checking.check_vocabulary(source, tokenizer, config.get_text_config().vocab_size)
    if prompt_date is not None:
        dates.pin(tokenizer, prompt_date)
    if prompt_format is not None:
        reads_pairs = kind == "sequence-classification" and score_layer(model) is None
        check = pairs.check_pairs if reads_pairs else trial.check_template
        check(tokenizer, prompt_format)
    ask(model, attention)
    lengths = {"text_tokens": text_tokens, "dialogue_tokens": dialogue_tokens}
    row_lengths.check_rows(source, model, tokenizer, prompt_format, **lengths)
    commit = getattr(resolved, "resolved", None)  # it has one if the hub or its cache was asked
    origin = {"source": source, "revision": revision, "commit": commit}
    origin |= _made_consistent(model)
    store.write_json(Path(folder) / "source.json", origin)
    save_model(folder, model, tokenizer)


def _refuse_an_adapter(source: str, revision: str | None) -> None:
    """ValueError for a folder or hub id that holds an adapter: transformers would put it on a base model,
    wherever that is, and save the two apart."""
    path = find_adapter_config_file(source, revision=revision)
    if path is not None:
        config = store.read_json(path)
        raise ValueError(
            f"it is an adapter ({config.get('peft_type')}) of the base model "
            f"{config.get('base_model_name_or_path')!r} and no model of its own: give that model as the "
            "source, or save the two merged (peft's merge_and_unload)"
        )


def _made_consistent(model: Any) -> dict[str, Any]:
    """Keep only token ids in the model's generation config, if transformers would refuse to save it as it
    is: a temperature without do_sample, say. Nothing here samples by such defaults, but the ids end
    responses.

    Returns {"generation_config": as it was}, or nothing where all is kept.
    """
    found = getattr(model, "generation_config", None)  # a classifier has none
    try:
        if found is not None:
            found.validate(strict=True)
    except ValueError:
        store.log(
            "the model's sampling defaults contradict themselves; generation_config.json keeps its "
            "token ids, source.json all of it"
        )
        settings = found.to_diff_dict()
        ids = {name: value for name, value in settings.items() if name.endswith("_token_id")}
        model.generation_config = transformers.GenerationConfig(**ids)
        return {"generation_config": settings}
    return {}
