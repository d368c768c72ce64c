"""README and docs: pages of two screens, links that lead somewhere, every page reached from the README.

Oracle for anchors: GitHub's rule, spelled out on examples.
"""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
PAGES = [README, REPOSITORY / "results" / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
# Two screens of 55 lines.
MOST_LINES = 110
MOST_CHARACTERS = 140
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """What GitHub calls a heading in a link: lower case, letters, digits, - and _, blanks as -."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(found) for found in re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)}


def links(page: Path) -> list[str]:
    """Targets of the page's links that stay in the repository."""
    return [found for found in LINK.findall(prose(page)) if "://" not in found]


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("Its tests", "its-tests"),
        ("Reward at KL κ", "reward-at-kl-κ"),
        ("What is different in `single_index`", "what-is-different-in-single_index"),
        ("1. The module", "1-the-module"),
        ("Is it the link, or the length of training?", "is-it-the-link-or-the-length-of-training"),
    ],
)
def test_anchors_are_those_of_github(heading, wanted):
    assert anchor(heading) == wanted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_a_page_has_two_screens(page):
    assert len(page.read_text().splitlines()) <= MOST_LINES
    # A row of a table cannot be broken.
    wide = [line for line in prose(page).splitlines() if len(line) > MOST_CHARACTERS]
    assert [line for line in wide if not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_to_a_file_and_a_heading(page):
    broken = []
    for target in links(page):
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        found = file.exists() and (not heading or heading in anchors(file))
        broken += [] if found else [target]
    assert broken == []


def test_the_readme_leads_to_every_page():
    linked = {(README.parent / target.partition("#")[0]).resolve() for target in links(README)}
    assert [page.name for page in PAGES if page not in {README, *linked}] == []


def test_pages_that_code_names_exist():
    folders = ("presets", "profiles", "rules", "tests", "workflow_scripts")
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.*")]
    files += [
        REPOSITORY / "config.yaml",
        REPOSITORY / "config.schema.json",
        REPOSITORY / "Makefile",
    ]
    kinds = {".py", ".smk", ".yaml", ".json", ".html", ""}
    named = {
        (path.name, name)
        for path in files
        if path.suffix in kinds
        for name in re.findall(r"docs/\w+\.md", path.read_text())
    }
    assert named and [one for one in named if not (REPOSITORY / one[1]).exists()] == []
