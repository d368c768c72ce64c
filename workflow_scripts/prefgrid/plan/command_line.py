"""Snakemake's command line as its manual describes it, turned into what its parser takes.

Its parser wants a value behind `--cores`, which the manual calls optional, lets options that take lists
swallow the targets behind them, and of such an option given twice keeps the last without a word.
Standard library only.
"""

import re
from collections.abc import Sequence

# An entry of a list of NAME=VALUE. A target may hold "=" as well, but behind its first folder.
ENTRY = re.compile(r"[^/=]+=")
# No target ends so, and many do in .json.
CONFIG_FILE = re.compile(r".*\.ya?ml$", re.IGNORECASE)
# Its list may be empty, so the first word behind it may be a target.
QUIET = ("--quiet", "-q")
# Options that take lists, each by all its names, and what the words of its list look like.
LISTS = {
    ("--resources", "--res"): ENTRY,
    ("--default-resources", "--default-res"): ENTRY,
    ("--set-resources",): ENTRY,
    ("--set-threads",): ENTRY,
    ("--set-scatter",): ENTRY,
    ("--set-resource-scopes",): ENTRY,
    ("--groups",): ENTRY,
    ("--group-components",): ENTRY,
    ("--config", "-C"): ENTRY,
    ("--configfile", "--configfiles"): CONFIG_FILE,
    QUIET: re.compile(r"(all|host|progress|reason|rules)$"),
}
CORES = ("--cores", "-c")
# What begins like an option and is none.
NUMBER = re.compile(r"-\d")


class CommandLineError(ValueError):
    """Words that Snakemake would misread; the message says the right ones."""


def understood(words: Sequence[str]) -> list[str]:
    """The words for Snakemake's parser that mean what these words say.

    `--cores` or `-c` without a value becomes `all`. A list of NAME=VALUE (`--resources`, `--config` and
    their like) ends at the first word without `=`, one of config files at the first that does not end in
    .yaml or .yml (the very first may), that of `--quiet` at the first that is none of its choices; what
    follows up to the next option are targets, which go to the front. Words
    behind `--` stay targets. Raises CommandLineError for such an option given twice.
    """
    end = words.index("--") if "--" in words else len(words)
    given, behind = list(words[:end]), list(words[end:])
    _refuse_repetitions(given)
    kept: list[str] = []
    targets: list[str] = []
    while given:
        word = given.pop(0)
        kept.append(word)
        if word in CORES and (not given or _is_option(given[0])):
            kept.append("all")
        pattern = _pattern(word)
        if pattern is None or not given or _is_option(given[0]):
            continue
        # A first word that cannot be an entry is for Snakemake to refuse.
        if word not in QUIET:
            kept.append(given.pop(0))
        while given and pattern.match(given[0]) and not _is_option(given[0]):
            kept.append(given.pop(0))
        while given and not _is_option(given[0]):
            targets.append(given.pop(0))
    return [*kept, *behind, *targets] if behind else [*targets, *kept]


def names(words: Sequence[str], option: str) -> bool:
    """Whether the words hold this option, with its value in the same word or behind it."""
    end = words.index("--") if "--" in words else len(words)
    return any(word.partition("=")[0] == option for word in words[:end])


def _pattern(word: str) -> re.Pattern[str] | None:
    return next((pattern for spelled, pattern in LISTS.items() if word in spelled), None)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not NUMBER.match(word)


def _refuse_repetitions(words: Sequence[str]) -> None:
    for spelled in LISTS:
        places = [place for place, word in enumerate(words) if word.partition("=")[0] in spelled]
        if len(places) < 2:
            continue
        entries = []
        for place in places:
            _, equals, value = words[place].partition("=")
            entries += [value] if equals else _values(words[place + 1 :], spelled)
        raise CommandLineError(
            f"{spelled[0]} is given {len(places)} times, and Snakemake would keep the last alone; "
            f"give all in one, the later over the earlier: {' '.join([spelled[0], *entries])}"
        )


def _values(words: Sequence[str], spelled: tuple[str, ...]) -> list[str]:
    found = []
    for word in words:
        may_be_target = found or spelled == QUIET
        if _is_option(word) or (may_be_target and not LISTS[spelled].match(word)):
            break
        found.append(word)
    return found
