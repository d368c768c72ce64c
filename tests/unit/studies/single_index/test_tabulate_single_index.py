"""The tables of the single-index study, from its gathered files."""

from types import SimpleNamespace

import made_up
import pandas as pd
import pytest
import synthetic_single_index as study

from prefgrid.files import store
from prefgrid.statistics.contrasts import paired
from single_index import tabulate_single_index

METHODS = ["dpo", "ospo", "ospo_published"]
SHIFTS = (0.0, 1.5)


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return study.runs(study.curves(METHODS, range(3), SHIFTS))


@pytest.fixture(scope="module")
def tables(runs, tmp_path_factory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("tables")
    inputs = {name: folder / f"single_{name}.csv" for name in ("runs", "evidence")}
    inputs["curves"] = folder / "curves.parquet"
    names = ("summary", "differences", "identifiability")
    outputs = {name: folder / f"{name}.csv" for name in names}
    store.write_csv(inputs["runs"], runs)
    store.write_parquet(inputs["curves"], study.curves(METHODS, range(3), SHIFTS))
    evidence = [
        study.identifiability(SHIFTS).assign(seed=seed, power=0.2 * seed) for seed in (1, 2)
    ]
    store.write_csv(inputs["evidence"], pd.concat(evidence).drop(columns="seeds"))
    made_up.record(*inputs.values())
    spec = {
        "methods": METHODS,
        "baseline": "dpo",
        "variants": [["ospo", "ospo_published"]],
        "seeds": 4,
        "kappa": study.KAPPA,
    }
    tabulate_single_index.main(SimpleNamespace(spec=spec, inputs=inputs, outputs=outputs))
    return {name: pd.read_csv(path) for name, path in outputs.items()}


def test_every_cell_has_a_row_and_seeds_without_a_run_are_missing(tables):
    summary = tables["summary"]
    assert len(summary) == len(SHIFTS) * (len(METHODS) + 1)
    assert summary["seeds"].eq(3).all() and summary["seeds_missing"].eq(1).all()
    assert not summary.isna().any().any()
    # The oracle's own index is the reward difference itself.
    oracle = summary[summary["method"] == "oracle"]
    assert oracle["index_correlation"].to_numpy() == pytest.approx(1)


def test_heights_of_one_shift_are_measured_over_the_same_kls(tables):
    for _, rows in tables["summary"].groupby("shift"):
        assert rows["area_kl_low"].nunique() == rows["area_kl_high"].nunique() == 1
        assert (rows["area_kl_low"] < study.KAPPA).all()
        assert (rows["area_kl_high"] > study.KAPPA).all()


def test_variants_have_a_holm_family_of_their_own(tables, runs):
    """Two methods at two shifts against DPO: four comparisons; one pair at two shifts: two."""
    differences = tables["differences"].set_index(["method", "baseline", "shift"])
    assert len(differences) == 4 + 2
    for labels in (METHODS, ["ospo", "ospo_published"]):
        other = "dpo" if "dpo" in labels else "ospo_published"
        own = paired(runs, "reward", study.GROUPS, labels, other, ["tau", "n"])
        for row in own.itertuples():
            found = differences.loc[(row.method, other, row.shift)]
            assert found[["difference", "p", "p_holm"]].tolist() == pytest.approx(
                [row.difference, row.p, row.p_holm]
            )


def test_what_labels_can_tell_is_a_mean_over_seeds(tables):
    """Powers .2 and .4."""
    rows = tables["identifiability"]
    assert rows["power"].to_numpy() == pytest.approx(0.3)
    assert rows["seeds"].eq(2).all()
