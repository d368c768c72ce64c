"""Studies by name: ours, and those of any package."""

from pathlib import Path

import pytest
from tests.unit.plan.test_config import changed, mistakes

from prefgrid.plan.load import ConfigError, load
from prefgrid.studies import registry

CONFIG = '''
from pydantic import Field

from prefgrid.config.fields import Count, Label, Section


class Config(Section):
    """Does it work?"""

    rounds: Count = Field(3, description="how many")
    methods: list[Label] = Field(["dpo"], description="of `methods`")
    judge: Label = Field("reward", description="of `judges`")
'''
CHECKS = """
def _few_rounds(own, config):
    if own.rounds > config.max_prompt_tokens:
        yield "toy.rounds", f"{own.rounds} is too many"


CHECKS = (_few_rounds,)
"""
WIRING = """
class Wiring:
    def __init__(self, config, package):
        self.rounds, self.package = config.section("toy").rounds, package
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with the study `toy`, under a name that no other test has imported."""
    name = f"lab_{tmp_path.name}"
    folder = tmp_path / name / "toy"
    folder.mkdir(parents=True)
    for module, text in (("config", CONFIG), ("checks", CHECKS), ("wiring", WIRING)):
        (folder / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_plain_name_is_ours_and_a_dotted_one_anybodys(lab):
    assert registry.packages(["single_index", f"{lab}.toy"]) == {
        "single_index": "prefgrid.studies.single_index",
        "toy": f"{lab}.toy",
    }
    for study in registry.BUILT_IN:
        package = registry.package(study)
        assert registry.section(package).__name__ == "Config" and registry.checks(package)


def test_its_section_checks_and_wiring_are_used(lab):
    config = load(changed({"studies": [f"{lab}.toy"], "toy": {"rounds": 4}}))
    assert config.section("toy").rounds == 4 and config.packages == {"toy": f"{lab}.toy"}
    wiring = registry.wiring(config.packages["toy"], config)
    assert (wiring.rounds, wiring.package) == (4, f"{lab}.toy")
    assert load(changed({"studies": [f"{lab}.toy"]})).section("toy").rounds == 3


def test_mistakes_in_its_section_are_reported_with_all_others(lab):
    lines = mistakes(
        {
            "studies": [f"{lab}.toy", "single_index"],
            "toy": {"rounds": 65, "methods": ["dpoo"], "judge": "rewad", "round": 1},
            "logp_batch_size": 0,
            "single_index.tau": [],
        }
    )
    assert [line.split(":")[0] for line in lines] == [
        "logp_batch_size",
        "single_index.tau",
        "toy.round",
        "toy.judge",
        "toy.methods",
        "toy.rounds",
    ]


@pytest.mark.parametrize(
    ("studies", "line"),
    [
        (
            ["toy"],
            "studies.0: 'toy' should be a study; allowed: link_robustness, single_index, soft_policy, "
            "pairwise_judges, self_play, or the dotted",
        ),
        (["{lab}.toi"], "studies.0: '{lab}.toi' should be a study, but {lab}.toi.config is no"),
        (["{lab}.toy", "{lab}.toy"], "studies: every value may appear once; repeated"),
        (["{lab}.single_index"], "studies: '{lab}.single_index' and another study are both named"),
        (["{lab}.training"], "studies: 'training' is no name for a study"),
        ([], "studies: .* at least 1 item"),
        ([3], "studies.0: 3 should be a valid string"),
        (["a..b"], "studies.0: 'a..b' should be a study"),
    ],
)
def test_what_is_no_study(lab, studies, line, tmp_path):
    for name in ("single_index", "training"):
        (tmp_path / lab / name).mkdir()
        (tmp_path / lab / name / "config.py").write_text(CONFIG)
    with pytest.raises(ConfigError, match=line.format(lab=lab)):
        load(
            changed(
                {
                    "studies": [
                        name.format(lab=lab) if isinstance(name, str) else name for name in studies
                    ]
                }
            )
        )


def test_the_rules_of_a_study_are_its_file_and_those_of_its_parts(tmp_path, monkeypatch):
    names = ("self_play", "self_play_targets", "self_play_publish", "single_index", "self_playing")
    for name in names:
        (tmp_path / f"{name}.smk").touch()
    monkeypatch.setattr(registry, "RULES", tmp_path)
    found = [path.removeprefix(f"{tmp_path}/") for path in registry.rules({"self_play": "any"})]
    assert found == ["self_play.smk", "self_play_publish.smk", "self_play_targets.smk"]
    # Another study whose name starts alike has none of them.
    assert registry.rules({"self": "their.self"}) == registry.rules({"toy": "their.toy"}) == []
