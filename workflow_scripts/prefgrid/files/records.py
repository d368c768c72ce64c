"""What files that may come from anywhere hold, as types that `reading` checks.

A file may hold more than its type names. Numbers are finite and never text or truth values; a whole
number may stand where a real one is expected.
"""

import reprlib
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

INERT = True

STRICT = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)
# So that every count and token id fits the integers of tensors and tables.
LARGEST = 2**31 - 1


def _whole_characters(text: str) -> str:
    # JSON can also spell half of one; no file can hold it, nor any tokenizer read it.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"should be text, found half a character in {reprlib.repr(text)}"
        ) from None
    return text


Text = Annotated[str, AfterValidator(_whole_characters)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
TokenIds = Annotated[list[Count], Field(min_length=1)]
Label = Annotated[int, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
PromptId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Finish = Literal["stop", "length"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[^./\x00][^/\x00]*$")]
Manifest = dict[FileName, Sha256]


class Source(TypedDict):
    """source.json: where a fetched model or dataset came from; commit: of the hub, None of a local source."""

    __pydantic_config__ = STRICT
    source: Text
    revision: Text | None
    commit: Text | None


# Measurements of models, in named groups.
Quality = dict[Text, dict[Text, float]]


class Prompt(TypedDict):
    """A row of a prompt pool."""

    __pydantic_config__ = STRICT
    prompt_id: PromptId
    prompt: Text


class Response(TypedDict):
    """One response within a group; log-probabilities, where sampling was asked for them, in nats."""

    __pydantic_config__ = STRICT
    text: Text
    tokens: TokenIds
    finish: Finish
    # Under the model at temperature 1, and under what the token was drawn from.
    token_logps: NotRequired[list[float]]
    sampling_token_logps: NotRequired[list[float]]


class Scored(Response):
    """A response with its judge's score."""

    reward: float


def _a_number_a_token(response: Response) -> Response:
    count = len(response["tokens"])
    for name in ("token_logps", "sampling_token_logps"):
        if len(response.get(name, response["tokens"])) != count:
            raise ValueError(
                f"has {count} tokens and {len(response[name])} {name}; they must be as many"
            )
    return response


OneResponse = Annotated[Response, AfterValidator(_a_number_a_token)]
OneScored = Annotated[Scored, AfterValidator(_a_number_a_token)]


class Group(Prompt):
    """A row of responses.jsonl: a prompt and its K responses."""

    group: Count
    prompt_tokens: TokenIds
    responses: Annotated[list[OneResponse], Field(min_length=1)]


class ScoredGroup(Prompt):
    """A row of rewards.jsonl: a group whose responses are scored."""

    group: Count
    prompt_tokens: TokenIds
    responses: Annotated[list[OneScored], Field(min_length=1)]


class Preference(Prompt):
    """A row of preferences.jsonl: two responses to a prompt, and which one is preferred."""

    pair: Count
    prompt_tokens: TokenIds
    response_0: Text
    response_1: Text
    tokens_0: TokenIds
    tokens_1: TokenIds
    finish_0: Finish
    finish_1: Finish
    reward_0: float
    reward_1: float
    z: Label
    reward_diff: float
    reward_scale: Positive


class Candidate(TypedDict):
    """A response of which no more than its text is known; kind: of those that are told apart by it."""

    __pydantic_config__ = STRICT
    text: Text
    kind: NotRequired[Text]


class Comparison(TypedDict):
    """With which probability one response of a row, by its number, is preferred to another; margin: by
    how much, where somebody said so."""

    __pydantic_config__ = STRICT
    first: Count
    second: Count
    probability: Share
    margin: NotRequired[float]


class ComparedFields(Prompt):
    """A row of comparisons: a prompt, its responses, and what is known of their pairs. section: what its
    accuracy is counted under, "" where nothing is told apart. item: what rows on one question share."""

    section: Text
    item: NotRequired[Text]
    responses: Annotated[list[Candidate], Field(min_length=2)]
    comparisons: Annotated[list[Comparison], Field(min_length=1)]


def _of_two_responses(row: ComparedFields) -> ComparedFields:
    count = len(row["responses"])
    for one in row["comparisons"]:
        first, second = one["first"], one["second"]
        if first == second or max(first, second) >= count:
            raise ValueError(
                f"compares the responses {first} and {second} of {count}; allowed: two numbers from 0 "
                f"to {count - 1}"
            )
    return row


Compared = Annotated[ComparedFields, AfterValidator(_of_two_responses)]


def _one_function(link: "LinkFields") -> "LinkFields":
    index, probability = link["index_nats"], link["probability"]
    if any(left >= right for left, right in zip(index, index[1:], strict=False)):
        raise ValueError("index_nats must be increasing")
    if probability is not None and len(probability) != len(index):
        raise ValueError(
            f"index_nats has {len(index)} numbers and probability {len(probability)}; "
            "they must be as many"
        )
    return link


class LinkFields(TypedDict):
    """link.json: a learned link as a table; probability is None for an objective without one."""

    __pydantic_config__ = STRICT
    sign: Annotated[float, Field(ge=-1, le=1)]
    index_nats: Annotated[list[float], Field(min_length=1)]
    probability: list[Share] | None


Link = Annotated[LinkFields, AfterValidator(_one_function)]


class Candidates(Prompt):
    """What a judge compares: a prompt and its responses, as rows of responses.jsonl and of comparisons
    have them."""

    responses: Annotated[list[Candidate], Field(min_length=1)]


class Calibration(TypedDict):
    """calibration.json: the temperature of a judge's logits, whether it is a bound and no fit, and the
    comparisons that it was fitted on."""

    __pydantic_config__ = STRICT
    temperature: Positive
    at_bound: bool
    comparisons: Count
    log_loss_raw_nats: float
    log_loss_calibrated_nats: float


class ComputedWith(TypedDict):
    """What decides the last bits on a CPU."""

    __pydantic_config__ = STRICT
    torch_threads: int
    cpu_capability: Text


class Provenance(TypedDict):
    """_provenance.json, as far as `make verify` relies on it."""

    __pydantic_config__ = STRICT
    script: Text
    spec: dict[str, Any]
    code: Text
    inputs: dict[Text, dict[Text, str]]
    outputs: dict[Text, str]
    packages: NotRequired[dict[Text, Text]]
    computed_with: NotRequired[ComputedWith]


class Section(TypedDict):
    """A study's section of the report; `report.page` says what is in it."""

    __pydantic_config__ = STRICT
    id: Text
    title: Text
    question: Text
    facts: list[Annotated[list[Text], Field(min_length=2, max_length=2)]]
    findings: list[dict[str, Any]]
    figures: list[dict[str, Any]]
    tables: list[dict[str, Any]]
    samples: dict[str, Any] | None
