"""The README.md beside a policy: what it was made from and how to load it, as the hub's model cards.

For people alone: a policy keeps the card of the day it was trained, and rewording one trains nothing.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefgrid.files import cells
from prefgrid.models.origin import Base

INERT = True

# What a precision of the config is to torch.
DTYPES = {"none": "float32", "bf16": "bfloat16", "fp16": "float16"}
PROMPTS = {
    "chat": """\
inputs = tokenizer.apply_chat_template(
    [{"role": "user", "content": "Name a colour."}],
    add_generation_prompt=True, enable_thinking=False, return_dict=True, return_tensors="pt",
)""",
    "raw": 'inputs = tokenizer("Name a colour.", return_tensors="pt")',
}
RUN_S_FOLDER = "Paths are relative to the folder of the run, the one that holds `results/`."


def adapter_card(
    place: str,
    base: Base,
    stack: Sequence[str],
    *,
    tokenizer: str,
    averaged: Sequence[str],
    trained: Mapping[str, Any],
    last_step: Mapping[str, Any],
) -> str:
    """Of a policy as it is trained: an adapter in the folder `place`.

    base: the reference. stack: folders of the policies merged into it before. tokenizer: its folder.
    averaged: folders of the policies that it is the mean of, if it was not trained itself.
    trained: identity or record of the training job, the last one of an average. last_step: the last row of
    its metrics.
    """
    goes_on = _code(base.name) + (f" at commit {_code(base.revision)}" if base.revision else "")
    if stack:
        goes_on += ", after these were merged into it in this order: " + _listed(stack)
        load = f"""\
peft alone would put it on the bare reference, so it names no base. Ask for it as one model:

```
snakemake {place.replace("/policies/", "/exports/")}/manifest.json
```"""
    else:
        load = f"""\
```python
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

folder = "{place}"
policy = AutoPeftModelForCausalLM.from_pretrained(folder, dtype=torch.{_dtype(trained)})
tokenizer = AutoTokenizer.from_pretrained({"folder" if tokenizer == place else repr(tokenizer)})
{PROMPTS[trained["spec"]["prompt_format"]]}
logits = policy(**inputs).logits
```"""
    about = f"A LoRA adapter. It goes on {goes_on}.{_mean_of(averaged)}"
    return _card("peft", "adapter", place, base, about, trained, last_step, load)


def merged_card(
    place: str,
    base: Base,
    parts: Sequence[str],
    *,
    trained: Mapping[str, Any],
    last_step: Mapping[str, Any],
) -> str:
    """Of a policy merged into one model in the folder `place`; `parts`: the folders merged, in order.

    The others as for `adapter_card`.
    """
    about = f"A whole model: {_listed(parts)}, merged in this order in float32."
    return _whole_card(place, base, about, trained, last_step)


def tuned_card(
    place: str,
    base: Base,
    stack: Sequence[str],
    *,
    averaged: Sequence[str],
    trained: Mapping[str, Any],
    last_step: Mapping[str, Any],
) -> str:
    """Of a policy as it is trained: all weights, in the folder `place`. The rest as for `adapter_card`."""
    about = f"A whole model: all weights of {_code(base.name)} were trained"
    if stack:
        about += f", after these were merged into it in this order: {_listed(stack)}"
    return _whole_card(place, base, f"{about}.{_mean_of(averaged)}", trained, last_step)


def _whole_card(
    place: str, base: Base, about: str, trained: Mapping[str, Any], last_step: Mapping[str, Any]
) -> str:
    load = f"""\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "{place}"
policy = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
{PROMPTS[trained["spec"]["prompt_format"]]}
print(tokenizer.decode(policy.generate(**inputs, max_new_tokens=64)[0]))
```

The weights are float32. Rounded to a narrower dtype they lose updates smaller than their last bit."""
    return _card("transformers", "finetune", place, base, about, trained, last_step, load)


def _card(
    library: str,
    relation: str,
    place: str,
    base: Base,
    about: str,
    trained: Mapping[str, Any],
    last_step: Mapping[str, Any],
    load: str,
) -> str:
    spec = trained["spec"]
    objective = spec["objective"].rpartition(".")[2]
    front = ["---", f"library_name: {library}", "pipeline_tag: text-generation"]
    # The hub takes no folder for a model.
    if base.revision is not None:
        front += [f"base_model: {base.name}", f"base_model_relation: {relation}"]
    front += ["tags:", "- prefgrid", "- preference-optimization", f"- {objective}", "---"]
    cell = ", ".join(f"{key} {value}" for key, value in cells.values(place).items())
    data = [
        f"* {_code(path)}, SHA-256 {_code(sha256)}"
        for name in ("data", "logps")
        for path, sha256 in trained["inputs"].get(name, {}).items()
    ]
    metrics = [f"| {name} | {_number(value)} |" for name, value in last_step.items()]
    return "\n".join(
        [
            *front,
            "",
            f"# {objective}: {cell or Path(place).name}",
            "",
            f"{about} {RUN_S_FOLDER}",
            "",
            "## Data",
            "",
            "What it was trained on, and the log-probabilities of that under what it starts from:",
            "",
            *data,
            "",
            "## Method",
            "",
            f"The objective {_code(spec['objective'])}; this is all that the training was told:",
            "",
            "```json",
            json.dumps(spec, indent=2, sort_keys=True, ensure_ascii=False),
            "```",
            "",
            "## Metrics of the last training step",
            "",
            "| metric | value |",
            "|---|---|",
            *metrics,
            "",
            "Margins and log-ratios are in nats. Rewards and KL on held-out prompts are an evaluation's:",
            f"{_code(_evaluations(place))}, where the study has one.",
            "",
            "## How to load",
            "",
            load,
            "",
        ]
    )


def _mean_of(averaged: Sequence[str]) -> str:
    if not averaged:
        return ""
    return f" Its weights are the mean of {_listed(averaged)}; what follows is the last one's."


def _dtype(trained: Mapping[str, Any]) -> str:
    return DTYPES[trained["spec"]["training"]["precision"]]


def _evaluations(place: str) -> str:
    for stage in ("/policies/", "/exports/", "/averages/"):
        place = place.replace(stage, "/evaluations/")
    return f"{place}/"


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(map(_code, paths))


def _code(text: Any) -> str:
    return f"`{text}`"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
