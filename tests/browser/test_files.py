"""What a run keeps as files, logged by a real program: previews of a classifier's tables, of texts and of pictures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, struct, sys, zlib
import autotrack
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split

def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = LogisticRegression(max_iter=60).fit(X_train, y_train)
seven = y_test == 7
scores = model.decision_function(X_test / 7)[:, 7]
with autotrack.start_run("digits", experiment="files") as run:
    matrix = confusion_matrix(y_test, model.predict(X_test))
    run.log_table("confusion", [{"actual": a, "predicted": p, "count": n} for a, row in enumerate(matrix) for p, n in enumerate(row)])
    fpr, tpr, threshold = roc_curve(seven, scores, drop_intermediate=False)
    run.log_table("roc", {"fpr": fpr, "tpr": tpr, "threshold": threshold})
    precision, recall, _ = precision_recall_curve(seven, scores)
    run.log_table("pr", {"recall": recall, "precision": precision})
    run.log_table("importance_of_pixels", [{"feature": f"p{i}", "importance": i / 10} for i in range(20)])
    run.log_table("feature_importance", [{"feature": "up", "coef": 1.0}, {"feature": "down", "coef": -2.0}])
    run.log_text("said.txt", "<script>alert(1)</script> as text")
    picture = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    picture += chunk(b"IDAT", zlib.compress((b"\\0" + b"\\xc2\\x2b\\x4e" * 8) * 8)) + chunk(b"IEND", b"")
    open("dots.png", "wb").write(picture)
    run.log_artifact("dots.png")
autotrack.flush()
print(json.dumps([run.id, int(matrix.sum()), int(matrix[8, 8]), roc_auc_score(seven, scores), average_precision_score(seven, scores)]))
"""


@pytest.fixture
def digits(serve, tmp_path):
    """A server on a store with one run, and what scikit-learn computed of it."""
    import json

    pytest.importorskip("sklearn")
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK")} | {"PYTHONPATH": str(ROOT / "src")}
    env["AUTOTRACK_URI"] = f"sqlite:///{tmp_path / 'autotrack.db'}"
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return serve(tmp_path), *json.loads(done.stdout)


def fold_out(page, name):
    """Open a file's preview, and its place on the page."""
    item = page.locator(".files > li", has=page.get_by_role("button", name=name, exact=True))
    button = item.get_by_role("button", name=name, exact=True)
    if button.get_attribute("aria-expanded") == "false":
        button.click()
    return item


def test_what_a_classifier_logs_is_drawn(page, digits):
    server, run, total, eights, roc_auc, precision = digits
    page.goto(f"{server.url}/?e=files&tab=run&run={run}")
    matrix = fold_out(page, "confusion.jsonl")
    matrix.locator(".confusion").wait_for()
    assert f"{total} in all" in matrix.locator("caption").inner_text()
    cell = matrix.locator("tbody tr").nth(8).locator("td").nth(8)
    assert cell.inner_text() == str(eights)
    shades = [matrix.locator("tbody tr").nth(8).locator("td").nth(i).evaluate("td => getComputedStyle(td).backgroundColor") for i in (7, 8)]
    assert shades[0] != shades[1]
    assert fold_out(page, "roc.jsonl").locator("svg[aria-label]").get_attribute("aria-label") == f"ROC curve: area {roc_auc:.4g}"
    curve = fold_out(page, "pr.jsonl")
    assert curve.locator("svg[aria-label]").get_attribute("aria-label") == f"precision-recall curve: average precision {precision:.4g}"
    picture = curve.locator("svg")
    picture.scroll_into_view_if_needed()
    picture.hover(position={"x": picture.bounding_box()["width"] / 2, "y": 20})
    curve.get_by_text("recall 0.", exact=False).wait_for(timeout=5_000)
    curve.get_by_role("button", name="as table").click()
    curve.locator(".plain th", has_text="precision").wait_for()


def test_bars_texts_and_pictures(page, digits):
    server, run, *_ = digits
    page.goto(f"{server.url}/?e=files&tab=run&run={run}")
    bars = fold_out(page, "importance_of_pixels.jsonl")
    bars.locator(".bars tbody tr").first.wait_for()
    assert bars.locator(".bars tbody th").first.inner_text() == "p19"
    signed = fold_out(page, "feature_importance.jsonl").locator(".bars tbody tr")
    signed.first.wait_for()
    told = signed.evaluate_all("""all => all.map(row => {
        const bar = row.querySelector('i').getBoundingClientRect(), room = row.children[1].getBoundingClientRect(), mid = room.left + room.width / 2;
        return [row.children[0].textContent, bar.left - mid, bar.right - mid]; })""")
    assert [(name, left < -20, right > 20) for name, left, right in told] == [("down", True, False), ("up", False, True)]
    text = fold_out(page, "said.txt").locator(".text-file")
    text.wait_for()
    assert text.inner_text() == "<script>alert(1)</script> as text"
    picture = fold_out(page, "dots.png").locator("img.picture")
    picture.wait_for()
    page.wait_for_function("() => document.querySelector('img.picture').naturalWidth === 8")


FILES = """
import autotrack
from pathlib import Path
with autotrack.start_run("files") as run:
    Path("numbers.csv").write_text("a,b\\n-5,x\\n0.15,x\\n1e-5,x\\n0.2,x\\n-10,x\\n")
    Path("broken.png").write_bytes(b"\\x89PNG\\r\\n\\x1a\\nnot a picture any more")
    Path("long.diff").write_text("+a line that was added\\n" * 20_000)
    for name in ("numbers.csv", "broken.png", "long.diff"):
        run.log_artifact(name)
autotrack.flush()
print(run.id)
"""


@pytest.fixture
def odd(page, serve, tmp_path):
    """The page of a run with odd files."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK")} | {"PYTHONPATH": str(ROOT / "src")}
    env["AUTOTRACK_URI"] = f"sqlite:///{tmp_path / 'autotrack.db'}"
    done = subprocess.run([sys.executable, "-c", FILES], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page.goto(f"{serve(tmp_path).url}/?tab=run&run={done.stdout.split()[-1]}")
    return page


def test_numbers_of_a_csv_sort_as_numbers(odd):
    table = fold_out(odd, "numbers.csv").locator(".plain")
    table.get_by_role("button", name="a").click()
    shown = "want => [...document.querySelectorAll('.plain td:first-child')].map(c => c.textContent).join() === want"
    odd.wait_for_function(shown, arg="0.2,0.15,1e-5,-5,-10", timeout=5_000)


def test_a_picture_that_is_none_and_a_diff_that_is_cut_say_so(odd):
    fold_out(odd, "broken.png").get_by_text("this picture cannot be shown; save the file").wait_for(timeout=5_000)
    fold_out(odd, "long.diff").get_by_text("there is more; save the file for all").wait_for(timeout=5_000)
