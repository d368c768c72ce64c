"""Bring a model from the hub, or from a folder, into the one folder shape of this workflow."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import transformers
from transformers.utils.hub import resolve_revision
from transformers.utils.peft_utils import find_adapter_config_file

from prefgrid import pairs
from prefgrid.files import store
from prefgrid.models import checking
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
) -> None:
    """Save `source` (a hub id or a local folder) with its tokenizer into `folder`.

    Weights keep their stored dtype and become one safetensors file; `source.json` beside them says
    {source, revision, commit}, commit null for a local folder, and generation_config where the source's
    own contradicts itself. `kind` is a key of `KINDS`. The date that a chat template asks for is
    `prompt_date` from then on (None: whatever day it is). `attention` is the implementation that every
    later job gives the model (`attention.ask`).

    What would end a later job is found here, before hours of sampling. Raises ValueError naming what was
    tried if the source cannot be had; if it is an adapter; if a reward model does not give exactly one
    score; if weights are missing, of another shape than the configuration's, NaN or infinite; if
    the tokenizer has more tokens than the model, or cannot render `prompt_format` (None: any), or
    an encoder's tokenizer no pairs; if the model has no such attention.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}: allowed are {', '.join(KINDS)}")
    store.log(f"fetching {source} (revision {revision or 'default'})")
    # A revision may be a moving branch: one commit is looked up and all files come from it.
    resolved = resolve_revision(source, revision)
    try:
        refuse_an_adapter(source, resolved)
        config = transformers.AutoConfig.from_pretrained(source, revision=resolved)
        checking.check_config(config)
        if kind == "causal" and config.is_encoder_decoder:
            raise ValueError(
                f"a {config.model_type} reads a prompt by an encoder of its own; policies are decoders"
            )
        if kind == "sequence-classification" and config.num_labels != 1:
            raise ValueError(
                f"it is no scalar reward model: num_labels is {config.num_labels}, 1 is needed "
                f"(its config names {', '.join(config.architectures or ['no architecture'])})"
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
        if not tokenizer.is_fast:
            raise ValueError(
                f"its tokenizer, a {type(tokenizer).__name__}, cannot be saved as one tokenizer.json"
            )
    # A damaged file, an unknown name in the config or a library that is lacking can raise anything.
    except Exception as error:
        raise explained(error, source, revision) from error
    checking.check_loaded(source, report)
    checking.check_finite(source, model)
    checking.check_vocabulary(source, tokenizer, config.get_text_config().vocab_size)
    checking.check_special_tokens(source, tokenizer)
    if prompt_date is not None and prompt_format != "raw":
        dates.pin(tokenizer, prompt_date)
    if prompt_format is not None:
        reads_pairs = kind == "sequence-classification" and score_layer(model) is None
        check = pairs.check_pairs if reads_pairs else trial.check_template
        check(tokenizer, prompt_format)
    ask(model, attention)
    write_origin(folder, source, revision, resolved, **_made_consistent(model))
    save_model(folder, model, tokenizer)


def write_origin(
    folder: Path | str, source: str, revision: str | None, resolved: str | None, **more: Any
) -> None:
    """Write source.json; resolved: what `resolve_revision` gave."""
    commit = getattr(resolved, "resolved", None)  # it has one if the hub or its cache was asked
    origin = {"source": source, "revision": revision, "commit": commit, **more}
    store.write_json(Path(folder) / "source.json", origin)


def explained(error: Exception, source: str, revision: str | None) -> ValueError:
    """Why a model could not be had, what was tried, and what is allowed."""
    if Path(source).is_dir():
        tried = f"the local folder {Path(source).resolve()}"
    else:
        hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        tried = f"the hub {hub}, as there is no such path beside the config file or here"
    return ValueError(
        f"cannot get model {source!r} at revision {revision!r}: {_in_a_line(error)} "
        f"(tried {tried}). Allowed: a hub id 'owner/name' that this machine can reach and may "
        "read, or a local folder with config.json, weights and tokenizer files."
    )


def _in_a_line(error: Exception) -> str:
    """What an error says, with its kind where that is none of those that are meant for people."""
    text = " ".join(str(error).split())
    plain = isinstance(error, OSError | ValueError)
    return text if plain and text else f"{type(error).__name__} {text}".rstrip()


def refuse_an_adapter(source: str, revision: str | None) -> None:
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
