"""A cache with room for the tokens to come in those of its layers that keep keys and values.

The stock dynamic cache makes a new tensor for every token: a decode step then copies all that was
decoded before, which on a CPU is half of its time. What linear attention, state spaces and
convolutions keep has no place for each token; such layers are the model's own.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

# Positions added when a layer is full: few copies, little memory that is touched for nothing.
ROOM = 32


class RoomyLayer(DynamicLayer):
    """A `DynamicLayer` whose keys and values are the filled part of larger tensors."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append the states [B, H, T, D]; returns all keys and values, views of the stored ones."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
            self.key_room, self.value_room = self.keys, self.values
        filled = self.keys.shape[2]
        length = filled + key_states.shape[2]
        if length > self.key_room.shape[2]:
            every_row = torch.arange(len(self.keys), device=self.keys.device)
            self.key_room = _with_room(self.keys, length, every_row)
            self.value_room = _with_room(self.values, length, every_row)
        self.key_room[:, :, filled:length] = key_states
        self.value_room[:, :, filled:length] = value_states
        self.keys, self.values = self.key_room[:, :, :length], self.value_room[:, :, :length]
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep (or repeat) these rows of the batch."""
        length = self.keys.shape[2]
        self.key_room = _with_room(self.keys, length, beam_idx)
        self.value_room = _with_room(self.values, length, beam_idx)
        self.keys, self.values = self.key_room[:, :, :length], self.value_room[:, :, :length]


def _with_room(states: Tensor, length: int, rows: Tensor) -> Tensor:
    """A tensor for `length` positions and more that begins with these rows of `states`."""
    _, heads, filled, width = states.shape
    larger = states.new_empty(len(rows), heads, length + ROOM, width)
    torch.index_select(states, 0, rows, out=larger[:, :, :filled])
    return larger


def roomy_cache(config: Any) -> Cache:
    """An empty cache for a model with this config.

    Layers that attend to all positions or to a window of them get room for all: the model's mask
    hides what is outside the window.
    """
    layers = DynamicCache(config=config).layers
    if not layers:  # a config that lists no layers: they are made as they come
        return Cache(layer_class_to_replicate=RoomyLayer)
    with_positions = DynamicLayer, DynamicSlidingWindowLayer
    return Cache([RoomyLayer() if type(layer) in with_positions else layer for layer in layers])
