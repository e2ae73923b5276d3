"""What a notebook is given to show: static, complete in itself, and with every text of a user as text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import autotrack
from autotrack import notebook
from autotrack.difference import ABSENT
from autotrack.views import ArtifactView, RunView, Series, Stats

EVIL = (
    "</td><script>alert(1)</script><img src=x onerror=alert(2)>&quot;'\"><svg/onload=alert(3)>\x1b[31m\u202egnp\ud800$\\href{javascript:alert(4)}{x}$"
)
SHOWN = EVIL.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e").replace("\ud800", r"\ud800")
TAGS = {
    "div", "b", "span", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre",
    "svg", "path", "title", "text", "polyline", "circle",
}  # fmt: skip
ATTRIBUTES = {
    "style", "class", "open", "viewbox", "width", "height", "role", "aria-label", "font-size", "font-family", "fill", "d", "stroke", "x", "y",
    "text-anchor", "points", "stroke-width", "stroke-dasharray", "cx", "cy", "r",
}  # fmt: skip


class Page(HTMLParser):
    """Markup with nothing in it but what is allowed; its text, its attributes, its elements."""

    def __init__(self, markup):
        super().__init__()
        self.texts, self.attributes, self.tags, self.open = [], [], [], []
        self.feed(markup)
        assert self.open == []
        assert "://" not in "".join(value for _, value in self.attributes)
        assert "url(" not in markup

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS, tag
        assert {name for name, _ in attributes} <= ATTRIBUTES, attributes
        self.attributes += [(name, value or "") for name, value in attributes]
        self.tags.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)

    @property
    def text(self):
        return "".join(self.texts)


def curve(values, key="val/loss", steps=None):
    values = np.array(values, float)
    steps = np.arange(len(values)) if steps is None else np.array(steps)
    return Series("R" * 26, key, steps, steps.astype(float), values, len(values))


class Store:
    def __init__(self, *curves):
        self.curves = {c.key: c for c in curves}

    def series(self, run_ids, keys, *, points=None, steps=None):
        return [self.curves[key] for key in keys]


def view(*curves, **more):
    stats = {c.key: Stats(len(c), c.values[-1], int(c.steps[-1]), c.values[0], 0, 0.1, 0.9, 0.5) for c in curves}
    facts = {"id": "R" * 26, "name": "net-1", "experiment": "iris", "status": "finished", "error": None, "started": 1.78e9, "ended": 1.78e9 + 72}
    return RunView(**facts | {"parent_id": None, "statistics": stats, "_reader": Store(*curves)} | more)


def test_a_run_shows_its_curves_numbers_parameters_and_files():
    run = view(
        curve([0.9, 0.5, 0.1]), curve([0.8, 0.4, 0.2], "train/loss"),
        params={"lr": 0.01, "layers": [64, 32]}, metrics={"val/loss": 0.1, "train/loss": 0.2},
        artifacts=(ArtifactView("R" * 26, "net.bin", "model", "sha256:0", 2048, 1.78e9),), error="ValueError: boom", traceback="Traceback: boom",
    )  # fmt: skip
    page = Page(run._repr_html_())
    for word in (
        "net-1",
        "finished",
        "1 m 12 s",
        "iris",
        "ValueError: boom",
        "val/loss",
        "0.01",
        "[64, 32]",
        "net.bin",
        "2.0 KiB",
        "Traceback: boom",
    ):
        assert word in page.text, word
    assert page.tags.count("svg") == 1  # one measure, two curves
    assert page.tags.count("polyline") == 2


@pytest.mark.parametrize("name", [EVIL, EVIL * 40])
def test_text_of_users_is_text(name):
    run = view(
        curve([0.9, 0.1], name), name=name, experiment=name, error=name, notes=name, traceback=name, tags={name: name},
        params={name: name, "list": [name]},
        metrics={name: 0.5, "said": name}, artifacts=(ArtifactView("R" * 26, name, name, "sha256:0", 1, 0.0),),
    )  # fmt: skip
    for markup in (
        run._repr_html_(),
        curve([1.0, 2.0], name)._repr_html_(),
        autotrack.RunList([run, view(name="other", params={name: 3})])._repr_html_(),
        autotrack.Comparison((run, view()), params={name: (name, 1)}, code={"git.diff": (name + "\n" + name, "")})._repr_html_(),
    ):
        page = Page(markup)
        assert "\x1b" not in markup
        assert "\u202e" not in markup
        assert not any("$" in text and text != "$" for text in page.texts)  # no formula for MathJax
        markup.encode()
        if name == EVIL:
            assert SHOWN in page.text


def test_what_is_not_finite_is_a_gap_and_marked():
    markup = notebook.picture([curve([1, 2, float("nan"), 3, 4, float("inf"), 5])])
    page = Page(markup)
    assert page.tags.count("polyline") == 2
    assert page.tags.count("circle") == 1  # 5 stands alone
    assert page.text.count("not finite") == 2
    assert "no finite value" in notebook.picture([curve([float("nan")] * 3)])


def test_one_spike_in_a_million_is_there():
    values = np.full(1_000_000, 0.5)
    values[654_321] = 77.0
    markup = curve(values)._repr_html_()
    assert len(markup) < 30_000
    (points,) = re.findall(r'points="([^"]+)"', markup)
    assert f",{float(notebook.TOP)}" in points
    assert "77" in Page(markup).text


@pytest.mark.parametrize("values", [[3.0], [1e308, -1e308], [5.0, 5.0], [0.0] * 5, []])
def test_odd_curves_are_drawn_too(values):
    assert "nan" not in notebook.picture([curve(values)]).lower()


def test_a_step_logged_twice_is_one_point():
    assert Page(curve([9.0, 1.0, 2.0], steps=[0, 0, 1])._repr_html_()).text.count("9") == 0


def test_lists_and_comparisons_show_what_differs():
    runs = autotrack.RunList(
        [
            view(name="a", params={"lr": 0.1, "same": 1}, metrics={"val/acc": 0.75}),
            view(name="b", params={"lr": 0.2, "same": 1}, metrics={"val/acc": 0.5}),
        ]
    )
    page = Page(runs._repr_html_())
    assert "2 runs" in page.text
    assert "lr" in page.texts
    assert "0.75" in page.texts
    assert "same" not in page.texts
    assert "no runs" not in page.text
    assert "0 runs" in Page(autotrack.RunList()._repr_html_()).text
    long = Page(autotrack.RunList([view(name=str(i)) for i in range(150)])._repr_html_()).text
    assert "150 runs" in long
    assert "… and 50 more" in long
    differ = Page(autotrack.Comparison((runs[0], runs[1]), params={"lr": (0.1, ABSENT)})._repr_html_())
    assert ("params" in differ.text, "–" in differ.texts) == (True, True)
    assert "no difference" in Page(autotrack.Comparison((runs[0], runs[1]))._repr_html_()).text


def test_a_large_run_stays_small():
    run = view(params={f"p{i}": "x" * 10_000 for i in range(2_000)}, metrics={f"m{i}": float(i) for i in range(12_000)})
    assert len(run._repr_html_()) < 200_000


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [*notebook.COLOURS, *notebook.STATUS_COLOURS.values(), notebook.ODD])
def test_colours_are_seen_on_light_and_dark(colour):
    for ground in ("#ffffff", "#111111"):  # JupyterLab's two
        bright, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 3, ground
