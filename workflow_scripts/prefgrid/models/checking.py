"""Is a model's folder what its job wrote, and do the parts of it fit each other?

Everything here costs little beside loading the weights and raises ValueError (DataError where a
file is damaged) that says which file and what to do.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from prefgrid.files import artifacts, reading, records, store

INERT = True

# Weights beyond this would take seconds to read a second time; of them only the header is checked
# on loading, which tells a file that was cut. `make verify` reads everything.
HASHED_BYTES = 2**30


def check_files(folder: Path | str) -> None:
    """Compare the folder's files with the hashes in its manifest, where it has one.

    DataError naming the first file that is missing, is another than its manifest says, or is none of
    the manifest's: libraries read a folder by names, and a chat template or an adapter more would
    change every result. A safetensors file must also be as long as its own header says, with or
    without a manifest.
    """
    folder = Path(folder)
    manifest = folder / artifacts.MANIFEST
    try:
        listed = reading.read_json(manifest, records.Manifest) if manifest.is_file() else {}
    except store.DataError as error:
        raise _damaged(manifest, f"is no manifest ({error})") from error
    for name, sha256 in listed.items():
        path = folder / name
        if not path.is_file():
            raise _damaged(path, f"is missing, but {artifacts.MANIFEST} lists it")
        if path.stat().st_size <= HASHED_BYTES and sha256 != store.sha256_file(path):
            raise _damaged(path, f"is not the file that {artifacts.MANIFEST} lists")
    for path in artifacts.strays(folder, listed) if manifest.is_file() else ():
        raise store.DataError(
            f"{path}: is not among the files that {artifacts.MANIFEST} lists, and would be read as a "
            "part of the model; move it elsewhere or delete it"
        )
    for path in sorted(folder.glob("*.safetensors")):
        weight_names(path)


def weight_names(path: Path) -> set[str]:
    """Names of a safetensors file's tensors; DataError if it was cut or its header is damaged."""
    try:
        with safe_open(path, framework="pt") as weights:
            return set(weights.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, f"is cut or damaged ({error})") from error


def _damaged(path: Path, what: str) -> store.DataError:
    return store.DataError(
        f"{path}: {what}; it was changed, cut or half copied after it was written. "
        f"Delete {path.parent} and run again; snakemake then makes it anew"
    )


def check_config(config: Any) -> None:
    """ValueError for a model that no job can handle, whatever its weights are."""
    quantization = getattr(config, "quantization_config", None)
    if quantization is not None:
        settings = quantization if isinstance(quantization, dict) else quantization.to_dict()
        raise ValueError(
            f"its weights are quantized ({settings.get('quant_method')}); give the model that it was "
            "made from"
        )
    if getattr(config, "attention_type", None) == "block_sparse":
        raise ValueError(
            f"a {config.model_type} with attention_type block_sparse (config.json) reads a row by other "
            "rules after its first short one; set original_full in a local copy"
        )


def check_tokenizer_file(folder: Path | str) -> None:
    """ValueError if a folder has no tokenizer.json: other files need packages that are not here, or say
    less about their tokens."""
    if not (Path(folder) / "tokenizer.json").is_file():
        raise ValueError(
            f"{folder}: has no tokenizer.json. A SentencePiece file alone (spm.model, tokenizer.model) needs "
            "the package sentencepiece, which this environment lacks; allowed: a folder in which "
            "tokenizer.json was saved where that package is (AutoTokenizer.from_pretrained, save_pretrained)"
        )


def check_special_tokens(source: str, tokenizer: Any) -> None:
    """ValueError if nothing could fill up a row of tokens."""
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is None:
        raise ValueError(
            f"{source}: its tokenizer has neither a padding nor an end token; name one in "
            "tokenizer_config.json (pad_token, eos_token) of a local copy"
        )


def check_loaded(folder: Path | str, report: dict[str, Any]) -> None:
    """ValueError if the weights file left a part of the model as it was initialised: at random.

    report: the loading information of transformers.
    """
    if report["missing_keys"]:
        raise ValueError(
            f"{folder}: weights of {_few(sorted(report['missing_keys']))} are missing from the "
            "file; those parts of the model would be random"
        )
    if report["mismatched_keys"]:
        shapes = [
            f"{name} {list(found)} for {list(wanted)}"
            for name, found, wanted in sorted(report["mismatched_keys"])
        ]
        raise ValueError(
            f"{folder}: the shapes of the weights are not those of config.json: {_few(shapes)}; "
            "one of the two files belongs to another model"
        )


def check_finite(folder: Path | str, model: torch.nn.Module) -> None:
    """ValueError if a weight is NaN or infinite: whatever the model computes would be, too."""
    wrong = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
    if wrong:
        raise ValueError(
            f"{folder}: weights of {_few(wrong)} are NaN or infinite; the download is damaged or "
            "the model was never sound: choose another source or revision"
        )


def check_vocabulary(folder: Path | str, tokenizer: Any, vocabulary_size: int) -> None:
    """ValueError if the tokenizer can give an id beyond the model's embedding.

    Added special tokens count only if they begin, end or pad a text, or are in the chat template:
    text models keep others of their family, for images say, that have no row.
    """
    template = str(tokenizer.chat_template)
    needed = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    unused = {
        number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special and number not in needed and token.content not in template
    }
    largest = max(set(tokenizer.get_vocab().values()) - unused)
    if largest >= vocabulary_size:
        raise ValueError(
            f"{folder}: the tokenizer has ids up to {largest}, but the model's embedding "
            f"(vocab_size in config.json) has {vocabulary_size} rows: they belong to different "
            "models, or the tokenizer was extended and the model was not"
        )


def check_tokens(groups: Sequence[Mapping[str, Any]], vocabulary_size: int) -> None:
    """ValueError if a stored group holds a token id beyond the model's embedding."""
    for row in groups:
        texts = {"the prompt": row["prompt_tokens"]}
        texts |= {f"response {k}": one["tokens"] for k, one in enumerate(row["responses"])}
        for what, tokens in texts.items():
            if max(tokens) >= vocabulary_size:
                raise ValueError(
                    f"group {row['group']}: {what} holds the id {max(tokens)}, but the model's "
                    f"embedding has {vocabulary_size} rows: the responses were written with another "
                    "model's tokenizer"
                )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
