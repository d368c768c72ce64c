"""The tiny world's tokenizer, its two models at toy size, and the checks of its quality."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from prefgrid import chat, seeding
from prefgrid.files import store
from prefgrid.limits import tiny_world as limits
from prefgrid.models.loading import load_tokenizer, save_model
from prefgrid.objectives import sft
from prefgrid.objectives.base import Batch
from prefgrid.run import execution
from prefgrid.tinyworld import base_model, corpus, language, quality, reward_model
from prefgrid.tinyworld import tokenizer as tiny_tokenizer
from prefgrid.tinyworld.schedule import passes, training_options
from prefgrid.training import loop
from prefgrid.training.batches import Group
from prefgrid.training.step import PolicyForward

ARCHITECTURE = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "intermediate_size": 32,
    "initializer_range": 0.08,
    "rope_theta": 1000.0,
}
OPTIONS = training_options(
    steps=4, batch_size=4, learning_rate=1.0e-3, decay_share=0.5, warmup_steps=1
)
PROMPTS = language.all_prompts()[::97]


@pytest.fixture(scope="module")
def dialogues():
    stream = seeding.stream(0, "test dialogues")
    prompts = language.all_prompts()[::7]
    return [(p, corpus.respond(stream, p, corpus.WRITERS[i % 4])) for i, p in enumerate(prompts)]


@pytest.fixture(scope="module")
def tokenizer(dialogues, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    texts = [text for dialogue in dialogues for text in dialogue]
    tiny_tokenizer.train(texts, vocabulary=640).save_pretrained(folder)
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def base_folder(tokenizer, dialogues, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    save_model(folder, train_base(tokenizer, dialogues), tokenizer)
    return folder


def train_base(tokenizer, dialogues, **named):
    return base_model.train_base(
        tokenizer,
        dialogues,
        ARCHITECTURE,
        OPTIONS,
        whole_text_share=0.5,
        seed=0,
        failure_path="unused",
        **named,
    )


def train_reward(tokenizer, base_folder, **named):
    groups = reward_model.groups(PROMPTS, seed=0)
    return reward_model.train_reward(
        tokenizer, base_folder, groups, OPTIONS, "chat", seed=0, failure_path="unused", **named
    )


def same_weights(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_every_text_survives_a_round_trip(tokenizer):
    everything = bytes(range(256)).decode("latin-1")
    for text in (everything, "m", "M", "<score>7</score>", "Ünïcode, 12 + 3.\n\n\ttabs", "日本"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text


def test_digits_are_single_tokens_wherever_they_stand(tokenizer):
    digits = {str(d): tokenizer.convert_tokens_to_ids(str(d)) for d in range(10)}
    ids = tokenizer("4 of 10: <score>7</score>", add_special_tokens=False)["input_ids"]
    assert [i for i in ids if i in digits.values()] == [digits[d] for d in "4107"]
    assert len(tokenizer("m", add_special_tokens=False)["input_ids"]) == 1
    assert len(tokenizer("M", add_special_tokens=False)["input_ids"]) == 1


def test_words_and_roles_are_single_tokens_so_prompts_are_short(tokenizer):
    for word in (*language.ANIMALS, *language.PLACES, *language.WORD_VALUES):
        assert len(tokenizer(f" {word}", add_special_tokens=False)["input_ids"]) == 1, word
    assert len(chat.render_prompt(tokenizer, "tell a sad tale: fox, lake", "chat")) == 14


def test_limits_of_the_config_check(tokenizer):
    """A tokenizer that learned nothing spells the template out: 22 tokens beside the prompt's."""
    assert len(language.all_prompts()) == limits.PROMPTS
    bare = tiny_tokenizer.train([], vocabulary=259)
    for one in (tokenizer, bare):
        text = one(PROMPTS[0], add_special_tokens=False)["input_ids"]
        rendered = chat.render_prompt(one, PROMPTS[0], "chat")
        assert len(rendered) - len(text) <= limits.TEMPLATE_TOKENS
    assert len(corpus.WRITERS) == limits.COMPLETIONS
    model = base_model.new_model(tokenizer, ARCHITECTURE, seed=0)
    linear = {
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name != "lm_head"
    }
    blocks = range(model.config.num_hidden_layers)
    assert linear == {f"{limits.BLOCK}.{k}.{layer}" for k in blocks for layer in limits.LAYERS}


def test_template_is_chatml_and_tolerates_thinking(tokenizer):
    turns = [{"role": "user", "content": "hi"}]
    text = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_tokenizer_beside_a_model_loads_as_itself(base_folder, tokenizer):
    loaded = AutoTokenizer.from_pretrained(base_folder)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.chat_template == tokenizer.chat_template


def test_vocabulary_without_room_for_all_bytes_is_refused():
    with pytest.raises(ValueError, match="allowed: 259 or more"):
        tiny_tokenizer.train(["text"], vocabulary=258)


def test_base_is_rebuilt_bit_identical(tokenizer, dialogues, base_folder):
    state = torch.random.get_rng_state()
    one, other = train_base(tokenizer, dialogues), train_base(tokenizer, dialogues)
    assert same_weights(one, other)
    assert torch.equal(state, torch.random.get_rng_state()), "the global random state was touched"
    fresh = base_model.new_model(tokenizer, ARCHITECTURE, seed=0)
    assert not same_weights(one, fresh)


def test_reward_model_is_rebuilt_bit_identical(tokenizer, base_folder):
    state = torch.random.get_rng_state()
    assert same_weights(train_reward(tokenizer, base_folder), train_reward(tokenizer, base_folder))
    assert torch.equal(state, torch.random.get_rng_state()), "the global random state was touched"


class Killed(BaseException):
    """What a kill leaves behind, in a process that lives on."""


@pytest.mark.parametrize("model", ["base", "reward"])
def test_a_resumed_model_is_an_uninterrupted_one(
    tokenizer, dialogues, base_folder, tmp_path, monkeypatch, model
):
    monkeypatch.setenv(execution.VARIABLE, json.dumps({"checkpoint_seconds": 0}))
    step, calls, lines = loop.loss_and_gradient, [], []

    def trained(**named):
        if model == "base":
            return train_base(tokenizer, dialogues, **named)
        return train_reward(tokenizer, base_folder, **named)

    def deadly(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise Killed
        return step(*arguments)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(loop, "loss_and_gradient", deadly)
        trained(work=tmp_path)
    monkeypatch.setattr(store, "log", lines.append)
    resumed = trained(work=tmp_path)
    assert "resumed at step 3 of 4" in lines
    assert same_weights(resumed, trained())


def test_other_head_dimensions_are_refused(tokenizer):
    with pytest.raises(ValueError, match="allowed: 32, 64"):
        base_model.new_model(tokenizer, ARCHITECTURE | {"head_dim": 24}, seed=0)


def test_query_heads_start_as_their_key_heads(tokenizer):
    attention = base_model.new_model(tokenizer, ARCHITECTURE, seed=0).model.layers[0].self_attn
    keys = attention.k_proj.weight
    assert torch.equal(attention.q_proj.weight, torch.cat([keys, keys]))


def test_next_token_loss_is_the_mean_over_what_follows_the_prompts(tokenizer):
    model = base_model.new_model(tokenizer, ARCHITECTURE, seed=0).eval()
    logps = model(input_ids=torch.tensor([[5, 6, 7, 8], [9, 10, 11, 0]])).logits.log_softmax(-1)
    # Token 7 stands at position 2 and is predicted at position 1, and so on.
    expected = -(logps[0, 1, 7] + logps[0, 2, 8] + logps[1, 1, 11]) / 3
    groups = [Group([5, 6], [[7, 8]]), Group([9, 10], [[11]])]
    forward = PolicyForward(model, groups, OPTIONS, 0)
    sums = forward.micro_batch([0, 1])
    objective = sft.Objective({}, OPTIONS.schedule(2, seed=0))
    loss = objective.loss(Batch(torch.arange(2), sums, sums, forward.lengths, None))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_differences_within_groups_are_learned_and_nothing_else():
    scores = torch.tensor([[1.0, 3.0], [4.0, 4.0]])
    utilities = torch.tensor([[0.0, 5.0], [-7.0, -7.0]])
    # Missed: 1 and -2, which lie 1.5 from their mean; the second group's differences are right.
    loss = reward_model.difference_loss(scores, utilities)
    assert loss.item() == pytest.approx((1.5**2 + 1.5**2 + 0 + 0) / 4)


def test_rule_in_parts_adds_up():
    groups = reward_model.groups(PROMPTS, seed=0)
    utilities, parts = reward_model.rule(groups)
    weights = 2.0, language.ANIMAL_WEIGHT, language.PLACE_WEIGHT, language.GRAMMAR_WEIGHT
    torch.testing.assert_close(
        parts @ torch.tensor(weights), utilities + language.GRAMMAR_WEIGHT, rtol=0, atol=1e-5
    )


def test_scores_are_those_of_the_class_itself(tokenizer, base_folder, tmp_path):
    model = train_reward(tokenizer, base_folder)
    save_model(tmp_path, model, tokenizer)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(loaded).__name__ == "Qwen3ForSequenceClassification"
    saved = load_file(tmp_path / "model.safetensors")
    assert {name for name in saved if not name.startswith("model.")} == {"score.weight"}
    texts = ("the fox ran.", "the dull owl hid near the reef. it sat and ran.", "it ran.")
    written = [(PROMPTS[0], texts[:2]), (PROMPTS[1], texts)]
    groups = reward_model.dialogues(tokenizer, written, "chat")
    alone = [prompt + response for prompt, responses in groups for response in responses]
    given = torch.cat([loaded(input_ids=torch.tensor([row])).logits[:, 0] for row in alone])
    states = reward_model.last_token_states(model, groups, tokenizer.pad_token_id)
    torch.testing.assert_close(given, model.score(states)[:, 0])


def test_groups_isolate_relevance_and_grammar():
    groups = reward_model.groups(PROMPTS, seed=0)
    assert [prompt for prompt, _ in groups] == [p for p in PROMPTS for _ in range(2)]
    assert groups == reward_model.groups(PROMPTS, seed=0)
    slips = []
    for prompt, responses in groups:
        found = [language.parts(prompt, response) for response in responses]
        intact = [
            (tale, moved)
            for tale, moved in (found[:2], found[2:])
            if tale.grammatical and moved.grammatical and tale.words == moved.words
        ]
        assert intact, "one of four is corrupted, so one of the two tales is not"
        for tale, moved in intact:
            assert tale.animal and tale.place and not (moved.animal and moved.place)
        slips.append(sum(not part.grammatical for part in found))
    # A corrupted tale is rarely a sentence of the grammar again.
    assert max(slips) == 1 and slips.count(1) > 0.8 * len(slips)


def test_schedule_warms_up_stays_and_falls():
    options = training_options(100, 1, learning_rate=2.0, decay_share=0.2, warmup_steps=9)
    rates = [options.learning_rate_at(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert set(rates[10:81]) == {2.0}
    assert rates[80:] == pytest.approx([2.0 - 0.1 * step for step in range(20)])


def test_every_row_is_seen_once_before_any_is_seen_twice():
    options = training_options(steps=5, batch_size=4, learning_rate=1.0, decay_share=0.2)
    seen = passes(10, options, seeding.stream(0, "test batches")).flatten()
    assert len(seen) == 20
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))


def test_a_loss_that_is_not_finite_stops_training(tokenizer, dialogues, tmp_path):
    options = training_options(4, 4, learning_rate=1e30, decay_share=0.2, warmup_steps=0)
    path = tmp_path / "failed_batch.json"
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        base_model.train_base(
            tokenizer, dialogues, ARCHITECTURE, options, 0.5, seed=0, failure_path=path
        )
    assert len(store.read_json(path)["groups"]) == 4


def test_texts_are_described():
    prompt = "tell a sad tale: fox, lake"
    good = "the dull fox wept by the hill. it sat and sat."
    described = quality.describe_texts([(prompt, good), (prompt, good), (prompt, "a lake b c")])
    assert described["fluent"] == described["right_animal"] == pytest.approx(2 / 3)
    assert described["right_place"] == pytest.approx(1 / 3)
    assert described["distinct_share"] == described["duplicate_share"] == pytest.approx(2 / 3)


def test_token_entropy_of_a_uniform_model_is_the_log_of_its_vocabulary(tokenizer):
    model = base_model.new_model(tokenizer, ARCHITECTURE, seed=0).eval()
    torch.nn.init.zeros_(model.lm_head.weight)
    entropy = quality.token_entropy_nats(
        model, tokenizer, PROMPTS[:2], [[5, 6, 7], np.array([8])], "chat"
    )
    assert entropy == pytest.approx(math.log(len(tokenizer)), rel=1e-5)


def test_the_rule_itself_is_judged_perfect():
    def rule(dialogues):
        return np.array([language.score(*dialogue) for dialogue in dialogues])

    judged = quality.judge_reward_model(rule, PROMPTS, seed=0)
    assert judged["pair_accuracy"] == judged["swap_lower_share"] == 1.0
    assert judged["rule_correlation"] == pytest.approx(1.0)
    assert judged["animal_weight"] == pytest.approx(language.ANIMAL_WEIGHT)
    assert judged["place_weight"] == pytest.approx(language.PLACE_WEIGHT)
    assert judged["grammar_weight"] == pytest.approx(language.GRAMMAR_WEIGHT)

    def blind(dialogues):
        return np.array([language.parts(*dialogue).words for dialogue in dialogues])

    assert quality.judge_reward_model(blind, PROMPTS, seed=0)["swap_lower_share"] == 0.0


def test_sampled_agreement_compares_within_prompts():
    rewards, rule = np.array([1.0, 2.0, 9.0, 8.0]), np.array([1.0, 2.0, 0.0, 3.0])
    # Prompt a is ordered alike, prompt b the other way round.
    agreement = quality.sampled_agreement(rewards, rule, ["a", "a", "b", "b"])
    assert agreement["pair_accuracy"] == 0.5


def test_quality_needs_prompts_that_differ():
    with pytest.raises(ValueError, match="differ in animal and place"):
        quality.swapped(PROMPTS[:1], seeding.stream(0, "test"))


def test_manifest_lists_the_saved_model(base_folder):
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(
        store.read_json(base_folder / "manifest.json")
    )
