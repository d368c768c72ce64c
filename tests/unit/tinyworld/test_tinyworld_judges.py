"""The tiny world's judges that no policy learns from: fluency, and the kind of a closing."""

import numpy as np

from prefgrid.tinyworld import circle_judge, class_judge, fluency_judge, language

TALE = "the brave fox ran by the lake. it found a small pearl."


def scored(judge, responses):
    asked = judge.load(None, {}, prompt_format="chat", device="cpu")
    return asked.score(["tell a sad tale: fox, lake"] * len(responses), responses)


def test_fluency_is_the_grammar():
    responses = [
        TALE,
        f"{TALE} all was well.",
        "the fox the fox",
        "",
        TALE.replace("ran", "ran ran"),
    ]
    found = scored(fluency_judge, responses)
    assert found.dtype == np.float32
    assert found.tolist() == [1, 1, 0, 0, 0]
    prompt = "tell a sad tale: fox, lake"
    assert found.tolist() == [language.parts(prompt, one).grammatical for one in responses]


def test_each_class_beats_the_next_for_the_judge_of_the_ring():
    responses = [TALE, *(f"{TALE} {closing}" for closing in language.CLOSINGS)]
    found = scored(class_judge, responses)
    assert set(found.tolist()) == {0, 1, 2}
    ring = circle_judge.load(None, {}, prompt_format="chat", device="cpu")
    [logits] = ring.logits(["any"], [responses])
    step = (found[None, :] - found[:, None]) % 3
    assert (logits[step == 1] > 0).all() and (logits[step == 2] < 0).all()
    np.testing.assert_allclose(logits[step == 0], 0, atol=1e-6)
