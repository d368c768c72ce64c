"""Which dialogues share a prompt and which are read at once: integers alone."""

import random

import pytest

from prefgrid.judges.batches import batches, sharing_groups


def ragged(count: int = 40, seed: int = 0):
    """Dialogues of five prompts, one of them empty, in random order."""
    draw = random.Random(seed)
    prompts = [[], *([p] * length for p, length in enumerate([1, 9, 40, 40], start=1))]
    return [
        (draw.choice(prompts), [draw.randrange(60) for _ in range(draw.randint(1, 30))])
        for _ in range(count)
    ]


def tokens(dialogues, group) -> int:
    return len(dialogues[group[0]][0]) + sum(len(dialogues[number][1]) for number in group)


@pytest.mark.parametrize("most", [1, 4, 16])
def test_every_dialogue_is_in_one_group_of_its_prompt_and_in_one_batch(most):
    dialogues = ragged()
    found = sharing_groups(dialogues, hidden_size=32, most=most)
    assert sorted(number for group in found for number in group) == list(range(len(dialogues)))
    for group in found:
        prompts = [dialogues[number][0] for number in group]
        assert prompts.count(prompts[0]) == len(group) <= (most if prompts[0] else 1)
    sizes = [tokens(dialogues, group) for group in found]
    assert sizes == sorted(sizes, reverse=True)
    parts = list(batches(found, most))
    assert [group for batch in parts for group in batch] == found
    filled = [sum(map(len, batch)) for batch in parts]
    assert max(filled) <= most
    # No batch could have taken the group that opens the next one.
    for size, following in zip(filled, parts[1:], strict=False):
        assert size + len(following[0]) > most


def test_groups_do_not_depend_on_the_given_order():
    dialogues = ragged()
    order = random.Random(1).sample(range(len(dialogues)), len(dialogues))
    shuffled = [dialogues[number] for number in order]

    def contents(given):
        return [
            [given[n] for n in group] for group in sharing_groups(given, hidden_size=32, most=16)
        ]

    assert contents(dialogues) == contents(shuffled)


@pytest.mark.parametrize(("prompt", "response", "hidden"), [(16, 21, 128), (256, 96, 256)])
def test_the_size_of_groups_costs_little_more_than_the_best(prompt, response, hidden):
    """Of 64 equally long responses to a prompt, by the multiplications of every possible size."""

    def cost(size: int) -> float:
        width = prompt + size * response
        return width * (5 * hidden + width) / size

    dialogues = [([1] * prompt, [2] * response)] * 64
    size = len(sharing_groups(dialogues, hidden_size=hidden, most=64)[0])
    assert 1 < size < 64
    assert cost(size) <= 1.05 * min(map(cost, range(1, 65)))


def test_where_no_prompt_is_shared_the_longest_dialogues_are_read_together():
    dialogues = ragged()
    found = sharing_groups(dialogues, hidden_size=None, most=16)
    lengths = [len(dialogues[number][0]) + len(dialogues[number][1]) for (number,) in found]
    assert lengths == sorted(lengths, reverse=True) and len(found) == len(dialogues)


def test_nothing_to_read_is_no_batch():
    assert list(batches(sharing_groups([], hidden_size=32, most=4), 4)) == []
