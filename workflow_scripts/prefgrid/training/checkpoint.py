"""Where a run is, kept on disk, so that a killed run goes on and ends as if nothing had happened.

A checkpoint is one safetensors file and `checkpoint.json`, which names it and its SHA-256 and is
written last. So what was cut, overwritten or half copied is found out, and nothing in it is ever
executed. Dropout and data order are keyed by the step and need no place in it.
"""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from prefgrid.files import store

POINTER = "checkpoint.json"
# Key of everything that is no tensor, in the safetensors header.
VALUES = "values"


class Stateful(Protocol):
    """Something whose state is tensors and JSON values by name."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass
class RunState:
    """All that a step depends on and that earlier steps, or the start, have made.

    weights: the trainable tensors by name. optimizer: its settings are set anew each step and by
    the options. scaler: the gradient scaler of float16, else None. parts: what else changes as the
    run goes, the objective say, by names without a space. start_sums: float64 [W, 2],
    two sums of each weight before the first step. adapter_off: which reference the run began with
    (`reference.start_reference`). rows: the metrics of every step so far.
    """

    weights: dict[str, Tensor]
    optimizer: Any
    scaler: Any
    parts: dict[str, Stateful]
    start_sums: Tensor
    adapter_off: bool | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps_done(self) -> int:
        return len(self.rows)

    @property
    def examples_seen(self) -> int:
        return self.rows[-1]["examples_seen"] if self.rows else 0

    def packed(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, what else there is, for JSON); TypeError if the state of a part does not fit."""
        states = {name: part.state_dict() for name, part in self.parts.items()}
        tensors = {f"weight {name}": weight.detach() for name, weight in self.weights.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            # Adafactor counts its steps in plain numbers.
            tensors |= {
                f"optimizer {number} {name}": torch.as_tensor(value, dtype=torch.float32)
                for name, value in moments.items()
            }
        tensors["start_sums"] = self.start_sums
        for part, state in states.items():
            tensors |= {f"{part} {k}": v for k, v in state.items() if isinstance(v, Tensor)}
        values = {
            "rows": self.rows,
            "adapter_off": self.adapter_off,
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "parts": {
                part: {k: v for k, v in state.items() if not isinstance(v, Tensor)}
                for part, state in states.items()
            },
        }
        return tensors, values

    def unpack(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Become what `packed` was called on, for the same model, options and objective."""
        kinds: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key, tensor in tensors.items():
            kind, _, name = key.partition(" ")
            kinds[kind][name] = tensor
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(kinds["weight"][name])
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in kinds["optimizer"].items():
            number, name = key.split(" ")
            moments.setdefault(int(number), {})[name] = tensor
        settings = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": settings})
        if self.scaler is not None:
            self.scaler.load_state_dict(values["scaler"])
        for name, part in self.parts.items():
            part.load_state_dict({**values["parts"][name], **kinds[name]})
        self.start_sums = tensors["start_sums"]
        self.adapter_off = values["adapter_off"]
        self.rows = values["rows"]


class Checkpoints:
    """The newest checkpoint of one run, in a folder of its own. None: there are none, ever."""

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self.saved = time.monotonic()

    def due(self) -> bool:
        """Whether `seconds` have passed since the last one, or since the start."""
        return self.folder is not None and time.monotonic() - self.saved >= self.seconds

    def save(self, state: RunState) -> None:
        """Put `state` in the place of the one before.

        Raises OSError where the disk is full; the one before is then still there.
        """
        tensors, values = state.packed()
        path = self.folder / f"step={state.steps_done}.safetensors"
        with store.replacing(path) as temporary:
            try:
                save_file(
                    {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
                    temporary,
                    metadata={VALUES: json.dumps(values)},
                )
            except safetensors.SafetensorError as error:
                raise OSError(f"{path}: the checkpoint could not be written ({error})") from error
        store.write_json(self.folder / POINTER, {path.name: store.sha256_file(path)})
        for other in self.folder.glob("*step=*.safetensors*"):
            if other != path:
                other.unlink()
        self.saved = time.monotonic()

    def load(self, state: RunState, device: torch.device) -> None:
        """Bring `state` to the newest checkpoint; leave it alone if there is none, or a broken one."""
        if self.folder is None or not (self.folder / POINTER).is_file():
            return
        try:
            ((found, digest),) = store.read_json(self.folder / POINTER).items()
            path = self.folder / found
            if store.sha256_file(path) != digest:
                raise ValueError(f"{path} is not the file that was written")
            with safetensors.safe_open(path, framework="pt", device="cpu") as file:
                names = list(file.keys())
                # In memory of their own, as the tensors of a run are.
                tensors = {name: file.get_tensor(name).to(device, copy=True) for name in names}
                values = json.loads(file.metadata()[VALUES])
        except (
            OSError,
            ValueError,
            TypeError,
            AttributeError,
            safetensors.SafetensorError,
        ) as error:
            store.log(f"the checkpoint is broken, so the run starts over ({error})")
            return
        state.unpack(tensors, values)
