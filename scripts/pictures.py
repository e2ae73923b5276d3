"""The pictures of docs/dashboard.md: a store of make-believe runs, the real server, Chromium. Needs playwright and pillow.

`python scripts/pictures.py` writes docs/pictures/*.png, some 60 kB each.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1180, "height": 660}
COLORS = 256
HERE = "?e=vision/imagenet"
BEST = f"{HERE}&sort=-metrics.val/acc"


def main() -> None:
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "src")]
    import page_store

    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page_store.write(Path(folder), 220, 120)
        command = [sys.executable, "-m", "autotrack", "ui", "--no-open", "--port", "0", "--uri", f"sqlite:///{folder}/autotrack.db"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                for name, (address, theme, act) in shots().items():
                    page = browser.new_page(viewport=SIZE, color_scheme=theme)
                    page.goto(url + address)
                    page.wait_for_timeout(2500)
                    if act is not None:
                        act(page)
                        page.wait_for_timeout(700)
                    keep(page.screenshot(), name)
                    page.close()
                browser.close()
        finally:
            server.terminate()
            server.wait()


def shots() -> dict[str, tuple[str, str, object]]:
    """Each picture: address, theme, what is done before it is taken."""
    return {
        "charts": (f"{HERE}&draw=30", "light", hover),
        "colour": (f"{BEST}&draw=100&color=params.lr&q=metrics.val/acc+>+0.3", "dark", None),
        "table": (f"{BEST}&tab=table", "light", None),
        "run": (f"{HERE}&q=status+%3D+'failed'&s=0.6", "light", first_run),
        "compare": (f"{BEST}&tab=compare", "light", two_best),
        "hyperparameters": (f"{HERE}&tab=hyper", "dark", None),
    }


def hover(page: Page) -> None:
    box = page.locator('.panel[data-title="loss"] canvas.top').bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 120, box["y"] + 118)
    page.mouse.move(box["x"] + 122, box["y"] + 120)


def first_run(page: Page) -> None:
    page.locator(".list-item a").first.click()
    page.wait_for_timeout(1200)


def two_best(page: Page) -> None:
    page.get_by_role("button", name="Tick the first two of the list").click()
    page.wait_for_timeout(800)


def keep(picture: bytes, name: str) -> None:
    """With few colours, the most frequent as they are: a third of the size, and nobody sees it."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    frequent = sorted(image.getcolors(image.width * image.height), reverse=True)[:COLORS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, color in frequent for part in color])
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
