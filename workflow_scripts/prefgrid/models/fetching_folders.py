"""Bring the files of a model whose class only its judge knows into the one folder shape of this workflow.

Such a model may have weights that no class of transformers has (a value head beside a causal model, PairRM's
head), so nothing is loaded and saved again: config.json stays as it is, weights become one file.
"""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import transformers
from huggingface_hub import snapshot_download
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers.utils.hub import resolve_revision

from prefgrid.files import store
from prefgrid.models import checking, fetching, loading
from prefgrid.templates import dates

# Of a hub's folder; not its code, nor weights in other forms.
WANTED = ("*.json", "*.jinja", "*.model", "*.txt", "*.safetensors")
WEIGHTS = "model.safetensors"


def fetch_folder(
    source: str, revision: str | None, folder: Path | str, *, prompt_date: date
) -> None:
    """Save `source` (a hub id or a local folder) into `folder`: config.json, model.safetensors with all of
    its weights in their stored dtype, the tokenizer, source.json and then the manifest.

    The date that a chat template asks for is `prompt_date` from then on. ValueError naming what was tried
    if the source cannot be had; if it is an adapter or quantized, lacks one of these files, holds a weight
    twice, or one that is NaN or infinite; or if the tokenizer has more tokens than the model.
    """
    store.log(f"fetching {source} (revision {revision or 'default'})")
    resolved, folder = resolve_revision(source, revision), Path(folder)
    try:
        fetching.refuse_an_adapter(source, resolved)
        root = _local(source, resolved)
        checking.check_tokenizer_file(root)
        tokenizer = transformers.AutoTokenizer.from_pretrained(root)
        config = transformers.AutoConfig.from_pretrained(root)
        checking.check_config(config)
        _gather_weights(root, folder / WEIGHTS)
    # A damaged file, an unknown name in the config or a library that is lacking can raise anything.
    except Exception as error:
        raise fetching.explained(error, source, revision) from error
    checking.check_vocabulary(source, tokenizer, config.get_text_config().vocab_size)
    checking.check_special_tokens(source, tokenizer)
    if tokenizer.chat_template:
        dates.pin(tokenizer, prompt_date)
    shutil.copyfile(root / "config.json", folder / "config.json")
    fetching.write_origin(folder, source, revision, resolved)
    loading.save_tokenizer(folder, tokenizer)
    loading.write_manifest(folder)


def _local(source: str, revision: str | None) -> Path:
    """The folder of the source's files on this machine."""
    if Path(source).is_dir():
        return Path(source)
    # All of one commit, where it is known.
    commit = getattr(revision, "resolved", None) or revision
    return Path(snapshot_download(source, revision=commit, allow_patterns=list(WANTED)))


def _gather_weights(root: Path, path: Path) -> None:
    """All tensors of the folder's safetensors files as one file."""
    files = sorted(root.glob("*.safetensors"))
    if not files:
        raise ValueError(
            "it has no weights as safetensors (model.safetensors, or shards of it); convert them in a "
            "local copy"
        )
    weights = _tensors(files)
    path.parent.mkdir(parents=True, exist_ok=True)
    if len(files) == 1:
        shutil.copyfile(files[0], path)
    else:
        save_file(weights, path, metadata={"format": "pt"})


def _tensors(files: Sequence[Path]) -> dict[str, Tensor]:
    """Name → tensor, of several files; ValueError if two have the same name or one is not finite."""
    found: dict[str, Tensor] = {}
    for file in files:
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118
                if name in found:
                    raise ValueError(f"{file.name} holds {name}, which another file holds too")
                found[name] = weights.get_tensor(name)
                if not found[name].isfinite().all():
                    raise ValueError(f"the weights {name} in {file.name} are NaN or infinite")
    return found
