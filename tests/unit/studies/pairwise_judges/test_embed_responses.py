"""The table of embeddings: a row a response, numbered as in the file of comparisons."""

import pandas as pd

from pairwise_judges import embed_responses
from prefgrid.files import formats, store
from prefgrid.job import jobs


def test_every_response_has_its_numbers(tmp_path):
    rows = [
        {
            "prompt_id": f"{place:016x}",
            "prompt": "p" * (3 + place),
            "section": "",
            "responses": [{"text": "x" * size, "kind": f"kind {size % 2}"} for size in sizes],
            "comparisons": [{"first": 0, "second": 1, "probability": 1.0}],
        }
        for place, sizes in enumerate([(1, 2, 5), (4, 3)])
    ]
    # Where no kinds are told.
    rows[1]["responses"] = [{"text": one["text"]} for one in rows[1]["responses"]]
    store.write_jsonl(tmp_path / "test.jsonl", rows)
    inputs = {"comparisons": tmp_path / "test.jsonl", "judge": tmp_path / "manifest.json"}
    outputs = {"embeddings": tmp_path / "embeddings.parquet"}
    spec = {"judge": "embedding_by_length", "options": {}, "prompt_format": "chat"}
    embed_responses.main(jobs.Job(inputs, outputs, outputs, spec))
    found = formats.table(outputs["embeddings"], None)
    wanted = pd.DataFrame(
        [
            (row, f"{row:016x}", place, kind, *(size, 1.0, -size, 0.5), *(3.0 + row, 2.0))
            for row, own in enumerate(
                [[(1, "kind 1"), (2, "kind 0"), (5, "kind 1")], [(4, ""), (3, "")]]
            )
            for place, (size, kind) in enumerate(own)
        ],
        columns=[
            *("row", "prompt_id", "response", "kind"),
            *("v1", "v2", "v3", "v4", "scale1", "scale2"),
        ],
    )
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)
