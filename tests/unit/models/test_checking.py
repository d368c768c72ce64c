"""Stored tokens against the model that is to read them."""

import pytest

from prefgrid.models import checking


def group(number: int, prompt: list[int], *responses: list[int]) -> dict:
    tokens = [{"tokens": response} for response in responses]
    return {"group": number, "prompt_tokens": prompt, "responses": tokens}


def test_every_id_below_the_vocabulary_is_one_of_it():
    checking.check_tokens([group(0, [9], [0, 9], [3]), group(1, [0], [9])], 10)


@pytest.mark.parametrize(
    ("prompt", "responses", "where"),
    [
        ([3, 10], ([1], [2]), "the prompt holds the id 10"),
        ([3], ([10, 1], [2]), "response 0 holds the id 10"),
        ([3], ([1], [2], [4, 11]), "response 2 holds the id 11"),
    ],
)
def test_an_id_beyond_the_embedding_is_named_with_its_group(prompt, responses, where):
    groups = [group(0, [1], [2]), group(7, prompt, *responses)]
    with pytest.raises(ValueError, match=f"group 7: {where}, .* embedding has 10 rows"):
        checking.check_tokens(groups, 10)
