"""The tables of the single-index study, from its gathered files."""

from pathlib import Path
from types import SimpleNamespace

import made_up
import pandas as pd
import pytest
import synthetic_single_index as study

from prefgrid.files import store
from prefgrid.statistics.contrasts import paired
from prefgrid.statistics.intervals import holm
from single_index import tabulate_single_index

METHODS = ["dpo", "ospo", "ospo_published"]
SHIFTS = (0.0, 1.5)


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return study.runs(study.curves(METHODS, range(3), SHIFTS))


@pytest.fixture(scope="module")
def tables(runs, tmp_path_factory) -> dict[str, pd.DataFrame]:
    return tabulated(runs, tmp_path_factory.mktemp("tables"), [study.KAPPA])


def tabulated(runs: pd.DataFrame, folder: Path, kappas: list[float]) -> dict[str, pd.DataFrame]:
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
        "kappas": kappas,
        "sources": {"run": "second try"},
    }
    tabulate_single_index.main(SimpleNamespace(spec=spec, inputs=inputs, outputs=outputs))
    return {name: pd.read_csv(path) for name, path in outputs.items()}


def test_tables_at_several_kls_are_those_of_each(tmp_path):
    curves = study.curves(METHODS, range(3), SHIFTS)
    each = {kappa: study.runs(curves, kappa) for kappa in (0.2, 0.1)}
    whole = tabulated(pd.concat(each.values()), tmp_path, list(each))
    for kappa, runs in each.items():
        alone = tabulated(runs, tmp_path, [kappa])
        for name in ("summary", "differences"):
            rows = whole[name][whole[name]["kappa_nats"] == kappa].reset_index(drop=True)
            pd.testing.assert_frame_equal(rows, alone[name])
    assert whole["summary"]["kappa_nats"].iloc[0] == 0.2
    assert len(whole["identifiability"]) == len(SHIFTS)
    for table in whole.values():
        assert (table["run"] == "second try").all()


def test_every_cell_has_a_row_and_seeds_without_a_run_are_missing(tables):
    summary = tables["summary"]
    assert len(summary) == len(SHIFTS) * (len(METHODS) + 1)
    assert summary["seeds"].eq(3).all() and summary["seeds_missing"].eq(1).all()
    assert not summary.isna().any().any()
    # The oracle's own index is the reward difference itself.
    oracle = summary[summary["method"] == "oracle"]
    assert oracle["index_correlation"].to_numpy() == pytest.approx(1)


def test_all_heights_are_measured_over_the_same_kls(tables):
    summary = tables["summary"]
    assert summary["area_kl_low"].nunique() == summary["area_kl_high"].nunique() == 1
    assert (summary["area_kl_low"] < study.KAPPA).all()
    assert (summary["area_kl_high"] > study.KAPPA).all()


def test_the_table_of_differences_is_one_family_variants_included(tables, runs):
    """Two methods at two shifts against DPO, one pair at two shifts: six comparisons."""
    differences = tables["differences"]
    assert len(differences) == 4 + 2
    assert differences["p_holm"].to_numpy() == pytest.approx(holm(differences["p"].to_numpy()))
    cells = differences.set_index(["method", "baseline", "shift"])
    for labels in (METHODS, ["ospo", "ospo_published"]):
        other = "dpo" if "dpo" in labels else "ospo_published"
        for row in paired(runs, "reward", study.GROUPS, [(labels, other)]).itertuples():
            found = cells.loc[(row.method, other, row.shift)]
            assert found[["difference", "p"]].tolist() == pytest.approx([row.difference, row.p])


def test_what_labels_can_tell_is_a_mean_over_seeds(tables):
    """Powers .2 and .4."""
    rows = tables["identifiability"]
    assert rows["power"].to_numpy() == pytest.approx(0.3)
    assert rows["seeds"].eq(2).all()
