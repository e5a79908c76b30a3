"""The report is complete, self-contained and escaped; the figures of the distortion demos."""

import json
import re
from html.parser import HTMLParser

import jax
import numpy as np
import pytest

from data.distortions import translate
from data.images import Images, ImageSets
from experiments.images import lenet5_report, robustness
from experiments.lenet5 import Config, make_net
from experiments.reports import drawing, mistakes, page
from experiments.reports.page import Picture, Section, Table
from experiments.reports.result import headlines
from experiments.runtime.workdir import Workdir
from experiments.training.kept import NET, Net
from experiments.training.metrics import Metrics
from experiments.training.run import Trained

pytestmark = pytest.mark.usefixtures("quick_compilation")
HOSTILE = "<script>alert(1)</script>"
CLASSES = (HOSTILE, "a&b", "$\\broken$", *"3456789")
DIGIT = (np.indices((28, 28)).sum(0) % 28 * 9).astype(np.uint8)


class Tags(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, html: str):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def html_of(tmp_path, sections) -> str:
    page.write(tmp_path / "report.html", "A title", "A summary", sections)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_page_has_every_part_of_a_section_in_order(tmp_path):
    picture = Picture(drawing.tiles("dots", np.eye(3)[None], 0, 1), "a caption")
    section = Section("Heading", ("a line",), Table(("h",), [("cell", "1")]), "listed", [picture])
    html = html_of(tmp_path, [section, Section("Hidden", ("more",), folded=True)])
    parts = ("A title", "A summary", "Heading", "a line", "cell", "listed", "<img", "a caption",
             "<details>", "Hidden", "more")  # fmt: skip
    positions = [html.index(part, html.index("<h1>")) for part in parts]
    assert positions == sorted(positions)


def test_all_text_is_escaped(tmp_path):
    def draw(axes):
        axes.set_title(HOSTILE + CLASSES[2])

    pictures = [Picture(drawing.plot('"' + HOSTILE, draw), HOSTILE),
                Picture(drawing.tiles('"' + HOSTILE, np.eye(3)[None], 0, 1), HOSTILE)]  # fmt: skip
    cell = page.Cell(HOSTILE, "right", 1.0)
    table = Table((HOSTILE, HOSTILE), [(HOSTILE, HOSTILE), (HOSTILE, cell)])
    html = html_of(tmp_path, [Section(HOSTILE, (HOSTILE,), table, HOSTILE, pictures)])
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 12


def predict(images):
    """Scores that take the class from the middle pixel."""
    return jax.nn.one_hot(np.asarray(images)[:, 14, 14] // 25, 10)


def tiny_sets() -> ImageSets:
    labels = np.arange(10, dtype=np.int32)
    images = np.repeat(25 * labels + 5, 28 * 28).reshape(-1, 28, 28).astype(np.uint8)
    images[9] = DIGIT  # misclassified
    return ImageSets(Images(images, labels), Images(images, labels), CLASSES)


def written(tmp_path, **options) -> str:
    """The page of an untrained net, with made-up results."""
    config, sets = Config(workdir=str(tmp_path), dataset=HOSTILE, **options), tiny_sets()
    workdir, net = Workdir(str(tmp_path)), make_net(config, len(CLASSES))
    workdir.write_config(config)
    variables = dict(jax.jit(net.init)(jax.random.key(0), sets.test.images[:1]))
    net_at_9 = Net(9, variables.pop("params"), variables)
    metrics = Metrics(workdir.metrics, 0)
    metrics.rows = [
        {"step": step, "split": split, "error_percent": 50.0 / step, "loss": 1.0 / step}
        for step in (1, 20) for split in ("train", "valid", "test")
    ]  # fmt: skip
    metrics.close()
    figures = {"test_error_percent": 1.25} | robustness.robustness(predict, sets.test)
    published = {"value": 0.95, "source": HOSTILE, "kind": "paper"}
    counted = dict.fromkeys(("parameters", "steps", "seconds", "speed", "seed"), 7)
    result = {"metrics": figures, "paper": {"test_error_percent": published}, "kept": "last step",
              "kept_step": 7, "speed_unit": "images per second"} | counted  # fmt: skip
    trained = Trained({NET: net_at_9}, False, {}, 9, metrics, 1.0, 7.0, "images per second")
    lenet5_report.write(config, workdir, trained, json.loads(json.dumps(result)), net, predict,
                        sets)  # fmt: skip
    return workdir.report.read_text(encoding="utf-8")


def headings(html: str) -> list[str]:
    return re.findall(r"<(?:h2|summary)>(.*?)<", html)


def test_lenet5_report_is_complete_and_self_contained(tmp_path):
    html = written(tmp_path)
    assert headings(html) == [
        "Result", "Configuration", "Command and versions", "Parameters", "Curves",
        "TABLE I: the connections of C3", "First-layer filters", "Feature maps", "Output units",
        "Confusion matrix", "Misclassified images", "Robustness to distortions",
    ]  # fmt: skip
    layers = ("C1: 6 maps of 28 × 28", "S4: 16 maps of 5 × 5", "C5: 120 units", "F6: 84 units")
    for text in ("0.95", "48,120", "60,000", "1 of 10 test images", "redrawn", *layers):
        assert text in html
    assert "<script" not in html and "$\\broken$" in html
    for tag, attributes in Tags(html).found:
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png"))
    assert not re.search(r"url\((?!#)|@import", html)


@pytest.mark.parametrize(
    "options, absent",
    [
        ({"softmax": True}, {"Output units"}),
        ({"net": "convnet"}, {"Output units", "TABLE I: the connections of C3"}),
        ({"net": "perceptron"},
         {"Output units", "TABLE I: the connections of C3", "Feature maps"}),
    ],
    ids=["softmax", "convnet", "linear"],
)  # fmt: skip
def test_sections_that_do_not_apply_are_omitted(tmp_path, options, absent):
    shown = headings(written(tmp_path, loss="cross_entropy", **options))
    assert not absent & set(shown) and len(shown) == 12 - len(absent)


def test_the_counts_of_layers_are_those_of_the_parameters():
    params = {"A": {"w": np.zeros((2, 3)), "b": np.zeros(3)}, "B": np.zeros(4)}
    section = page.parameters_section(params, ["B", "none", "A"], {"A": 9, "total": 13}, "X")
    assert section.table.rows == [("B", "4", ""), ("A", "9", "9"), ("total", "13", "13")]


def test_neutral_distortions_give_the_plain_accuracy():
    images = Images(np.random.default_rng(0).integers(0, 250, (64, 28, 28)).astype(np.uint8),
                    np.zeros(64, np.int32))  # fmt: skip
    images = images._replace(labels=images.images[:, 14, 14] // 25 % 7)
    plain = 100 * (robustness.scores_of(predict, images.images).argmax(-1) == images.labels).mean()
    figures = robustness.robustness(predict, images)
    assert len(figures) == sum(len(demo.amounts) for demo in robustness.DEMOS)
    for demo in robustness.DEMOS:
        assert figures[robustness.name(demo, demo.neutral)] == plain


def test_translation_moves_a_pixel_to_where_the_net_looks():
    labels = np.arange(10, dtype=np.int32)
    images = np.zeros((10, 28, 28), np.uint8)
    images[:, 14, 14 - 2] = 25 * labels + 5  # two pixels left of where `predict` looks
    assert (translate(images, 2)[:, 14, 14] // 25 == labels).all()
    figures = robustness.robustness(predict, Images(images, labels))
    assert figures["test_accuracy_percent_translation_2"] == 100
    assert figures["test_accuracy_percent_translation_-2"] == 10  # all are read as 0
    assert figures["test_accuracy_percent_translation_0"] == 10


def test_a_large_test_set_is_thinned_evenly(monkeypatch):
    monkeypatch.setattr(robustness, "MAX_IMAGES", 4)
    thinned = robustness.thinned(Images(np.zeros((10, 28, 28), np.uint8), np.arange(10)))
    assert thinned.labels.tolist() == [0, 3, 6, 9]


def test_the_table_in_the_terminal_omits_figures_by_condition():
    figures = {"test_error_percent": 1.0, "test_accuracy_percent_noise_0.1": 2.0, "test_loss": 3.0}
    assert list(headlines(figures)) == ["test_error_percent", "test_loss"]


def test_confusion_matrix_and_misclassified_images():
    labels, predictions = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    rows = mistakes.confusion(labels, predictions, "abc").table.rows
    texts = [[getattr(cell, "text", cell) for cell in row] for row in rows]
    assert texts == [["a", "1", "1", "", "50.0"], ["b", "", "1", "", "100.0"],
                     ["c", "1", "", "", "0.0"]]  # fmt: skip
    rows = mistakes.confusion(labels + 1, predictions + 1, "-abc-").table.rows
    assert [[getattr(cell, "text", cell) for cell in row] for row in rows] == texts
    images = Images(np.zeros((4, 28, 28), np.uint8), labels)
    wrong = mistakes.misclassified(images, predictions, "abc")
    assert [picture.caption for picture in wrong.pictures] == ["a → b", "c → a"]
    assert wrong.text[0].startswith("2 of 4")


def test_figures_and_options_are_written_as_a_person_writes_them(tmp_path):
    figures = {"test_wrong_percent": 0.0390625, "valid_nats": 4.597e-05, "test_steps": 112000.0}
    published = {"value": 0.0390625, "source": "X", "kind": "paper"}
    names = ("parameters", "steps", "seconds", "seed", "speed")
    counted = dict.fromkeys(names, 100_000)
    section = page.result_section(
        {"metrics": figures, "paper": {"test_wrong_percent": published}, "kept": "last step",
         "kept_step": 5, "speed_unit": "words per second"} | counted
    )
    assert [row[1:3] for row in section.table.rows[:4]] == [
        ("0.03906", "0.03906"), ("0.00004597", ""), ("112,000", ""), ("100,000", "")
    ]  # fmt: skip
    config, workdir = Config(learning_rate=5e-5, num_steps=123456), Workdir(str(tmp_path))
    workdir.write_config(config)
    options = {row[0]: row[1] for row in page.configuration_sections(config, workdir)[0].table.rows}
    assert (options["learning_rate"], options["num_steps"]) == ("0.00005", "123,456")
    assert options["deterministic"] in ("True", "False")


def test_a_long_text_in_a_table_is_wrapped_and_does_not_leave_the_page(tmp_path):
    sentence = "a sentence of more than forty characters, which is long"
    html = html_of(tmp_path, [Section("S", table=Table(("gold", "said"), [("a", sentence)]))])
    assert f'long">{sentence}</td>' in html
    html = html_of(tmp_path, [Section("S", table=Table(("said", "gold"), [(sentence, "a")]))])
    assert f"<th class=long>{sentence}</th>" in html
