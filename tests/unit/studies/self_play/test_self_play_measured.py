"""What the evaluation of self-play is made from: files, specs and weights."""

from pathlib import Path

import pytest
import yaml

from prefgrid.config.merging import merged
from prefgrid.files import cells
from prefgrid.plan.load import load
from prefgrid.studies import registry
from prefgrid.studies.self_play import grid

REPOSITORY = Path(__file__).resolve().parents[4]
RAW = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
RUN = "method=sppo/judge=bt_scores/seed=0"
RING = "method=sppo/judge=bt_closings/seed=0"
ROOT = "results/self_play"
BASE = f"{ROOT}/held_out/pool=eval/samples.jsonl"


def wiring(**changes):
    config = load(merged(RAW, {"studies": ["self_play"], "self_play": changes}))
    return registry.wiring(config.packages["self_play"], config)


def held_out(cell):
    return f"{ROOT}/held_out/{cell}/samples.jsonl"


def test_an_iterate_is_sampled_on_the_stack_of_those_before_it():
    step = wiring().held_out(f"{RUN}/iteration=3")
    assert step.inputs == {
        "prompts": f"{ROOT}/prompts/pool=eval/prompts.jsonl",
        "adapters": [f"{ROOT}/policies/{RUN}/iteration={t}/manifest.json" for t in (1, 2)],
        "policy": f"{ROOT}/policies/{RUN}/iteration=3/manifest.json",
    }
    assert (step.spec["prompts"], step.spec["samples"]) == (150, 4)
    assert step.spec["decoding"] == {"max_new_tokens": 64, "temperature": 1.0, "batch_rows": 600}


def test_the_base_is_sampled_once_and_an_average_on_the_bare_reference():
    own = wiring()
    base = own.held_out("pool=eval")
    assert (base.inputs["policy"], base.inputs["adapters"]) == ([], [])
    average = own.held_out(f"{RUN}/average=3")
    assert average.inputs["policy"] == f"{ROOT}/averages/{RUN}/average=3/manifest.json"
    assert average.inputs["adapters"] == []


def test_policies_of_one_iteration_share_their_noise_and_iterates_do_not():
    own = wiring()
    noise = {
        cell: own.held_out(cell).spec["noise"]["purpose"]
        for cell in ("pool=eval", f"{RUN}/iteration=1", f"{RUN}/iteration=2", f"{RUN}/average=3")
    }
    assert len(set(noise.values())) == 4
    other = own.held_out("method=gpo/judge=gpm_scores/seed=0/iteration=2")
    assert other.spec["noise"]["purpose"] == noise[f"{RUN}/iteration=2"]


@pytest.mark.parametrize("asked", ["bt_scores", "rule"])
def test_an_iterate_meets_the_base_and_every_one_before_it(asked):
    own = wiring()
    step = own.contest(f"{RUN}/iteration=3/asked={asked}")
    assert step.inputs["groups"] == [held_out(f"{RUN}/iteration=3")]
    assert step.inputs["opponents"] == [
        BASE,
        held_out(f"{RUN}/iteration=1"),
        held_out(f"{RUN}/iteration=2"),
    ]
    assert step.spec["judge"] == own.config.judges[asked].module
    first = own.contest(f"{RUN}/iteration=1/asked={asked}")
    assert first.inputs["opponents"] == [BASE]
    average = own.contest(f"{RUN}/average=3/asked={asked}")
    assert average.inputs["groups"] == [held_out(f"{RUN}/average=3")]
    assert average.inputs["opponents"] == [
        BASE,
        *(held_out(f"{RUN}/iteration={t}") for t in (1, 2, 3)),
    ]


def test_scores_are_of_the_same_samples():
    own = wiring(prompts_at_once=10)
    step = own.scores(f"{RUN}/iteration=2/asked=fluency")
    assert step.inputs["responses"] == [held_out(f"{RUN}/iteration=2")]
    # Ten prompts of four samples.
    assert step.spec["at_once"] == 40
    assert own.scores("pool=eval/asked=fluency").inputs["responses"] == [BASE]
    assert wiring().scores("pool=eval/asked=fluency").spec["at_once"] is None


def test_best_of_n_chooses_among_the_most_and_meets_the_base_s_samples():
    own = wiring()
    step = own.best_responses(f"{RUN}/pool=best/by=3/shard=0")
    assert step.spec["samples"] == 16 and step.spec["prompts"]["groups"] == 60
    assert step.inputs["adapters"] == [
        f"{ROOT}/policies/{RUN}/iteration={t}/manifest.json" for t in (1, 2, 3)
    ]
    base = own.best_responses("pool=best/by=0/shard=0")
    assert base.inputs["adapters"] == []
    assert base.spec["noise"] != own.held_out("pool=eval").spec["noise"]
    contest = own.best_contest(f"{RUN}/pool=best/asked=rule")
    responses = f"{ROOT}/responses/{RUN}/pool=best/by=3/shard=0/responses.jsonl"
    assert (contest.inputs["groups"], contest.inputs["opponents"]) == ([responses], [BASE])
    plain = own.best_contest("pool=best/asked=rule")
    assert plain.inputs["groups"] == [f"{ROOT}/responses/pool=best/by=0/shard=0/responses.jsonl"]


def test_a_run_is_measured_from_all_of_its_policies():
    own = wiring()
    step = own.measurement(RING)
    policies = [*(f"{RING}/iteration={t}" for t in (1, 2, 3)), f"{RING}/average=3"]
    assert step.inputs["samples"] == [held_out(cell) for cell in policies]
    for kind, judge in (("training", "bt_closings"), ("held_out", "circle")):
        assert step.inputs[kind] == [
            f"{ROOT}/matrices/{cell}/asked={judge}/matrices.parquet" for cell in policies
        ]
    assert step.inputs["scores"] == [
        f"{ROOT}/rewards/{cell}/asked={asked}/rewards.jsonl"
        for asked in ("fluency", "closing_class")
        for cell in ("pool=eval", *policies)
    ]
    assert step.inputs["best"] == [
        f"{ROOT}/matrices/{cell}pool=best/asked={judge}/matrices.parquet"
        for cell in ("", f"{RING}/")
        for judge in ("bt_closings", "circle")
    ]
    assert len(step.inputs["metrics"]) == len(step.inputs["targets"]) == 3
    assert step.spec["classes"] == "closing_class" and step.spec["best_of"] == [1, 4, 16]
    assert step.spec["key"] == {**cells.values(RING), "held_out_judge": "circle"}
    assert own.measurement(RUN).spec["classes"] is None


def test_what_is_not_asked_for_is_not_made():
    own = wiring(evaluation={"best": None, "average": False, "scorers": []}, iterations=2)
    step = own.measurement(RUN)
    assert step.inputs["best"] == step.inputs["scores"] == []
    assert step.inputs["samples"] == [held_out(f"{RUN}/iteration={t}") for t in (1, 2)]
    assert (step.spec["best_of"], step.spec["average"]) == (None, False)


def test_every_cell_that_a_measurement_reads_has_a_step_of_its_own():
    """Of the shared rules: the blocks that the wiring answers for these folders."""
    own = wiring()
    blocks = {
        "held_out": own.held_out,
        "matrices": own.matrices,
        "rewards": own.rewards,
        "responses": own.responses,
    }
    for _, run in grid.runs(own.study):
        step = own.measurement(cells.folders(run))
        for path in [*step.inputs["samples"], *step.inputs["training"], *step.inputs["scores"]]:
            _, _, block, cell = path.split("/", 3)
            assert blocks[block](cell.rpartition("/")[0]).spec
        for path in step.inputs["best"]:
            contest = own.matrices(path.split("/", 3)[3].rpartition("/")[0])
            [candidates] = contest.inputs["groups"]
            assert own.responses(candidates.split("/", 3)[3].rpartition("/")[0]).spec["samples"]


def test_the_tables_are_of_all_runs_in_the_grid_s_order():
    step = wiring(seeds=[0, 1]).tabulation()
    assert len(step.spec["runs"]) == 2 * (3 + 2 + 1 + 1)
    assert step.spec["runs"][:2] == [
        {"method": "sppo", "judge": "bt_scores", "seed": seed} for seed in (0, 1)
    ]
    for kind, name in grid.MEASURED.items():
        paths = step.inputs[f"run_{kind}"]
        assert [cells.values(path) for path in paths] == step.spec["runs"]
        assert all(path.endswith(f"/{name}") for path in paths)
    assert (step.spec["kappas"], step.spec["baseline"]) == ([0.5, 1.0], "sppo")


def test_a_choice_reaches_the_measurement_and_kappa_the_tables_alone():
    plain, best = wiring(), wiring(select="best", kappa=0.3)
    assert plain.measurement(RUN).spec | {"select": "best"} == best.measurement(RUN).spec
    assert best.tabulation().spec["kappas"] == [0.3]


def test_the_ring_is_drawn_where_there_are_classes():
    assert wiring().figures[-1] == "ring"
    row = {"judge": "bt_scores", "methods": ["sppo"], "held_out_judge": "rule"}
    assert "ring" not in wiring(grid=[row]).figures


def test_the_report_is_told_what_ran():
    values = wiring().values()
    assert values["rows"][0]["held_out_judge"] == "rule"
    [alike, words], *_ = values["trainings"]
    assert "sppo" in alike and "prompts a step" in words
