"""The split into training and evaluation prompts."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefgrid.data import pools

TEXTS = st.lists(st.text(alphabet="ab \n\té", max_size=6).filter(str.strip), max_size=40)
SHARES = st.floats(0.01, 0.99)


@given(TEXTS, SHARES, st.randoms(use_true_random=False))
def test_pools_are_disjoint_distinct_and_the_same_in_any_order(texts, share, shuffler):
    train, evaluation = pools.split(texts, share)
    names = [row["prompt_id"] for row in train + evaluation]
    assert len(set(names)) == len(names)
    normal = [" ".join(row["prompt"].split()) for row in train + evaluation]
    assert len(set(normal)) == len(normal)
    assert set(normal) == {" ".join(text.split()) for text in texts}, "no prompt is lost"
    assert {row["prompt"] for row in train + evaluation} <= set(texts)

    shuffled = list(texts)
    shuffler.shuffle(shuffled)
    again = pools.split(shuffled, share)
    for before, after in zip((train, evaluation), again, strict=True):
        assert [row["prompt_id"] for row in before] == [row["prompt_id"] for row in after]


@given(TEXTS, TEXTS, SHARES)
def test_a_prompt_stays_on_its_side_when_the_dataset_grows(texts, more, share):
    train, evaluation = pools.split(texts, share)
    grown_train, grown_evaluation = pools.split(texts + more, share)
    assert {row["prompt_id"] for row in train} <= {row["prompt_id"] for row in grown_train}
    assert {row["prompt_id"] for row in evaluation} <= {
        row["prompt_id"] for row in grown_evaluation
    }


def test_white_space_makes_no_other_prompt():
    """The first spelling is the one that is kept."""
    train, evaluation = pools.split(["a  fox\n", "a fox", " a\tfox"], 0.5)
    (row,) = train + evaluation
    assert row["prompt"] == "a  fox\n"
    assert pools.prompt_id("a fox") == row["prompt_id"]
    assert pools.prompt_id("afox") != row["prompt_id"]
    assert pools.prompt_id("A fox") != row["prompt_id"]


@given(
    st.text(alphabet="aeé\u0301\u0327o\u0308 ç\u1e69s\u0307\u0323\ud55c\u1112\u1161\u11ab\u212b\n"),
    SHARES,
)
def test_the_unicode_spelling_makes_no_other_prompt(text, share):
    """Kind: prompts that are one to the model (Qwen's tokenizer normalises to NFC, for one) stand on
    both sides of the split, so that an evaluation prompt trains. The first spelling is kept."""
    spellings = [text] + [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    assert len({pools.prompt_id(one) for one in spellings}) == 1
    train, evaluation = pools.split(spellings, share)
    (row,) = train + evaluation
    assert row["prompt"] == text


def test_compatible_characters_stay_different():
    """x² is not x2, nor ﬁ fi: only canonical equality makes prompts equal."""
    assert pools.prompt_id("x²") != pools.prompt_id("x2")
    assert pools.prompt_id("ﬁ") != pools.prompt_id("fi")


def test_identities_are_pinned():
    """First 16 digits of sha256("abc") of FIPS 180-4: a change would move prompts between sides."""
    assert pools.prompt_id(" abc ") == "ba7816bf8f01cfea"
    assert pools.is_evaluation("ba7816bf8f01cfea", 0.74)  # 0xba78/0x10000 = 0.7284
    assert not pools.is_evaluation("ba7816bf8f01cfea", 0.72)
    # sha256 of the UTF-8 of the composed é, c3 a9.
    assert pools.prompt_id("e\u0301") == hashlib.sha256(b"\xc3\xa9").hexdigest()[:16]


def test_the_share_is_kept():
    """2000 prompts, share 0.15: 300 expected, standard deviation √(2000·0.15·0.85) = 16."""
    _, evaluation = pools.split((f"prompt {i}" for i in range(2000)), 0.15)
    assert abs(len(evaluation) - 300) < 4 * 16


def test_a_larger_share_only_adds_evaluation_prompts():
    names = [pools.prompt_id(f"prompt {i}") for i in range(300)]
    small, large = (
        {name for name in names if pools.is_evaluation(name, share)} for share in (0.1, 0.3)
    )
    assert small < large


def test_a_pool_that_is_too_small_is_named_by_the_config_key_that_asks():
    rows = [pools.Prompt(prompt_id=f"{i:016x}", prompt=str(i)) for i in range(5)]
    pools.check_size(rows, 5, "toy.prompts")
    with pytest.raises(
        ValueError, match=r"^other\.prompts: the pool holds 5 prompts, but 6 .*: at most 5"
    ):
        pools.check_size(rows, 6, "other.prompts")
