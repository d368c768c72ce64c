"""The cache with room: what the stock dynamic cache holds, without its copies."""

import pytest
import torch
from tiny_policy import tiny_model
from transformers import DynamicCache

from prefgrid.sampling import cache


@pytest.mark.parametrize("room", [1, 3, 64])
def test_holds_what_the_dynamic_cache_holds(room, monkeypatch):
    monkeypatch.setattr(cache, "ROOM", room)
    draw = torch.Generator().manual_seed(room)
    config = tiny_model().config
    ours, stock = cache.roomy_cache(config), DynamicCache()
    rows = 4
    # A prefill, its rows repeated, single tokens, rows dropped, two tokens at once.
    for length, selected in (
        (5, [0, 0, 1, 3, 3, 3]),
        (1, None),
        (1, [1, 2, 5]),
        (2, [2]),
        (1, None),
    ):
        for layer in range(2):
            states = torch.randn(2, rows, 3, length, 4, generator=draw)
            pairs = zip(ours.update(*states, layer), stock.update(*states, layer), strict=True)
            assert all(torch.equal(left, right) for left, right in pairs)
        if selected is not None:
            for either in (ours, stock):
                either.reorder_cache(torch.tensor(selected))
            rows = len(selected)
        assert ours.get_seq_length() == stock.get_seq_length()
        for mine, theirs in zip(ours.layers, stock.layers, strict=True):
            assert torch.equal(mine.keys, theirs.keys)
            assert torch.equal(mine.values, theirs.values)


def test_a_token_is_written_in_place():
    states = torch.randn(2, 1, 1, 3, 4)
    ours = cache.roomy_cache(tiny_model().config)
    keys, _ = ours.update(*states, 0)
    longer, _ = ours.update(*states[:, :, :, :1], 0)
    assert longer.data_ptr() == keys.data_ptr()
