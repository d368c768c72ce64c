"""What every section of the config is made of: constrained values, and a section that is strict."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from prefgrid.files.records import LARGEST

# Of pandas' default `na_values` those that are letters only, as labels could be.
READ_AS_MISSING = ("NA", "NULL", "NaN", "None", "nan", "null")


def _distinct(values: list[Any]) -> list[Any]:
    repeated = sorted({value for value in values if values.count(value) > 1}, key=str)
    if repeated:
        raise ValueError(f"every value may appear once; repeated: {repeated}")
    return values


def _present(label: str) -> str:
    if label in READ_AS_MISSING:
        raise ValueError(
            f"{label!r} is no usable label: tables of results would read it as a missing value; "
            f"allowed: any but {', '.join(READ_AS_MISSING)}"
        )
    return label


def _a_line(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError(
            f"{name!r} should be one line of printable characters, without spaces at its ends"
        )
    return name


def _day(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    # YAML makes dates of what looks like one. A time of day is a date, too, for Python.
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError(f'{value!r} is no date; allowed: year-month-day, as "2024-07-26"')


def _zero_or_of_ordinary_size(value: float) -> float:
    if 0 < value < SMALLEST:
        raise ValueError(f"{value} should be 0 or at least {SMALLEST:g}")
    return value + 0.0  # turns −0.0 into 0.0: numbers become paths


def _one_or_several_kls(value: Any) -> Any:
    listed = value if isinstance(value, list) else [value]
    numbers = [kl for kl in listed if isinstance(kl, int | float) and not isinstance(kl, bool)]
    fit = [kl for kl in numbers if SMALLEST <= kl <= LARGEST_SCALE]
    if not 1 <= len(listed) <= MOST_KLS or len(fit) < len(listed):
        raise ValueError(
            f"{value!r} should be a number of nats, {SMALLEST:g} to {LARGEST_SCALE:g}, or a list of 1 to "
            f"{MOST_KLS} such numbers"
        )
    _distinct(listed)
    return value


Distinct = AfterValidator(_distinct)
# Ranges are wide: what is beyond is a slip of the hand. Of anything there are at most a billion.
Count = Annotated[int, Field(ge=1, le=10**9)]
# Computed at once, so all of it is in memory.
Rows = Annotated[int, Field(ge=1, le=10**6)]
# Of one text; the longest contexts there are have 10⁷.
Tokens = Annotated[int, Field(ge=1, le=10**7)]
# Of a network.
Width = Annotated[int, Field(ge=1, le=10**5)]
Share = Annotated[float, Field(ge=0, le=1)]
# Float32 tells 1 − 1e-6 from 1 with a digit to spare.
Decay = Annotated[float, Field(ge=0, le=1 - 1e-6)]
Dropout = Annotated[float, Field(ge=0, le=0.99)]
# That figures have room for.
MOST_KLS = 5
# Squares and inverses of these, and their products with logits and rewards, are finite float32 numbers.
SMALLEST, LARGEST_SCALE = 1e-6, 1e6
Positive = Annotated[float, Field(ge=SMALLEST, le=LARGEST_SCALE)]
NonNegative = Annotated[
    float, Field(ge=0, le=LARGEST_SCALE), AfterValidator(_zero_or_of_ordinary_size)
]
# KLs in nats at which methods are compared; the first is that of findings.
Kappa = Annotated[
    Positive | Annotated[list[Positive], Field(min_length=1, max_length=MOST_KLS)],
    BeforeValidator(_one_or_several_kls),
]
# Logits divided by less are greedy decoding, by more a uniform draw.
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]
# Adam moves every weight by about this at a step.
LearningRate = Annotated[float, Field(ge=1e-12, le=10)]
# A column of the tables.
Seed = Annotated[int, Field(ge=0, le=LARGEST)]
Day = Annotated[date, BeforeValidator(_day)]
Precision = Literal["none", "bf16", "fp16"]
# A folder's name, `method=…`, has at most 255 bytes.
Label = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=100), AfterValidator(_present)
]
# Shown to people.
Name = Annotated[
    str,
    Field(min_length=1, max_length=60),
    AfterValidator(_a_line),
    AfterValidator(_present),
]


# What a check finds: the key, and what is wrong with its value.
Problem = tuple[str, str]


class Unusable(Exception):
    """A check asked for a value that is wrong by itself, which is reported where it is written."""


class Section(BaseModel):
    """A part of the config: unknown keys are errors, and so are NaN, infinity and numbers as text.

    Every field has its default and, as its description, the comment that config.yaml gives it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, strict=True, defer_build=True
    )
    # Fields at fault where values are wrong together; none: any of them.
    blamed: ClassVar[tuple[str, ...]] = ()

    def __getattr__(self, name: str) -> Any:
        # Only what `plan.usable` leaves out of a config with mistakes is not there.
        if name in type(self).model_fields:
            raise Unusable(name)
        return super().__getattr__(name)
