"""Which prompts a seed answers, in which order, and in which shard."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.data import responses
from prefgrid.data.pools import Prompt, prompt_id


def pool_of(count: int) -> list[Prompt]:
    return [Prompt(prompt_id=prompt_id(f"p{i}"), prompt=f"p{i}") for i in range(count)]


class TestSeedPrompts:
    @pytest.mark.parametrize("groups", [0, 1, 7, 50])
    def test_fewer_prompts_are_a_prefix_of_more(self, groups):
        pool = pool_of(50)
        assert (
            responses.seed_prompts(pool, 3, groups) == responses.seed_prompts(pool, 3, 50)[:groups]
        )

    def test_the_order_does_not_depend_on_the_pool_s(self):
        pool = pool_of(50)
        shuffled = random.Random(0).sample(pool, 50)
        assert responses.seed_prompts(shuffled, 3, 20) == responses.seed_prompts(pool, 3, 20)

    def test_each_prompt_once(self):
        order = responses.seed_prompts(pool_of(50), 3, 50)
        assert sorted(row["prompt"] for row in order) == sorted(f"p{i}" for i in range(50))

    def test_seeds_have_orders_of_their_own(self):
        """Two random orders of 200 agree at one place on average; 10 has probability 1e-7."""
        pool = pool_of(200)
        one, two = (responses.seed_prompts(pool, seed, 200) for seed in (0, 1))
        assert sum(a == b for a, b in zip(one, two, strict=True)) < 10

    def test_a_pool_that_is_too_small_is_an_error(self):
        with pytest.raises(ValueError, match="51 groups asked for, but the pool holds 50"):
            responses.seed_prompts(pool_of(50), 0, 51)


class TestShards:
    @given(st.integers(1, 500), st.integers(1, 40))
    def test_balanced_contiguous_and_complete(self, groups, shards):
        shards = min(shards, groups)
        ranges = [responses.shard_range(groups, shards, shard) for shard in range(shards)]
        assert [group for shard in ranges for group in shard] == list(range(groups))
        sizes = [len(shard) for shard in ranges]
        assert max(sizes) - min(sizes) <= 1

    @pytest.mark.parametrize("shard", [-1, 3])
    def test_a_shard_that_does_not_exist_is_an_error(self, shard):
        with pytest.raises(ValueError, match=f"shard {shard}: allowed are 0 to 2"):
            responses.shard_range(10, 3, shard)

    def test_more_shards_than_prompts_are_refused(self):
        assert [len(responses.shard_range(3, 3, shard)) for shard in range(3)] == [1, 1, 1]
        with pytest.raises(
            ValueError, match="generation.shards: 4 shards for 3 prompts; allowed: at most one a"
        ):
            responses.shard_range(3, 4, 0)
