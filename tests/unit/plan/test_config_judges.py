"""Judges by name: ours, and those of any package; their options."""

import pytest
from tests.unit.plan.test_config import HUB, changed, mistakes

from prefgrid.config import judges
from prefgrid.plan.load import ConfigError, load
from prefgrid.studies import registry


def test_every_judge_is_found_and_no_helper():
    assert judges.known() == (
        "embedding",
        "length",
        "mock",
        "pair_ranker",
        "pairwise_llm",
        "scalar",
    )
    defaults, bounds = judges.constants("scalar")
    assert defaults == {"max_tokens": 1024, "batch_size": 64, "precision": "none"}
    assert bounds.keys() == defaults.keys()
    judges.check_options("scalar", defaults)
    for option in defaults:
        with pytest.raises(ValueError, match=f"option {option} = 'no such value'; allowed: "):
            judges.check_options("scalar", {option: "no such value"})


def test_options_that_are_not_set_have_the_judges_defaults():
    judge = load(changed({"judges.reward.options": {"max_tokens": 2048}})).judges["reward"]
    assert judge.all_options == {"max_tokens": 2048, "batch_size": 64, "precision": "none"}
    assert (judge.module, judge.model) == ("prefgrid.judges.scalar", "reward")


def test_a_judge_of_somebody_else(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "their_judges"
    folder.mkdir()
    (folder / "longest.py").write_text(
        "import not_here\nOPTIONS = {'unit': (None, '> 0 or null')}\ndef load(): ...\n"
    )
    (folder / "odd.py").write_text("OPTIONS = {'unit': 1}\nload = None\n")
    (folder / "unread.py").write_text("OPTIONS = {}\n")
    (folder / "bare.py").write_text("")
    own = {"judge": "their_judges.longest", "options": {"unit": 2}}
    config = load(changed({"judges.own": own, "link_robustness.judge": "own"}))
    assert config.judges["own"].module == "their_judges.longest"
    with pytest.raises(ValueError, match="OPTIONS: 'unit' must be .default, bound"):
        judges.constants("their_judges.odd")
    with pytest.raises(ValueError, match=r"judge 'their_judges.unread' .unread.py. lacks load"):
        judges.constants("their_judges.unread")
    with pytest.raises(ValueError, match="lacks the literal OPTIONS"):
        judges.constants("their_judges.bare")
    with pytest.raises(ValueError, match="unknown judge 'their_judges.none': no such importable"):
        judges.constants("their_judges.none")


def test_which_judges_only_compare():
    assert {name for name in judges.known() if judges.compares(name)} == {
        "embedding",
        "mock",
        "pair_ranker",
        "pairwise_llm",
    }


def test_a_study_that_needs_scores_refuses_a_judge_that_compares():
    label = {"judges.coin": {"judge": "mock", "model": None}}
    load(changed(label))
    with pytest.raises(
        ConfigError, match=r"link_robustness.judge: 'coin' compares .* judge 'mock'"
    ):
        load(changed(label | {"link_robustness.judge": "coin"}))
    # One that scores is as good for comparing.
    longest = {"judges.coin": {"judge": "length", "model": None}}
    load(changed(longest | {"link_robustness.judge": "coin"}))


SOURCE = {"source": "owner/name", "revision": "main"}


def hub(**further) -> dict:
    models = HUB["models"] | {"judges": further}
    return {"world": "hub", "hub": HUB | {"models": models}}


def test_a_judge_asks_a_fetched_model_by_its_label():
    asked = {"judges.ranker": {"judge": "pair_ranker", "model": "pairrm"}}
    config = load(changed({**hub(pairrm=SOURCE), **asked}))
    wiring = registry.wiring(config.packages["link_robustness"], config)
    step = wiring.judge("ranker")
    folder = "results/models/judges/pairrm"
    assert step.inputs == {"judge": f"{folder}/manifest.json"}
    assert step.weights == [
        f"{folder}/model.safetensors",
        "results/rehearsals/judges/pairrm/rehearsal.json",
    ]
    assert step.modules == ("prefgrid.judges.pair_ranker",)
    assert wiring.judge("reward").weights == ["results/models/reward/model.safetensors"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            hub(pairrm=SOURCE) | {"judges.one": {"judge": "pair_ranker", "model": "pairmr"}},
            "judges.one.model: unknown model 'pairmr'; did you mean 'pairrm'",
        ),
        # The tiny world fetches nothing.
        (
            {"judges.one": {"judge": "pair_ranker", "model": "pairrm"}},
            "judges.one.model: unknown model 'pairrm'; allowed: ",
        ),
        (
            {"judges.one": {"judge": "pairwise_llm", "model": None}},
            "model is null, but judge 'pairwise_llm' asks one; allowed: base, reward, or a label",
        ),
        (hub(reward=SOURCE), "hub.models.judges.reward: 'reward' is another model's name"),
        (
            {"judges.one": {"judge": "pairwise_llm", "options": {"template": "{context}"}}},
            "option template = .*; allowed: a text with {context}, {response_a}, {response_b}",
        ),
    ],
)
def test_a_judge_of_a_model_that_is_not_there_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        load(changed(changes))


def test_a_preference_model_leaves_room_for_a_response_behind_a_cut_prompt():
    judge = {"judge": "embedding", "model": "gpm", "options": {"max_prompt_tokens": 900}}
    changes = {"judges.asked": judge, "max_response_tokens": 124}
    [line] = mistakes(changes)
    assert line == (
        "judges.asked.options.max_tokens: 1024 leaves no room for a response behind a prompt that is cut "
        "to 900; allowed: more than max_prompt_tokens + max_response_tokens = 1024"
    )
    judge["options"]["max_prompt_tokens"] = 899
    assert load(changed(changes)).judges["asked"].all_options["max_prompt_tokens"] == 899


def test_the_default_preference_models_are_those_that_the_study_of_judges_trains():
    """Folder by folder, so that the default run trains none of them a second time."""
    config = load(changed({}))
    studies = {
        study: registry.wiring(package, config) for study, package in config.packages.items()
    }
    judges = {
        f"{model}_{on}": f"results/preference_models/model={model}/on={on}/seed=0"
        for model in ("bt", "gpm")
        for on in ("scores", "closings")
    }
    found = {
        label: studies["pairwise_judges"]
        .judge(label)
        .inputs["judge"]
        .removesuffix("/manifest.json")
        for label in judges
    }
    assert found == judges
    trained = studies["pairwise_judges"].cells("policies")
    assert {f"{folder}/manifest.json" for folder in judges.values()} == set(trained)
    for label in judges:
        assert studies["pairwise_judges"].judge(label).weights == [
            f"{judges[label]}/model.safetensors"
        ]


def test_without_comparisons_of_its_own_a_judge_asks_the_model_of_its_own_set():
    own = {"judge": "embedding", "model": "gpm"}
    config = load(changed({"judges.own": own}))
    wiring = registry.wiring(config.packages["pairwise_judges"], config)
    folder = "results/preference_models/model=gpm/on=closings/seed=0"
    assert wiring.judge("own").inputs == {"judge": f"{folder}/manifest.json"}


def test_a_study_names_the_sets_that_its_judges_were_trained_on():
    changes = {
        "studies": ["pairwise_judges"],
        "pairwise_judges.preference_models": [],
        "pairwise_judges.comparisons": ["closings"],
        "pairwise_judges.judges": ["bt_scores", "circle"],
        "pairwise_judges.baseline": None,
        "pairwise_judges.ring": None,
    }
    config = load(changed(changes))
    wiring = registry.wiring(config.packages["pairwise_judges"], config)
    assert list(wiring.sets()) == ["closings", "scores"]
    assert len(wiring.trainings()) == 1


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (
            {"judge": "scalar", "comparisons": "scores"},
            "judges.one.comparisons: 'scores' is set, but its model (reward) is trained on none; allowed: "
            "null, or one of preference_models (bt, gpm)",
        ),
        (
            {"judge": "length", "model": None, "comparisons": "scores"},
            "judges.one.comparisons: 'scores' is set, but its model (null) is trained on none; allowed: "
            "null, or one of preference_models (bt, gpm)",
        ),
        (
            {"judge": "embedding", "model": "bt", "comparisons": "score"},
            "judges.one.comparisons: unknown comparisons 'score'; did you mean 'scores'? allowed: ",
        ),
    ],
)
def test_comparisons_that_train_no_model_are_refused(judge, said):
    [line] = mistakes({"judges.one": judge})
    assert line.startswith(said)


def test_a_default_judge_that_nobody_asks_stops_no_run():
    """In the hub's world its 1024 tokens may be too few, and its model another's."""
    changes = {"world": "hub", "hub": HUB, "max_response_tokens": 2048}
    changes |= {"link_robustness.judge": "length", "studies": ["link_robustness"]}
    config = load(changed(changes))
    assert config.judges["bt_scores"].all_options["max_tokens"] == 1024
    [line] = mistakes(changes | {"link_robustness.judge": "reward"})
    assert line.startswith("judges.reward.options.max_tokens: 1024 leaves no room for a prompt")
