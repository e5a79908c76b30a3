"""Plots that can be read: labels beside one another, titles under the pointer, any script."""

import html
import re
import warnings

import numpy as np
import pytest

from experiments.reports import drawing


def svg_of(draw, **size) -> str:
    return str(drawing.plot("a plot", draw, **size))


def test_labels_overlap_neither_one_another_nor_the_edge():
    random = np.random.default_rng(0)
    points = random.normal(size=(300, 2))
    kept = []

    def draw(axes):
        axes.scatter(*points.T)
        drawing.labels_without_overlap(axes, points, [f"label {n}" for n in range(300)])
        axes.figure.draw_without_rendering()
        room = axes.get_window_extent()
        boxes = [text.get_window_extent() for text in axes.texts]
        assert all(room.x0 <= box.x0 and box.x1 <= room.x1 and box.y1 <= room.y1 for box in boxes)
        assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
        kept.extend(text.get_text() for text in axes.texts)

    svg = svg_of(draw, width=8, height=5)
    assert 20 < len(kept) <= 40 and kept[0] == "label 0"
    assert len(re.findall(">label ", svg)) == len(kept)


def test_a_label_without_room_on_the_right_is_on_the_left():
    def draw(axes):
        axes.set(xlim=(0, 1), ylim=(0, 1))
        drawing.labels_without_overlap(axes, np.array([[0.99, 0.5]]), ["a long label"])
        assert [text.get_ha() for text in axes.texts] == ["right"]

    assert "a long label" in svg_of(draw)


@pytest.mark.parametrize("count", [1, 3, 300])  # which matplotlib writes in three ways
def test_every_point_has_its_title_and_no_link(count):
    titles = ['<script>"&', "'\"", "'", *(f"point {n}" for n in range(3, count))][:count]

    def draw(axes):
        drawing.titled_points(axes, np.random.default_rng(0).normal(size=(count, 2)), titles)

    svg = svg_of(draw)
    found = re.findall("<g><title>(.*?)</title>[^<]*<(?:use|path|g)", svg)
    assert [html.unescape(title) for title in found] == titles and "<script" not in svg
    assert "<a " not in svg


def test_a_weight_of_0_is_the_page_itself_in_light_and_dark():
    def draw(axes):
        drawing.weights(axes, np.array([[0.0, 1.0], [0.5, 0.25]]))
        (image,) = axes.images
        assert image.get_array()[..., 3].tolist() == [[0.0, 1.0], [0.5, 0.25]]

    assert "data:image/png" in svg_of(draw)


@pytest.mark.filterwarnings("error")
def test_text_of_any_script_stays_text_and_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = svg_of(lambda axes: axes.set_title("你好 こんにちは 안녕 שלום"))
    assert "你好 こんにちは 안녕 שלום" in svg


def test_axes_have_numbers_as_a_person_writes_them():
    def draw(axes):
        axes.plot([0, 50_000, 200_000], [0.00001, 0.1, 1])
        axes.set_yscale("log")

    texts = re.findall("<text [^>]*>([^<]*)</text>", svg_of(draw))
    assert {"50,000", "200,000", "0.00001", "0.1", "1"} <= set(texts)


def test_what_is_wider_than_a_phone_is_scrolled_there():
    assert 'class="plot wide"' in svg_of(lambda axes: None, width=8)
    assert 'class="plot"' in svg_of(lambda axes: None)
