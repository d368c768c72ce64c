"""Bring a model from the hub, or from a folder, into the one folder shape of this workflow."""

import os
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError
from transformers.utils.hub import resolve_revision

from prefgrid import chat
from prefgrid.files import store
from prefgrid.models import checking
from prefgrid.models.loading import save_model

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
) -> None:
    """Save `source` (a hub id or a local folder) with its tokenizer into `folder`.

    Weights keep their stored dtype and become one safetensors file; `source.json` beside them says
    {source, revision, commit}, commit null for a local folder. `kind` is a key of `KINDS`.

    Everything that would end a later job is found here, before hours of sampling. Raises ValueError
    naming what was tried if the source cannot be had; if a reward model does not give exactly one
    score; if weights are missing, of another shape than the configuration's, NaN or infinite; if
    the tokenizer has more tokens than the model, or cannot render `prompt_format` (None: any).
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}: allowed are {', '.join(KINDS)}")
    store.log(f"fetching {source} (revision {revision or 'default'})")
    # A revision may be a moving branch: one commit is looked up and all files come from it.
    resolved = resolve_revision(source, revision)
    try:
        config = transformers.AutoConfig.from_pretrained(source, revision=resolved)
        if kind == "sequence-classification" and config.num_labels != 1:
            raise ValueError(
                f"it is no scalar reward model: num_labels is {config.num_labels}, 1 is needed"
            )
        model, report = KINDS[kind].from_pretrained(
            source,
            revision=resolved,
            config=config,
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
    if prompt_format is not None:
        chat.check_format(tokenizer, prompt_format)
    commit = getattr(resolved, "resolved", None)  # it has one if the hub or its cache was asked
    origin = {"source": source, "revision": revision, "commit": commit}
    store.write_json(Path(folder) / "source.json", origin)
    save_model(folder, model, tokenizer)
