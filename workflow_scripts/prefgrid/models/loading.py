"""Models as folders: load, save, adapters. A saved folder's `manifest.json` is written last."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from prefgrid.files import artifacts, store
from prefgrid.models import attention, checking
from prefgrid.models.lora_linear import InPlaceLoraLinear
from prefgrid.models.stacked_linear import put_below
from prefgrid.models.targets import refusals

# Weights' dtype by the name of the precision.
DTYPES = {"none": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# One weights file whatever the size, so that the declared outputs of a rule are known beforehand.
ONE_SHARD = "100TB"
# Beside an average: which policies it is of.
AVERAGE = "average.json"
HOW_IT_WAS_READ = ("is_local", "local_files_only")


def load_causal_lm(folder: Path | str, precision: str = "none") -> Any:
    """The causal language model in `folder`, in evaluation mode, on the CPU. ValueError if the folder holds
    no sound model or the precision has no dtype."""
    return load_model(transformers.AutoModelForCausalLM, folder, precision)


def load_stack(folder: Path | str, adapters: Sequence[Path | str], precision: str = "none") -> Any:
    """The causal language model in `folder` with the policies of earlier iterations on it, one after the
    other; as `load_causal_lm` returns it, and with its errors and `load_adapter`'s.

    A policy of all weights takes the place of what came before it. In float32 adapters are merged. In a narrower
    precision they stay unmerged, in float32 (`stacked_linear`), where each is plain LoRA on linear layers; where
    one is not, all are merged in float32 and the weights rounded to the precision once, which is logged: the
    stack is then its last policy up to that rounding. Nothing is written.
    """
    whole = [place for place, one in enumerate(adapters) if not is_adapter(one)]
    if whole:
        folder, adapters = adapters[whole[-1]], adapters[whole[-1] + 1 :]
    if not adapters:
        return load_causal_lm(folder, precision)
    if _dtype(precision) == torch.float32:
        return _merged(folder, adapters, torch.float32)
    model = load_causal_lm(folder, precision)
    for adapter in adapters:
        model = put_below(load_adapter(model, adapter))
        if model is None:
            store.log(
                f"{adapter}: more than plain LoRA on linear layers, so all are merged and rounded to {precision}; "
                "what starts from it has the policy for its reference up to that rounding"
            )
            return _merged(folder, adapters, _dtype(precision))
    return model.requires_grad_(True).eval()


def _merged(folder: Path | str, adapters: Sequence[Path | str], dtype: torch.dtype) -> Any:
    model = load_causal_lm(folder)
    for adapter in adapters:
        model = load_adapter(model, adapter).merge_and_unload()
    # Parameters alone: rotary frequencies, which are buffers, are float32 in every loaded model.
    for weight in model.parameters():
        weight.data = weight.data.to(dtype)
    model.config.dtype = dtype
    return model.requires_grad_(True).eval()


def load_model(kind: Any, folder: Path | str, precision: str) -> Any:
    """A model of one of transformers' auto classes (`kind`), in evaluation mode, on the CPU, with
    the attention implementation that its config needs or asks for.

    The folder's files are compared with its manifest first. Raises ValueError if one of them is
    missing or damaged, if a weight is missing or of another shape than config.json says.
    """
    dtype = _dtype(precision)
    config = load_config(folder)
    model, report = kind.from_pretrained(
        folder,
        dtype=dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are in the report, which is read below
        attn_implementation=attention.implementation(config),
    )
    checking.check_loaded(folder, report)
    return model


def _dtype(precision: str) -> torch.dtype:
    if precision not in DTYPES:
        raise ValueError(f"precision {precision!r}: allowed are {', '.join(DTYPES)}")
    return DTYPES[precision]


def load_config(folder: Path | str) -> Any:
    """The configuration of the model in `folder`, whose files are compared with its manifest."""
    _require_file(folder, "config.json", "a model")
    checking.check_files(folder)
    try:
        return transformers.AutoConfig.from_pretrained(folder)
    # What a broken configuration raises depends on the model's own code.
    except Exception as error:
        raise ValueError(f"{folder}/config.json: {str(error).splitlines()[0]}") from error


def load_tokenizer(folder: Path | str) -> Any:
    """The tokenizer in `folder`. ValueError if there is none, if its files are damaged, or if the folder's
    model has no embedding for some of its tokens."""
    if is_adapter(folder):
        raise ValueError(f"{folder}: holds an adapter; the tokenizer is the reference's")
    _require_file(folder, "tokenizer_config.json", "a tokenizer")
    checking.check_files(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if (Path(folder) / "config.json").is_file():
        size = load_config(folder).get_text_config().vocab_size
        checking.check_vocabulary(folder, tokenizer, size)
    return tokenizer


def pad_id(tokenizer: Any) -> int:
    """A token for padding; nothing ever attends to it or scores it."""
    if tokenizer.pad_token_id is not None:
        return tokenizer.pad_token_id
    return tokenizer.eos_token_id


def add_lora(
    model: Any, *, rank: int, alpha: float, dropout: float, targets: str | list[str], seed: int
) -> Any:
    """Wrap `model` with a new trainable LoRA adapter that changes nothing yet (B = 0).

    `targets` is "all-linear" (every linear layer but the output one) or names of layers. The
    adapter is float32 whatever the weights are, and its A depends on `seed` alone; the global
    random state is left as it was. Wrap before moving the model to a device. ValueError if the
    targets do not fit the model, in part or wholly (`targets.refusals`).
    """
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets,
        bias="none",
        task_type="CAUSAL_LM",
    )
    # Experimental in peft, as its name says; a test sees that our layers are the ones made.
    config._register_custom_module({torch.nn.Linear: InPlaceLoraLinear})
    # The model is on the CPU: no device's random state is touched, neither saved nor seeded.
    with torch.random.fork_rng(devices=[]), refusals(model, targets, config):
        torch.default_generator.manual_seed(seed)
        return peft.get_peft_model(model, config)


def is_adapter(folder: Path | str) -> bool:
    """Whether the policy in `folder` is an adapter, and no whole model."""
    return (Path(folder) / "adapter_config.json").is_file()


def is_average(folder: Path | str) -> bool:
    """Whether the policy in `folder` is a mean of others, on the bare reference and without one before it."""
    return (Path(folder) / AVERAGE).is_file()


def load_adapter(model: Any, folder: Path | str, *, trainable: bool = False) -> Any:
    """Wrap `model` with the adapter saved in `folder`.

    ValueError if there is none, if its files are damaged, or if it was made for another model.
    """
    _require_file(folder, "adapter_config.json", "an adapter")
    checking.check_files(folder)
    saved = checking.weight_names(Path(folder) / "adapter_model.safetensors")
    try:
        wrapped = peft.PeftModel.from_pretrained(model, folder, is_trainable=trainable)
    # peft raises RuntimeError for shapes, ValueError for layers that do not fit.
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{folder}: {_unfit(model)}: {str(error).splitlines()[0]}") from error
    # It only warns of weights it did not find, which would stay as they were initialised.
    if saved != set(peft.get_peft_model_state_dict(wrapped)):
        raise ValueError(f"{folder}: {_unfit(model)}: its layers are others than the model's")
    return wrapped


def load_iterate(
    folder: Path | str, adapters: Sequence[Path | str], policy: Path | str, precision: str
) -> tuple[Any, Any | None]:
    """(policy, reference) in evaluation mode: the one in the folder `policy`, and the `load_stack` that it started
    from; None where that is the policy with its adapter off. Errors as of `load_stack` and `load_adapter`."""
    reference = load_stack(folder, adapters, precision)
    if is_adapter(policy):
        return load_adapter(reference, policy).eval(), None
    return load_causal_lm(policy, precision), reference


def _unfit(model: Any) -> str:
    return f"the adapter does not fit the model of {model.config.name_or_path!r}"


def save_model(folder: Path | str, model: Any, tokenizer: Any) -> None:
    """Write weights (one safetensors file), configs, tokenizer and then the manifest."""
    model.save_pretrained(folder, max_shard_size=ONE_SHARD)
    save_tokenizer(folder, tokenizer)
    write_manifest(folder)


def save_tokenizer(folder: Path | str, tokenizer: Any) -> None:
    """Write the tokenizer's files. transformers also notes how it was itself read, which differs between
    jobs (whether the hub may be asked) and is no part of it."""
    tokenizer.save_pretrained(folder)
    path = Path(folder) / "tokenizer_config.json"
    config = store.read_json(path)
    store.write_json(path, {key: config[key] for key in config if key not in HOW_IT_WAS_READ})


def save_adapter(folder: Path | str, model: Any) -> None:
    """Write the adapter's weights, its config, which names no base, and then the manifest."""
    write_adapter(folder, model, name=None, revision=None)
    write_manifest(folder)


def write_adapter(
    folder: Path | str, model: Any, *, name: str | None, revision: str | None
) -> None:
    """Write the adapter's weights and its config, which names the base that it goes on.

    The bytes depend on the adapter and that name alone: peft writes the path that the model was loaded
    from and unordered sets of names into the config, and a model card beside it.
    """
    folder = Path(folder)
    model.save_pretrained(folder)
    (folder / artifacts.CARD).unlink()
    config = store.read_json(folder / "adapter_config.json")
    config |= {"base_model_name_or_path": name, "revision": revision}
    for targets in ("target_modules", "target_parameters"):
        if isinstance(config[targets], list):
            config[targets].sort()
    store.write_json(folder / "adapter_config.json", config)


def write_manifest(folder: Path | str) -> None:
    """Write `manifest.json`: {file name: SHA-256} of every other file in `folder` itself."""
    folder = Path(folder)
    hashes = {path.name: store.sha256_file(path) for path in artifacts.files(folder)}
    hashes.pop(artifacts.MANIFEST, None)
    store.write_json(folder / artifacts.MANIFEST, hashes)


def _require_file(folder: Path | str, name: str, what: str) -> None:
    if not (Path(folder) / name).is_file():
        raise ValueError(f"{folder}: does not hold {what} ({name} is missing)")
