"""Spans and their scores, against hand calculation."""

import pytest

from data.spans import Span, are_spans, exact, overlap, spans_of


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("O O O", []),
        ("B I O", [(0, 2)]),
        ("B B I", [(0, 1), (1, 3)]),
        ("I I O I", [(0, 2), (3, 4)]),  # an I after an O begins a span
        ("O B I", [(1, 3)]),
        ("B O I B", [(0, 1), (2, 3), (3, 4)]),
        ("", []),
    ],
)
def test_spans_of_plain_labels(labels, spans):
    assert spans_of(labels.split()) == [Span(*span, "") for span in spans]


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("B-NP I-NP B-VP", [(0, 2, "NP"), (2, 3, "VP")]),
        ("B-NP I-VP I-VP", [(0, 1, "NP"), (1, 3, "VP")]),  # as in conlleval
        ("I-NP I-NP O", [(0, 2, "NP")]),
        ("B-NP B-NP", [(0, 1, "NP"), (1, 2, "NP")]),
        ("I-NP O I-NP", [(0, 1, "NP"), (2, 3, "NP")]),
    ],
)
def test_spans_of_typed_labels(labels, spans):
    assert spans_of(labels.split()) == [Span(*span) for span in spans]


ENCODINGS = {  # the same six spans
    "IOB1": "I-A I-A B-A O I-B I-C O I-A I-A I-A I-B",
    "IOB2": "B-A I-A B-A O B-B B-C O B-A I-A I-A B-B",
    "IOBES": "B-A E-A S-A O S-B S-C O B-A I-A E-A S-B",
    "BILOU": "B-A L-A U-A O U-B U-C O B-A I-A L-A U-B",
    "BMEWO": "B-A E-A W-A O W-B W-C O B-A M-A E-A W-B",
    "IOE2": "I-A E-A E-A O E-B E-C O I-A I-A E-A E-B",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_encodings_give_the_same_spans(encoding):
    labels = ENCODINGS[encoding].split()
    assert spans_of(labels) == [
        Span(0, 2, "A"), Span(2, 3, "A"), Span(4, 5, "B"), Span(5, 6, "C"), Span(7, 10, "A"),
        Span(10, 11, "B"),
    ]  # fmt: skip
    assert are_spans(labels) and exact([(labels, ENCODINGS["IOB2"].split())]).f1 == 1


def pair(gold, predicted):
    return [(gold.split(), predicted.split())]


def test_exact_spans():
    score = exact(pair("B-NP I-NP B-VP O B-PP", "B-NP I-NP B-VP B-PP O"))
    assert (score.precision, score.recall) == (2 / 3, 2 / 3)
    assert score.f1 == pytest.approx(2 / 3)
    assert exact(pair("B-NP I-NP", "B-VP I-VP")).f1 == 0
    assert exact(pair("B-NP I-NP", "I-NP I-NP")).f1 == 1


@pytest.mark.parametrize(("gold", "predicted"), [("B I", "O O"), ("O O", "B I"), ("O O", "O O")])
def test_scores_of_nothing_are_0_as_in_conlleval(gold, predicted):
    score = exact(pair(gold, predicted))
    assert (score.precision, score.recall, score.f1) == (0, 0, 0)


@pytest.mark.parametrize(
    ("gold", "predicted", "proportional", "binary"),
    [
        # gold [0, 4), predicted [2, 4): all of the prediction, half of the gold span
        ("B I I I", "O O B I", (1, 1 / 2), (1, 1)),
        # one predicted span covers two gold spans: 1/4 + 2/4 of it, and all of each of them
        ("B O B I", "B I I I", (3 / 4, 1), (1, 1)),
        # two predicted spans within one gold span
        ("B I I I", "B I O B", (1, 3 / 4), (1, 1)),
        # an I continues a span, a B begins a new one
        ("B I B I", "B I I O", (2 / 3 + 1 / 3, 1 / 2 + 1 / 4), (1, 1)),
        ("B I O O", "O O B I", (0, 0), (0, 0)),
        ("B I O O", "O O O O", (0, 0), (0, 0)),  # nothing predicted
        ("O O O O", "B O O O", (0, 0), (0, 0)),  # nothing to find
        ("O O O O", "O O O O", (0, 0), (0, 0)),  # neither
    ],
)
def test_overlaps(gold, predicted, proportional, binary):
    soft, hard = overlap(pair(gold, predicted))
    assert (soft.precision, soft.recall) == pytest.approx(proportional)
    assert (hard.precision, hard.recall) == pytest.approx(binary)


def test_overlaps_are_micro_averages():
    soft, hard = overlap(pair("B I", "B I") + pair("B O B", "O O B") + pair("O O", "B I"))
    assert (soft.precision, soft.recall) == pytest.approx((2 / 3, 2 / 3))
    assert hard.f1 == pytest.approx(2 / 3)


def test_which_labels_encode_spans():
    assert are_spans(["O", "B", "I"]) and are_spans(["B-NP", "O", "I-NP"])
    assert are_spans(["S-PER", "O"]) and are_spans(["U", "L"])
    assert not are_spans(["NOUN", "O"]) and not are_spans(["O"]) and not are_spans(["BAD", "O"])
