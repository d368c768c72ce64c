"""What of the section `self_play` is refused, by its key, with what is allowed."""

import copy

import pytest
from tests.unit.plan.test_config import DEFAULT, HUB, changed

from prefgrid.plan.load import ConfigError, load

SOURCE = {"source": "owner/prompts", "revision": "main", "split": "train"}


def mistakes(section=(), **changes):
    raw = changed({"studies": ["self_play"], **changes})
    own = copy.deepcopy(DEFAULT["self_play"])
    for key, value in dict(section).items():
        *parents, last = key.split(".")
        place = own
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[last] = value
    with pytest.raises(ConfigError) as caught:
        load(raw | {"self_play": own})
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def method(**changes):
    return {**DEFAULT["methods"]["sppo"], **changes}


def grid(*rows):
    return [{"held_out_judge": "rule", **row} for row in rows]


CASES = [
    (
        {"grid.0.judge": "bt_score"},
        "self_play.grid.0.judge: unknown judge 'bt_score'; did you mean 'bt_scores'? allowed: ",
    ),
    (
        {"grid.1.methods": ["spo"]},
        "self_play.grid.1.methods: unknown label 'spo'; did you mean 'sppo'? allowed: ",
    ),
    ({"grid.2.classes": "kind"}, "self_play.grid.2.classes: unknown judge 'kind'; "),
    (
        {"evaluation.scorers": ["fluent"]},
        "self_play.evaluation.scorers: unknown judge 'fluent'; did you mean 'fluency'? ",
    ),
    (
        {"grid.1.held_out_judge": "gpm_scores"},
        "self_play.grid.1.held_out_judge: 'gpm_scores' is the judge that trains, ",
    ),
    (
        {"grid.2.classes": "circle"},
        "self_play.grid.2.classes: 'circle' compares responses (COMPARES in judge",
    ),
    (
        {"evaluation.scorers": ["gpm_scores"]},
        "self_play.evaluation.scorers: 'gpm_scores' compares responses (COMPARES in judge",
    ),
    ({"baseline": "dpo"}, "self_play.baseline: 'dpo' is not run; allowed: sppo, gpo, iterated_dpo"),
    (
        {
            "grid": grid(
                {"judge": "bt_scores", "methods": ["sppo"]},
                {"judge": "bt_scores", "methods": ["gpo"]},
            )
        },
        "self_play.grid: 'bt_scores' has 2 rows, which would be the same cells; allowed: one row a judge",
    ),
    (
        {"overrides": {}},
        "self_play.selection.mode: 'all' leaves groups of up to K responses, and 'iterated_dpo' learns from "
        "pairs; allowed: best_worst, best_random, above, for it alone by overrides.iterated_dpo",
    ),
    (
        {"overrides.iterated_dpo": {"selection": {"mode": "all"}}},
        "self_play.overrides.iterated_dpo.selection.mode: 'all' leaves groups of up to K responses, and ",
    ),
    (
        {"overrides.nobody": {"targets": {}}},
        "self_play.overrides: unknown label 'nobody'; ",
    ),
    (
        {"overrides.sppo": {"targets": {"estimater": "matrix"}}},
        "self_play.overrides.sppo.targets.estimater: unknown key; did you mean 'estimator'? ",
    ),
    (
        {"overrides.sppo": {"selection": {"mode": "worst"}}},
        "self_play.overrides.sppo.selection.mode: 'worst' should be 'all', ",
    ),
    (
        {"compat": "released", "targets.logit_scale": 3.0},
        "self_play.targets.logit_scale: 3.0, but compat: released sets it to 2.0; allowed: that, ",
    ),
    (
        {"generation.shards": 301},
        "self_play.generation.shards: 301 shards for 300 prompts an iteration; allowed: at most one a prompt",
    ),
    (
        {"evaluation.best.prompts": 151},
        "self_play.evaluation.best.prompts: 151 have no samples of the base to be compared with; allowed: at "
        "most evaluation.prompts = 150",
    ),
    (
        {"prompts.per_iteration": 1000},
        "self_play.prompts.per_iteration: train + eval = 3150 prompts are asked for; allowed: at most "
        "tiny_world.data.prompts = 2880",
    ),
    (
        {"generation.max_new_tokens": 65},
        "self_play.generation.max_new_tokens: 65 exceeds max_response_tokens = 64; ",
    ),
    (
        {"evaluation.max_new_tokens": 65},
        "self_play.evaluation.max_new_tokens: 65 exceeds max_response_tokens = 64; ",
    ),
    (
        {"generation.responses": 1},
        "self_play.generation.responses: 1 should be greater than or equal to 2",
    ),
    (
        {"prompts.per_iteration": 16},
        "methods.sppo.training: at n = 16 warmup_steps is 10 of 2 optimizer steps",
    ),
]


@pytest.mark.parametrize(("section", "said"), CASES, ids=[text[:60] for _, text in CASES])
def test_what_does_not_fit_is_refused_by_its_key(section, said):
    found = mistakes(section)
    assert any(line.startswith(said) for line in found), found
    assert all("its check" not in line for line in found)
    if "methods." not in said:
        assert len(found) == 1, found


def test_two_labels_of_one_judge_are_one_judge():
    again = {"judges.again": DEFAULT["judges"]["bt_scores"]}
    [line] = mistakes({"grid.0.held_out_judge": "again"}, **again)
    assert line.startswith("self_play.grid.0.held_out_judge: 'again' is the judge that trains")


@pytest.mark.parametrize(
    ("judge", "again"),
    [
        ("bt_scores", {"options": {"batch_size": 7}}),
        # Those that the model's own entry names.
        ("bt_closings", {"comparisons": None}),
        ("reward", {"options": {"precision": "bf16"}}),
        ("length", {"options": {"scale": 0.01}}),
        ("rule", {}),
    ],
)
def test_a_model_that_is_asked_otherwise_is_the_same_judge(judge, again):
    entries = {"judges.again": DEFAULT["judges"][judge] | again}
    rows = [{"judge": judge, "methods": ["sppo"], "held_out_judge": "again"}]
    [line] = mistakes({"grid": rows, "evaluation.scorers": []}, **entries)
    assert line.startswith("self_play.grid.0.held_out_judge: 'again' is the judge that trains")


@pytest.mark.parametrize(
    ("judge", "other"),
    [
        ("bt_scores", {"comparisons": "closings"}),
        ("bt_scores", {"model": "gpm"}),
        ("length", {"options": {"prefers": "shorter"}}),
    ],
)
def test_another_model_or_another_rule_is_another_judge(judge, other):
    section = copy.deepcopy(DEFAULT["self_play"])
    section["grid"] = [{"judge": judge, "methods": ["sppo"], "held_out_judge": "other"}]
    entry = {"judges.other": DEFAULT["judges"][judge] | other}
    load(changed({"studies": ["self_play"], **entry}) | {"self_play": section})


def test_two_labels_of_one_model_of_the_hub_are_one_judge():
    section, world = hub()
    world["hub"] = copy.deepcopy(world["hub"])
    source = {"source": "owner/judge", "revision": "main"}
    world["hub"]["models"]["judges"] = {"one": source, "two": source}
    entries = {
        f"judges.by_{model}": {"judge": "scalar", "model": model} for model in ("one", "two")
    }
    section["grid"] = [{"judge": "by_one", "methods": ["sppo"], "held_out_judge": "by_two"}]
    [line] = mistakes(section, **world, **entries)
    assert line.startswith("self_play.grid.0.held_out_judge: 'by_two' is the judge that trains")


def test_by_default_every_method_on_pairs_has_pairs():
    section = copy.deepcopy(DEFAULT["self_play"])
    pairs = ["iterated_dpo", "iterated_ipo", "sppo_single", "sppo_hard", "kto_pair"]
    section["grid"][0]["methods"] += [label for label in pairs if label != "iterated_dpo"]
    load(changed({"studies": ["self_play"]}) | {"self_play": section})


UNFILTERED = {"drop_duplicates": False, "drop_truncated": False}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"overrides.sppo": {"selection": {"mode": "best_worst", **UNFILTERED}}},
            ["self_play.overrides.sppo.selection.mode: mode = 'best_worst' leaves out responses"],
        ),
        (
            {"selection": {**DEFAULT["self_play"]["selection"], **UNFILTERED, "mode": "above"}},
            [
                "self_play.selection.mode: mode = 'above' leaves out responses, and baseline 'log_z' "
            ],
        ),
        (
            {},
            [
                "self_play.selection.drop_duplicates: drop_duplicates = True leaves out responses",
                "self_play.selection.drop_truncated: drop_truncated = True leaves out responses",
            ],
        ),
        ({"compat": "paper"}, ["self_play.compat: mode = 'best_worst' leaves out responses"]),
    ],
)
def test_log_z_is_of_all_responses(section, said):
    methods = {"methods.sppo": method(options={"baseline": "log_z"})}
    found = mistakes(section, **methods)
    assert [line.startswith(start) for line, start in zip(found, said, strict=True)] == [
        True
    ] * len(said)
    own = copy.deepcopy(DEFAULT["self_play"])
    own["overrides"]["sppo"] = {"selection": UNFILTERED}
    load(changed({"studies": ["self_play"], **methods}) | {"self_play": own})


@pytest.mark.parametrize(
    ("objective", "options", "missing"),
    [
        ("true_link", {}, "the link that preferences were drawn from (link_shift: null)"),
        ("reinforce", {}, "responses of the policy as it stands at each step"),
        ("softpo", {}, "scores of at most 0 (loss: cross_entropy)"),
        ("softpo", {"loss": "wmle"}, "the log-probabilities that responses were sampled with"),
        ("softpo", {"loss": "squared", "value": "given"}, "a value of each prompt (value: given)"),
    ],
)
def test_options_that_need_what_no_iteration_has_are_refused(objective, options, missing):
    pairs = {"overrides.sppo": {"selection": {"mode": "best_worst"}}}
    [line] = mistakes(pairs, **{"methods.sppo": method(objective=objective, options=options)})
    assert line.startswith(f"self_play.grid: 'sppo' needs {missing}, which no iteration has; ")


@pytest.mark.parametrize(
    ("objective", "options"),
    [
        ("true_link", {"link_shift": 1.0, "warm_start_epochs": 0.5}),
        ("softpo", {"loss": "huber"}),
        ("softpo", {"loss": "squared", "value": "learned"}),
    ],
)
def test_with_other_options_they_train(objective, options):
    own = copy.deepcopy(DEFAULT["self_play"])
    own["overrides"]["sppo"] = {"selection": {"mode": "best_worst"}}
    methods = {"methods.sppo": method(objective=objective, options=options)}
    load(changed({"studies": ["self_play"], **methods}) | {"self_play": own})


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"targets": "none"}, "targets 'none'"),
        ({"targets": "weights"}, "targets 'weights'"),
        ({"sampling_logps": True}, "the log-probabilities that responses were sampled with"),
    ],
)
def test_methods_that_need_what_no_iteration_has_are_refused(tmp_path, monkeypatch, needs, said):
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / said.split()[-1].strip("'")
    folder.mkdir()
    plain = {"targets": "scores", "responses": None, "reference_logps": True, "coupled": False}
    text = f"NEEDS = {plain | needs}\nOPTIONS = {{}}\nclass Objective: ...\n"
    (folder / "theirs.py").write_text(text)
    own = {"methods.sppo": method(objective=f"{folder.name}.theirs")}
    [line] = mistakes({}, **own)
    assert line == (
        f"self_play.grid: 'sppo' needs {said}, which no iteration has; allowed: methods on "
        "win_probabilities, scores, pair_probabilities, labels"
    )


def test_files_are_one_an_iteration_and_in_the_tiny_world_local(tmp_path):
    local = tmp_path / "prompts.jsonl"
    local.write_text('{"prompt": "x"}\n')
    here = {"source": str(local), "revision": None, "split": "train"}
    [line] = mistakes({"prompts.sources": [here] * 2})
    assert line == (
        "self_play.prompts.sources: 2 files for 3 iterations; allowed: one an iteration"
    )
    [line] = mistakes({"prompts.sources": [here] * 3, "prompts.parts": "same"})
    assert line.startswith("self_play.prompts.parts: 'same' contradicts sources")
    [line] = mistakes({"prompts.sources": ["owner/prompts", here, here]})
    assert (
        line == "self_play.prompts.sources.0: 'owner/prompts' should be {source, revision, split}"
    )
    lines = mistakes({"prompts.sources": [SOURCE, here, here]})
    assert lines == [
        "self_play.prompts.sources.0.source: 'owner/prompts' is no local path, and world: tiny needs no "
        "network; allowed: a local file or folder, or another with world: hub"
    ]


def hub(**section):
    """The section on real models, judged by the reward model and by length."""
    own = {
        "grid": [{"judge": "reward", "methods": ["sppo"], "held_out_judge": "length"}],
        "evaluation.scorers": [],
        **section,
    }
    return own, {"world": "hub", "hub": HUB}


def test_in_the_hub_world_all_weights_are_refused():
    section, world = hub()
    whole = {"methods.sppo": method(training={**method()["training"], "lora": None})}
    [line] = mistakes(section, **world, **whole)
    assert line.startswith(
        "methods.sppo.training.lora: is null: all weights of a hub model, in every"
    )
    load(changed({"studies": ["self_play"], **whole}))


def test_the_tiny_world_s_judges_stay_there():
    section, world = hub(**{"evaluation.scorers": ["fluency"]})
    [line] = mistakes(section, **world)
    assert line == (
        "self_play.evaluation.scorers: 'fluency': of the tiny world's language, and this is world: hub; "
        "allowed: others"
    )


def test_an_unknown_number_of_prompts_is_left_to_the_jobs():
    own = copy.deepcopy(DEFAULT["self_play"])
    own["prompts"]["per_iteration"] = None
    own["generation"]["shards"] = 1000
    load(changed({"studies": ["self_play"], "self_play": own}))
