"""The report: offline, escaped, reproducible; and the scripts that lead to it."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import made_up
import pandas as pd
import plug_ins
import pytest
import synthetic_study as study
import yaml

from link_robustness import tabulate_results
from prefgrid.figures import dark, style
from prefgrid.figures.style import display_name
from prefgrid.files import store
from prefgrid.job import jobs
from prefgrid.plan.load import load
from prefgrid.report import blocks, origin, page
from prefgrid.report import samples as responses
from prefgrid.studies import registry
from prefgrid.studies.link_robustness import section as link_robustness
from steps import build_report

REPOSITORY = Path(__file__).resolve().parents[4]
NASTY = "</script><script>alert(1)</script> & <b>bold</b>"
SPEC = {
    "methods": study.METHODS,
    "seeds": [0, 1],
    "shifts": [0.0, 4.0],
    "n": [500, 1500],
    "link_temperature": 0.25,
    "identical_responses": "keep",
    "kappas": [0.5],
    "baseline": "dpo",
    "title": "prefgrid report",
    "subtitle": "A test",
    "samples": 1,
    "trainings": [[study.METHODS, "3 epochs, 32 pairs a step"]],
    "facts": [["World", "tiny"]],
    "sources": {
        "run": "second try",
        "base_model": "lab/base@0123456789ab",
        "dataset": "lab/data@ab0123456789 split train",
    },
    "config": "world: tiny\nmethods: {dpo: <b>}\n",
}
TABLES = ("summary", "differences", "calibration", "identifiability", "runs")
PLOTS = plug_ins.figure_modules(
    "link_robustness",
    (
        "reference_rewards",
        "frontier",
        "robustness",
        "convergence",
        "calibration",
        "training",
    ),
)


def _job(inputs: dict, outputs: dict, spec: dict) -> jobs.Job:
    return jobs.Job(inputs=inputs, outputs=outputs, finals=outputs, spec=spec)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Every file the scripts read, as the grid would have written them; tables and figures built."""
    root = tmp_path_factory.mktemp("study")
    samples = study.samples()
    prompts = [{"prompt_id": name, "prompt": f"tale {name} {NASTY}"} for name in study.PROMPTS]
    files = {name: root / f"{name}.parquet" for name in ("samples", "indices", "training")}
    store.write_parquet(files["samples"], samples)
    store.write_parquet(files["indices"], study.indices())
    store.write_parquet(files["training"], study.metrics())
    files["evaluations"] = root / "evaluations.csv"
    store.write_csv(files["evaluations"], study.evaluations(samples))
    files["eval_prompts"] = root / "prompts.jsonl"
    store.write_jsonl(files["eval_prompts"], prompts)
    files["reference_samples"] = root / "rewards.jsonl"
    store.write_jsonl(files["reference_samples"], study.reference_rewards(16))
    files["rewards"] = [root / f"seed={seed}" / "rewards.jsonl" for seed in SPEC["seeds"]]
    for seed, path in zip(SPEC["seeds"], files["rewards"], strict=True):
        store.write_jsonl(path, study.rewards(seed))
    gathered = [path for path in files.values() if isinstance(path, Path)]
    made_up.record(*gathered)
    tables = {name: root / f"{name}.csv" for name in TABLES}
    tabulate_results.main(_job(files, tables, SPEC))
    files |= tables
    metrics = root / "policies" / "metrics.jsonl"
    store.write_jsonl(metrics, [])
    _record(metrics, script="train_policy")
    _record(*gathered, *tables.values(), script="gather_table", inputs=[metrics])
    folder = root / "link_robustness" / "figures"
    folder.mkdir(parents=True)
    files["figures"] = {plot: plug_ins.draw(plot, files, SPEC, folder)["svg"] for plot in PLOTS}
    files["quality"] = None
    return files


def _record(
    *outputs: Path, script: str, inputs: Sequence[Path] = (), seconds: float = 61.0, **more: Any
) -> Path:
    """A provenance record, as a job would have written it."""
    return made_up.record(
        *outputs,
        script=script,
        inputs=inputs,
        packages={"torch": "2.13.0"},
        git_commit="abc123",
        device="cpu",
        python="3.11.2",
        finished="2026-11-28T09:30:15Z",
        wall_time_seconds=seconds,
        peak_memory_bytes={"host": int(1e7 * seconds)},
        **more,
    )


def _build(inputs, tmp_path, made_of: Sequence[Path] = (), **changes) -> str:
    section, spec = tmp_path / "section.json", SPEC | changes
    plug_ins.describe(link_robustness, inputs["figures"], inputs, spec, section)
    # The study's provenance is beside its tables, not beside a section that no job has published.
    _record(section, script="describe_study", inputs=[inputs["samples"], *made_of])
    pages = {"sections": [section], "quality": inputs["quality"]}
    build_report.main(_job(pages, {"report": tmp_path / "report.html"}, spec))
    return (tmp_path / "report.html").read_text()


def test_the_page_is_complete_and_loads_nothing(inputs, tmp_path):
    html = _build(inputs, tmp_path)
    assert html.count("data:image/svg+xml;base64,") == len(PLOTS)
    for text in (
        "At shift 4 the labels can tell the true link from a logistic one",
        "no method can be told apart",
        "conditional on the seeds",
        "train_policy",
        "abc123",
    ):
        assert text in html
    assert not re.search(r"""src=["'](?!data:)""", html)
    # Links lead within the page or to files beside it, wherever `results/` lies.
    for link in re.findall(r'href="([^"]*)"', html):
        assert re.fullmatch(r"#[a-z0-9-]+|[a-z_]+(/[a-z_]+)+\.(csv|svg|png)", link), link
    for name in ("summary", "differences", "calibration", "identifiability"):
        assert f'href="link_robustness/tables/{name}.csv"' in html
    assert "url(" not in html
    assert "@import" not in html
    assert 'id="quality"' not in html


def test_the_same_inputs_give_the_same_bytes(inputs, tmp_path):
    assert _build(inputs, tmp_path) == _build(inputs, tmp_path)


def test_every_link_within_the_page_has_its_place(inputs, tmp_path):
    html = _build(inputs, tmp_path)
    anchors = re.findall(r'href="#([^"]+)"', html)
    places = re.findall(r'id="([^"]+)"', html)
    assert len(places) == len(set(places)) and set(anchors) <= set(places)
    # Every figure and table by its title, in the contents of its study.
    inside = html[html.index('<ul class="inside"') : html.index('id="link-robustness-findings"')]
    assert inside.count("link-robustness-figure-") == len(PLOTS)
    assert inside.count("Table: ") == 4


def test_models_data_run_and_config_are_on_the_page(inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("PREFGRID_CONFIG_FILES", '["config.yaml", "presets/mine.yaml"]')
    html = _build(inputs, tmp_path)
    for label, text in (
        ("Base model", "lab/base@0123456789ab"),
        ("Dataset", "lab/data@ab0123456789 split train"),
        ("Run", f"second try, folder {Path.cwd().name}"),
        ("Config", "config.yaml + presets/mine.yaml"),
        ("Records", "2026-11-28 09:30 UTC"),
        ("Code", "abc123"),
    ):
        assert f"<dt>{label}</dt><dd>{text}</dd>" in html
    assert "Reward model" not in html
    assert "<pre><code>world: tiny\nmethods: {dpo: &lt;b&gt;}\n</code></pre>" in html


def _fetched(folder: Path, script: str, file: str, spec: dict, **source: str | None) -> Path:
    """What a job would have fetched, and its record."""
    path, origin = folder / file, folder / "source.json"
    store.write_json(path, {})
    store.write_json(origin, source)
    _record(path, origin, script=script, spec=spec)
    return path


def test_the_page_says_which_commit_a_branch_was(inputs, tmp_path):
    """Kind: `main` on a page, which tells nobody what was trained; a dataset's commit for a model's of
    the same name. A revision that is a commit, and a local source, are as they were."""
    commits = {name: digit * 40 for name, digit in (("base", "a"), ("reward", "b"), ("data", "c"))}
    named = {
        "run": "r",
        "base_model": "lab/x@main",
        "reward_model": "lab/y@bbbbbbbbbbbb",
        "dataset": "lab/x@v1.0, split train",
    }
    fetched = [
        *(
            _fetched(
                *(tmp_path / name, "fetch_model", "manifest.json", {"name": name}),
                **{"source": source, "revision": revision, "commit": commits[name]},
            )
            for name, source, revision in (
                ("base", "lab/x", "main"),
                ("reward", "lab/y", commits["reward"]),
            )
        ),
        _fetched(
            *(tmp_path / "data", "fetch_dataset", "train.jsonl", {"split": "train"}),
            **{"source": "lab/x", "revision": "v1.0", "commit": commits["data"]},
        ),
    ]
    html = _build(inputs, tmp_path, fetched, sources=named)
    for text in (
        "lab/x@main (commit aaaaaaaaaaaa)",
        "lab/y@bbbbbbbbbbbb",
        "lab/x@v1.0 (commit cccccccccccc), split train",
    ):
        assert f"<dd>{text}</dd>" in html
    here = {"source": "models/x", "revision": None, "commit": None}
    local = _fetched(tmp_path / "x", "fetch_model", "manifest.json", {"name": "base"}, **here)
    html = _build(inputs, tmp_path, [local], sources=named | {"base_model": "x (local)"})
    assert "<dd>x (local)</dd>" in html
    # Results of an older version have no such file beside the data.
    (tmp_path / "data" / "source.json").unlink()
    assert "<dd>lab/x@v1.0, split train</dd>" in _build(inputs, tmp_path, fetched, sources=named)


def test_time_and_memory_of_every_step_are_shown(inputs, tmp_path):
    html = _build(inputs, tmp_path)
    row = re.search(r"<code>train_policy</code></td>(.*?)</tr>", html, flags=re.DOTALL).group(1)
    cells = re.findall(r">([^<>]+)</td>", row)
    assert cells == ["1", "61 s", "61 s", "61 s", "610 MB", "610 MB"]
    assert "On device" not in html


def test_every_row_of_the_csv_tables_names_run_models_and_data(inputs):
    for name in TABLES:
        table = pd.read_csv(inputs[name])
        for column, text in SPEC["sources"].items():
            assert (table[column] == text).all() and len(table) > 0
        assert "reward_model" not in table


def test_tables_at_several_kls_are_those_of_each(inputs, tmp_path):
    """Rows at .5 are the rows of a run at .5 alone, those at 1 of one at 1 alone."""
    whole = _tabulated(inputs, tmp_path, [0.5, 1.0])
    for kappa_nats in (0.5, 1.0):
        alone = _tabulated(inputs, tmp_path, [kappa_nats])
        for name in ("summary", "differences", "runs"):
            assert (alone[name]["kappa_nats"] == kappa_nats).all()
            rows = whole[name][whole[name]["kappa_nats"] == kappa_nats].reset_index(drop=True)
            # All-missing columns have no type of their own.
            pd.testing.assert_frame_equal(rows, alone[name], check_dtype=False)
        for name in ("calibration", "identifiability"):
            pd.testing.assert_frame_equal(whole[name], alone[name])
    assert whole["summary"].groupby("kappa_nats")["reward"].mean().nunique() == 2


def _tabulated(inputs, folder: Path, kappas: list[float]) -> dict[str, pd.DataFrame]:
    tables = {name: folder / f"{name}.csv" for name in TABLES}
    tabulate_results.main(_job(inputs, tables, SPEC | {"kappas": kappas}))
    return {name: pd.read_csv(path) for name, path in tables.items()}


def test_findings_are_at_the_first_kl_and_every_kl_has_its_tables(inputs, tmp_path):
    _tabulated(inputs, tmp_path, [1.0, 0.5])
    files = inputs | {name: tmp_path / f"{name}.csv" for name in TABLES}
    made_up.record(*(files[name] for name in TABLES))
    section = tmp_path / "section.json"
    spec = SPEC | {"kappas": [1.0, 0.5]}
    plug_ins.describe(link_robustness, inputs["figures"], files, spec, section)
    made = json.loads(section.read_text())
    texts = [sentence for finding in made["findings"] for sentence in finding["sentences"]]
    assert any("KL 1 " in text for text in texts) and not any("KL 0.5" in text for text in texts)
    assert dict(made["facts"])["Compared at"].startswith("KL = 1 nats (findings), 0.5, ")
    assert [table["title"] for table in made["tables"]][:4] == [
        "Reward at KL 1",
        "Differences to DPO at KL 1",
        "Reward at KL 0.5",
        "Differences to DPO at KL 0.5",
    ]
    rows = [len(table["rows"]) for table in made["tables"]]
    assert rows[0] == rows[2] == len(study.METHODS) * 2 * 2


def test_no_finding_wears_the_colour_of_a_method():
    """Colours in the rules of findings are greys: red, green and blue within 32 of each other."""
    css = (Path(page.__file__).parent / "templates" / "style.css").read_text()
    named = re.findall(r"--([a-z]+): (#[0-9a-f]{6})", css)
    rules = "".join(re.findall(r"^\.finding[^{]*\{[^}]*\}", css, flags=re.MULTILINE))
    used = set(re.findall(r"border[^;]*var\(--([a-z]+)\)", rules))
    assert {"edge", "ink"} <= used
    for name, colour in named:
        channels = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        if name in used:
            assert max(channels) - min(channels) <= 32, (name, colour)
    methods = {*style.FAMILY_COLOURS.values(), *style.SPARE_COLOURS}
    methods |= {dark.dark(colour) for colour in methods}
    assert not {colour.upper() for _, colour in named} & methods
    assert dark.BACKGROUND.lower() in {colour for name, colour in named if name == "card"}


def test_only_ancestors_enter_the_provenance(inputs, tmp_path):
    before = _build(inputs, tmp_path)
    other = inputs["samples"].parent / "older_grid" / "metrics.jsonl"
    store.write_jsonl(other, [])
    _record(other, script="train_policy")
    assert _build(inputs, tmp_path) == before
    assert "from 3 artifacts" in before  # the section, the gathered tables, a policy


def test_tables_say_up_to_which_kl_and_from_how_many_seeds(inputs, tmp_path):
    """One KL for the whole table in the head of its column; two seeds give no plan."""
    html = _build(inputs, tmp_path)
    (end,) = set(pd.read_csv(inputs["summary"])["area_kl_high"].round(2))
    assert f"Mean gain, KL 0 to {end:.2f}" in html
    assert html.count("not from 2 seeds") == 12  # three methods, two shifts, two n
    assert "covers this whole table, all shifts and n" in html


def test_texts_cannot_leave_their_place(inputs, tmp_path):
    html = _build(inputs, tmp_path, subtitle=NASTY)
    assert "<script>alert" not in html
    assert "&lt;/script&gt;" in html
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html).group(1))
    assert data["prompts"][0]["text"].endswith(NASTY)


def test_quality_is_shown_when_given(inputs, tmp_path):
    store.write_json(tmp_path / "quality.json", {"reward_model": {"pair_accuracy": 0.9123}})
    html = _build(inputs | {"quality": tmp_path / "quality.json"}, tmp_path)
    assert "Pair accuracy" in html
    assert "0.9123" in html


def test_quality_groups():
    quality = {"the_model": {"rows": 1200, "entropy_nats": 1.5, "x": -0.5}}
    assert blocks.quality_groups(quality) == [
        ("The model", [("Rows", "1,200"), ("Entropy (nats)", "1.5"), ("X", "−0.5")])
    ]


def test_missing_cells_are_shown_as_missing_and_sort_last():
    frame = pd.DataFrame({"method": ["dpo", "pspo"], "reward": [1.5, float("nan")]})
    columns = [blocks.Column("Reward", lambda row: blocks.number(row["reward"]), "reward")]
    rows = blocks.table("T", "c", frame, columns, "t.csv")["rows"]
    assert rows[0][0] == {"text": "1.50", "sort": 1.5, "missing": False}
    assert rows[1][0] == {"text": "missing", "sort": "", "missing": True}


def test_the_sample_browser_shows_few_betas_and_the_trained_policy(inputs):
    data = responses.browser(
        study.samples(), study.reference_samples(16), dict.fromkeys(study.PROMPTS, "x"), ["dpo"]
    )
    assert data["betas"] == ["0.25", "1", "1.5", "9"]
    assert len(data["prompts"]) == responses.PROMPTS
    key = f"{data['prompts'][0]['id']}|4|1|dpo"
    assert data["responses"][key]["tokens"] > 0


def test_json_cannot_close_its_element():
    text = str(page.script_json({"a": NASTY}))
    assert "<" not in text
    assert json.loads(text) == {"a": NASTY}


def test_provenance_shows_every_version_it_finds():
    record = {
        "script": "train_policy",
        "packages": {"torch": "2.13.0"},
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "device": "cpu",
        "python": "3.11.2",
        "wall_time_seconds": 2.0,
        "peak_memory_bytes": {"host": 10**9},
    }
    other = record | {
        "packages": {"torch": "2.12.0"},
        "git_commit": record["git_commit"] + "+changes",
    }
    summary = origin.summarise([record, other])
    assert summary["packages"] == [("torch", "2.12.0, 2.13.0")]
    assert summary["artifacts"] == 2
    assert summary["commits"] == ["0123456789ab", "0123456789ab+changes"]


def test_trainings_are_named_by_their_methods_unless_they_are_all_alike(inputs, tmp_path):
    assert "<dt>Training</dt><dd>3 epochs, 32 pairs a step</dd>" in _build(inputs, tmp_path)
    first, *rest = study.METHODS
    html = _build(inputs, tmp_path, trainings=[[[first], "2 epochs"], [rest, "7 steps"]])
    assert f"<dt>Training of {display_name(first)}</dt><dd>2 epochs</dd>" in html
    others = ", ".join(map(display_name, rest))
    assert f"<dt>Training of {others}</dt><dd>7 steps</dd>" in html


def test_the_wiring_words_the_training_that_each_label_really_gets():
    labels = ["dpo", "ospo", "dpo_published", "pspo_published"]
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    raw["link_robustness"]["methods"] = labels
    config = load(raw)
    package = config.packages["link_robustness"]
    values = registry.wiring(package, config).values()
    (plain, first), (published, second) = values["trainings"]
    assert (plain, published) == (labels[:2], labels[2:])
    for text, method in ((first, "dpo"), (second, "dpo_published")):
        training = config.training_of(config.methods[method].training)
        assert f"{training.batch_size} pairs a step, lr {training.learning_rate:g}, " in text
        assert f"LoRA rank {training.lora.rank}, float32" in text
    assert first.startswith(f"{config.training.epochs:g} epochs, ")
    assert second.startswith("125 steps, 16 pairs a step, lr 5e-06, training β 1, LoRA rank 16")
    assert "Training" not in dict(values["facts"])
