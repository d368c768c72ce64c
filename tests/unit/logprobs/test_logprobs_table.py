"""The cached reference table."""

import pytest
import torch
from tiny_policy import PAD, random_groups, tiny_lora, tiny_model

from prefgrid.files import store
from prefgrid.logprobs.sequence import sequence_logps
from prefgrid.logprobs.table import dataset_logps, logp_frame, looked_up_logps


def split(groups):
    return [group.prompt_tokens for group in groups], [group.responses for group in groups]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_rows_come_back_in_the_given_order(batch_size):
    model, groups = tiny_model(), random_groups(7)
    sums, lengths = dataset_logps(model, *split(groups), pad_id=PAD, batch_size=batch_size)
    with torch.no_grad():
        expected, expected_lengths = sequence_logps(model, *split(groups), pad_id=PAD)
    torch.testing.assert_close(sums, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(lengths, expected_lengths)
    assert not sums.requires_grad


def test_same_call_gives_the_same_bits_and_dropout_is_off():
    model, groups = tiny_lora(dropout=0.5), random_groups(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.1)
    model.train()
    first, _ = dataset_logps(model, *split(groups), pad_id=PAD, batch_size=2)
    second, _ = dataset_logps(model, *split(groups), pad_id=PAD, batch_size=2)
    assert torch.equal(first, second)
    assert model.training


def test_table_survives_the_disk_and_is_looked_up_by_group(tmp_path):
    import pandas

    model, groups = tiny_model(), random_groups(4)
    prompts, responses = split(groups)
    sums, lengths = dataset_logps(model, prompts, responses, pad_id=PAD, batch_size=4)
    keys = [10, 11, 12, 13]
    store.write_parquet(tmp_path / "logps.parquet", logp_frame(keys, sums, lengths))
    frame = pandas.read_parquet(tmp_path / "logps.parquet")
    assert list(frame.columns) == ["group", "response", "logp_sum", "tokens"]
    assert frame["logp_sum"].dtype == "float32"
    # Any subset in any order: the table of the largest n serves every n.
    found = looked_up_logps(frame, [12, 10], [responses[2], responses[0]])
    assert torch.equal(found, sums[[2, 0]])


def test_groups_of_unequal_size_have_a_row_a_response():
    prompts, responses = split(random_groups(4, responses=3))
    ragged = [responses[0][:1], responses[1], responses[2][:2], responses[3][:1]]
    sums, lengths = dataset_logps(tiny_model(), prompts, ragged, pad_id=PAD, batch_size=2)
    whole, _ = dataset_logps(tiny_model(), prompts, responses, pad_id=PAD, batch_size=2)
    present = torch.tensor([[1, 0, 0], [1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=bool)
    torch.testing.assert_close(sums, whole * present, atol=1e-5, rtol=1e-5)
    assert (lengths > 0).equal(present)
    frame = logp_frame([7, 8, 9, 10], sums, lengths)
    assert frame["group"].tolist() == [7, 8, 8, 8, 9, 9, 10]
    assert frame["response"].tolist() == [0, 0, 1, 2, 0, 1, 0]
    found = looked_up_logps(frame, [9, 8, 10], [ragged[2], ragged[1], ragged[3]])
    assert torch.equal(found, sums[[2, 1, 3]])
    narrow = looked_up_logps(frame, [7, 10], [ragged[0], ragged[3]])
    assert torch.equal(narrow, sums[[0, 3], :1])


def test_table_of_other_responses_is_refused():
    groups = random_groups(2)
    prompts, responses = split(groups)
    sums, lengths = dataset_logps(tiny_model(), prompts, responses, pad_id=PAD, batch_size=2)
    frame = logp_frame([0, 1], sums, lengths)
    with pytest.raises(ValueError, match="group 2, response 0 .* no such row"):
        looked_up_logps(frame, [2], [responses[0]])
    longer = [[*responses[0][0], 5], responses[0][1]]
    with pytest.raises(ValueError, match=f"has {len(longer[0])} tokens, the table holds"):
        looked_up_logps(frame, [0], [longer])
