"""Files of bare prompts, and which prompts are short enough."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from prefgrid.data import lines, misfits

FIELD = "prompt"


def read(path: Path | str, bad_row_share: float) -> list[str]:
    """The column `prompt` of a JSONL file, row by row; DataError where more than this share is none."""
    found, bad_rows = [], []
    for line in lines.read_any(path):
        if line.row is None:
            bad_rows.append(line.problem)
            continue
        value = line.row.get(FIELD)
        if lines.is_text(value) and value.strip():
            found.append(value)
        else:
            bad_rows.append(misfits.named(line.where, FIELD, "text", value))
    misfits.check_share(path, len(found), bad_rows, bad_row_share)
    return found


def short(prompts: Sequence[str], tokenizer: Path, limit: int) -> list[str]:
    """Those whose text alone has at most `limit` tokens; tokenizer: its tokenizer.json."""
    # The bare `tokenizers` library counts tokens without importing torch.
    counting = Tokenizer.from_file(str(tokenizer))
    lengths = [len(tokens) for tokens in counting.encode_batch(prompts, add_special_tokens=False)]
    return [prompt for prompt, length in zip(prompts, lengths, strict=True) if length <= limit]
