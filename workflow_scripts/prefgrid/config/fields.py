"""What every section of the config is made of: constrained values, and a section that is strict."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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


Distinct = AfterValidator(_distinct)
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
# Adding 0 turns −0.0 into 0.0: numbers become paths.
NonNegative = Annotated[float, Field(ge=0), AfterValidator(lambda value: value + 0.0)]
# A column of the tables.
Seed = Annotated[int, Field(ge=0, le=LARGEST)]
Precision = Literal["none", "bf16", "fp16"]
Label = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$"), AfterValidator(_present)]


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
