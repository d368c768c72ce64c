"""Parts of a prompt pool: disjoint, the same in a longer run, of any size the pool allows."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.data import parts, pools

POOL = pools.split([f"prompt {number}" for number in range(400)], 0.15)[0]


def names(rows):
    return [row["prompt_id"] for row in rows]


@given(st.integers(1, 60), st.integers(1, 5))
def test_parts_of_a_size_are_the_ids_in_order(size, count):
    found = [parts.numbered(POOL, number, size, None) for number in range(1, count + 1)]
    assert names([row for part in found for row in part]) == sorted(names(POOL))[: size * count]
    assert {len(part) for part in found} == {size}


def test_a_part_does_not_depend_on_the_order_of_the_pool():
    shuffled = random.Random(0).sample(POOL, len(POOL))
    for size, shares in ((20, None), (None, 4), (None, None)):
        assert parts.numbered(shuffled, 1, size, shares) == parts.numbered(POOL, 1, size, shares)


@pytest.mark.parametrize("shares", [1, 2, 3, 7])
def test_shares_are_disjoint_and_together_the_pool(shares):
    found = [parts.numbered(POOL, number, None, shares) for number in range(1, shares + 1)]
    assert sorted(name for part in found for name in names(part)) == sorted(names(POOL))
    # Binomial: five standard deviations.
    mean = len(POOL) / shares
    assert all(abs(len(part) - mean) < 5 * mean**0.5 for part in found)


def test_a_share_keeps_its_prompts_when_the_pool_grows():
    before = names(parts.numbered(POOL[::2], 2, None, 3))
    assert set(before) < set(names(parts.numbered(POOL, 2, None, 3)))


def test_without_size_and_shares_it_is_all():
    assert names(parts.numbered(POOL, 1, None, None)) == sorted(names(POOL))


def test_a_pool_that_is_too_small_is_refused_with_what_it_allows():
    with pytest.raises(ValueError, match=r"3 x 4 = 12 prompts .* holds 11; allowed: at most 3 "):
        parts.numbered(POOL[:11], 3, 4, None)
    assert len(parts.numbered(POOL[:11], 3, 3, None)) == 3
    one = [POOL[0]]
    empty = 1 + (int(POOL[0]["prompt_id"], 16) + 1) % 2
    with pytest.raises(ValueError, match=f"share {empty} of 2 has none of the 1 prompts"):
        parts.numbered(one, empty, None, 2)
