"""What iterations of self-play are made from: what runs share, what stays when a run gets longer."""

import copy

import pytest
import rule_graph
from tests.unit.plan.test_config import DEFAULT, changed

from prefgrid.plan import comparison_sets
from prefgrid.plan.load import load
from prefgrid.studies import registry

ROOT = "results/self_play"
RUN = "method=sppo/judge=bt_scores/seed=0"
BLOCKS = ("targets", "reference_logps", "policy", "matrices")


def wiring(**keys):
    """Of the default config with other keys of the section; `overrides` replaces, others merge."""
    section = copy.deepcopy(DEFAULT["self_play"])
    for key, value in keys.items():
        if isinstance(value, dict) and key != "overrides":
            section[key] |= value
        else:
            section[key] = value
    config = load(changed({"studies": ["self_play"], "self_play": section}))
    return registry.wiring(config.packages["self_play"], config)


def policies(last, run=RUN):
    return [f"{ROOT}/policies/{run}/iteration={t}/manifest.json" for t in range(1, last + 1)]


def test_every_file_of_the_default_run_comes_from_a_rule():
    _, missing = rule_graph.needed({"self_play": wiring()})
    assert missing == []


def test_an_iteration_starts_from_the_policies_before_it():
    own = wiring()
    for t in (1, 2, 3):
        cell = f"{RUN}/iteration={t}"
        assert own.policy(cell).inputs["adapters"] == policies(t - 1)
        assert own.reference_logps(cell).inputs["adapters"] == policies(t - 1)
    third = own.responses(f"{RUN}/iteration=3/by=2/shard=0")
    assert third.inputs["adapters"] == policies(2)
    assert third.inputs["prompts"] == f"{ROOT}/prompts/iteration=3/prompts.jsonl"
    assert own.averaging(f"{RUN}/average=3").inputs["policies"] == policies(3)


def test_the_first_iteration_is_sampled_once_and_judged_once_a_judge():
    own = wiring()
    first = f"{ROOT}/responses/seed=0/iteration=1/by=0/shard=0/responses.jsonl"
    assert own.responses("seed=0/iteration=1/by=0/shard=0").inputs["adapters"] == []
    for row in own.study.grid:
        cells = [f"method={method}/judge={row.judge}/seed=0/iteration=1" for method in row.methods]
        found = {cell: own.targets(cell).inputs for cell in cells}
        assert {tuple(one["responses"]) for one in found.values()} == {(first,)}
        assert {one["matrices"] for one in found.values()} == {
            f"{ROOT}/matrices/judge={row.judge}/seed=0/iteration=1/matrices.parquet"
        }
        assert own.matrices(f"judge={row.judge}/seed=0/iteration=1").inputs["groups"] == [first]


def test_a_longer_run_leaves_the_iterations_before_alone():
    short, long = wiring(), wiring(iterations=4)
    for t in (1, 2, 3):
        cell = f"{RUN}/iteration={t}"
        for block in BLOCKS:
            assert getattr(short, block)(cell) == getattr(long, block)(cell)
        assert short.prompts(f"iteration={t}") == long.prompts(f"iteration={t}")
        assert short.held_out(cell) == long.held_out(cell)


def test_parts_are_of_a_size_a_share_or_the_same():
    def part(t=2, **prompts):
        return wiring(prompts=prompts).prompts(f"iteration={t}").spec["part"]

    assert part() == {"number": 2, "size": 300, "shares": None}
    assert part(per_iteration=None) == {"number": 2, "size": None, "shares": 3}
    for t in (1, 2):
        assert part(t, parts="same") == {"number": 1, "size": 300, "shares": None}
        assert part(t, parts="same", per_iteration=None) == {
            "number": 1,
            "size": None,
            "shares": None,
        }
    held_out = wiring().prompts("pool=eval")
    assert held_out.spec["part"] is None
    assert held_out.inputs["pool"] == "results/data/prompts/eval.jsonl"


def test_files_are_an_iteration_each(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "x"}\n')
    source = {"source": str(path), "revision": None, "split": "train"}
    own = wiring(prompts={"sources": [source] * 3, "per_iteration": None})
    files = [f"{ROOT}/sources/iteration={t}/train.jsonl" for t in (1, 2, 3)]
    assert own.prompts("iteration=2").inputs["sources"] == files[:2]
    assert own.prompts("iteration=2").spec["part"] == {"number": 1, "size": None, "shares": None}
    assert own.prompts("pool=eval").inputs["sources"] == files[:1]
    assert own.prompts("pool=eval").spec["sources"] == {
        "bad_row_share": 0.01,
        "eval_share": 0.15,
        "max_prompt_tokens": 64,
    }
    fetched = comparison_sets.fetches(own.config, [own])
    assert [f"results/{folder}/train.jsonl" for folder in fetched] == files
    assert all(spec["fields"] == ["prompt"] for spec in fetched.values())
    # The judges' sets still read the dataset.
    assert own.reads_dataset
    # Nor does a file more, and a longer run with it, change what was asked before.
    longer = wiring(iterations=4, prompts={"sources": [source] * 4, "per_iteration": None})
    for cell in ("pool=eval", *(f"iteration={t}" for t in (1, 2, 3))):
        assert longer.prompts(cell) == own.prompts(cell)
    for block, cell in (("held_out", "pool=eval"), ("held_out", f"{RUN}/iteration=3")):
        assert getattr(longer, block)(cell) == getattr(own, block)(cell)
    cell = f"{RUN}/iteration=3/asked=rule"
    assert longer.matrices(cell) == own.matrices(cell)


@pytest.mark.parametrize(
    ("opponent", "expected"),
    [("previous", []), ("base", [0]), ("mixture", [0, 1])],
)
def test_opponents_answer_the_same_prompts_in_one_file_each(opponent, expected):
    own = wiring(targets={"opponent": opponent}, generation={"shards": 3})
    found = own.targets(f"{RUN}/iteration=3").inputs
    shared, single = f"{ROOT}/responses/seed=0/iteration=3", f"{ROOT}/responses/{RUN}/iteration=3"
    paths = {
        0: f"{shared}/by=0/shard=0/responses.jsonl",
        1: f"{single}/by=1/shard=0/responses.jsonl",
    }
    assert found["opponents"] == [paths[by] for by in expected]
    assert found["responses"] == [
        f"{single}/by=2/shard={shard}/responses.jsonl" for shard in range(3)
    ]
    assert own.matrices(f"{RUN}/iteration=3").inputs["opponents"] == found["opponents"]
    assert own.matrices(f"{RUN}/iteration=3").inputs["groups"] == found["responses"]
    assert own.responses("seed=0/iteration=3/by=0/shard=0").spec["prompts"]["shards"] == 1
    assert own.responses(f"{RUN}/iteration=3/by=2/shard=1").spec["prompts"]["shards"] == 3
    # Before the first iteration all policies are the base.
    assert own.targets(f"{RUN}/iteration=1").inputs["opponents"] == []


def test_all_draws_of_a_prompt_are_others():
    own = wiring(targets={"opponent": "mixture"}, prompts={"parts": "same"})
    cells = [
        "seed=0/iteration=1/by=0/shard=0",
        "seed=0/iteration=2/by=0/shard=0",
        f"{RUN}/iteration=2/by=1/shard=0",
        f"{RUN}/iteration=3/by=1/shard=0",
        f"{RUN}/iteration=3/by=2/shard=0",
        "pool=best/by=0/shard=0",
        f"{RUN}/pool=best/by=3/shard=0",
    ]
    purposes = [own.responses(cell).spec["noise"]["purpose"] for cell in cells]
    purposes += [own.held_out(cell).spec["noise"]["purpose"] for cell in ("pool=eval",)]
    assert len(set(purposes)) == len(purposes)


def test_methods_have_their_own_targets_and_pairs():
    own = wiring(overrides={"iterated_dpo": {"selection": {"mode": "best_random"}}})
    dpo = own.targets("method=iterated_dpo/judge=bt_scores/seed=0/iteration=1").spec
    assert dpo["selection"]["mode"] == "best_random"
    assert own.targets(f"{RUN}/iteration=1").spec["selection"]["mode"] == "all"


def test_compat_sets_what_iterations_are_told():
    own = wiring(compat="released")
    assert own.targets(f"{RUN}/iteration=1").spec["targets"]["estimator"] == "aggregated"
    decoding = own.responses("seed=0/iteration=1/by=0/shard=0").spec["decoding"]
    assert (decoding["temperature"], decoding["top_p"]) == (0.7, 0.9)


def test_a_policy_of_another_precision_computes_all_of_its_run_in_it():
    section = copy.deepcopy(DEFAULT["self_play"])
    methods = copy.deepcopy(DEFAULT["methods"])
    methods["sppo"]["training"] = {**methods["sppo"]["training"], "precision": "bf16"}
    changes = {"studies": ["self_play"], "self_play": section, "methods": methods}
    config = load(changed(changes))
    own = registry.wiring(config.packages["self_play"], config)
    assert own.reference_logps(f"{RUN}/iteration=2").spec["precision"] == "bf16"
    assert own.responses(f"{RUN}/iteration=2/by=1/shard=0").spec["precision"] == "bf16"
    assert own.responses("seed=0/iteration=1/by=0/shard=0").spec["precision"] == "none"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (f"{RUN}/iteration=0", "iteration=0: the base; allowed: 1 to 3"),
        (f"{RUN}/iteration=4", "iteration=4; allowed: 1 to 3"),
        (
            "method=spo/judge=bt_scores/seed=0/iteration=1",
            "method=spo; did you mean 'sppo'? allowed: sppo, gpo, iterated_dpo",
        ),
        (
            "method=gpo/judge=bt_closings/seed=0/iteration=1",
            "method=gpo; allowed: sppo",
        ),
        ("method=sppo/judge=rule/seed=0/iteration=1", "judge=rule; allowed: bt_scores, gpm_scores"),
        ("method=sppo/judge=bt_scores/seed=7/iteration=1", "seed=7; allowed: 0"),
        (
            f"{RUN}/iteration=01",
            f"{RUN}/iteration=01: written otherwise; allowed: {RUN}/iteration=1",
        ),
    ],
)
def test_a_cell_that_the_config_does_not_have_is_refused(cell, said):
    own = wiring()
    for block in (*BLOCKS, "published", "held_out"):
        with pytest.raises(ValueError) as caught:
            getattr(own, block)(cell)
        assert str(caught.value).startswith(said)


def test_the_published_files_and_alpaca_eval():
    own = wiring()
    probabilities = own.published(f"{RUN}/iteration=2")
    assert not probabilities.spec["scores"]
    assert own.published("method=gpo/judge=bt_scores/seed=0/iteration=2").spec["scores"]
    assert probabilities.inputs == own.targets(f"{RUN}/iteration=2").inputs
    name = f"{RUN}/iteration=2".replace("/", ",")
    assert own.alpaca_config(name).inputs == {
        "policy": f"{ROOT}/exports/{RUN}/iteration=2/manifest.json"
    }
    with pytest.raises(ValueError, match="iteration=9; allowed: 1 to 3"):
        own.alpaca_config(f"{RUN}/iteration=9".replace("/", ","))
    assert own.export(f"{RUN}/iteration=2").inputs == {
        "policy": policies(2)[-1],
        "adapters": policies(1),
    }


def test_an_average_is_exported_and_has_nothing_published():
    own, average = wiring(), f"{RUN}/average=3"
    assert own.export(average).inputs == {
        "policy": f"{ROOT}/averages/{average}/manifest.json",
        "adapters": [],
    }
    assert own.export(average).spec == own.export(f"{RUN}/iteration=1").spec
    assert own.alpaca_config(average.replace("/", ",")).inputs == {
        "policy": f"{ROOT}/exports/{average}/manifest.json"
    }
    form = "method=…/judge=…/seed=…/iteration=…"
    for block in ("published", "targets", "policy", "reference_logps"):
        with pytest.raises(ValueError, match=f"^{average}: no such cell; allowed: {form}$"):
            getattr(own, block)(average)
    with pytest.raises(ValueError, match=f"^foo: no such cell; allowed: {form}, "):
        own.alpaca_config("foo")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("seed=0/iteration=1/by=0/shard=2", "shard=2; allowed: 0 to 1"),
        ("seed=0/iteration=2/by=0/shard=1", "shard=1; allowed: 0"),
        ("pool=best/by=0/shard=1", "shard=1; allowed: 0"),
        ("pool=worst/by=0/shard=0", "pool=worst; allowed: eval, best"),
        (
            "seed=0/iteration=1/by=00/shard=0",
            "seed=0/iteration=1/by=00/shard=0: written otherwise; ",
        ),
        (
            "seed=0/iteration=2/by=1/shard=0",
            "seed=0/iteration=2/by=1/shard=0: the responses of the base",
        ),
        (
            f"{RUN}/iteration=2/by=0/shard=0",
            f"{RUN}/iteration=2/by=0/shard=0: the responses of the",
        ),
        (
            "iteration=1/seed=0/by=0/shard=0",
            "iteration=1/seed=0/by=0/shard=0: no such cell; allowed: seed=…/",
        ),
    ],
)
def test_responses_that_nobody_samples_are_refused(cell, said):
    own = wiring(generation={"shards": 2})
    with pytest.raises(ValueError) as caught:
        own.responses(cell)
    assert str(caught.value).startswith(said)


def test_the_rules_that_verify_plans_by_name_can_be_planned():
    """All without wildcards, of the default config, which publishes nothing."""
    own = {"self_play": wiring()}
    known = rule_graph.rules()
    plain = [
        rule.outputs[0]
        for rule in known
        if rule.study == "self_play" and not any("{" in path for path in rule.outputs)
    ]
    assert f"{ROOT}/tables/iterations.csv" in plain
    assert all(rule_graph.maker(path, own, known) for path in plain)
