"""The pages of eval and compare in a real browser, without a network: no script errors, tables sort, nothing overflows.

A page is loaded into frames of 400 and 1,600 pixels and looked at by a script in the page around them. Pages stay in
the folder `pages` beside the program, for eyes. Exits with 77 where there is no Chromium.
"""
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import pictures  # noqa: E402
from pictures import resnet  # noqa: E402

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (400, 1600)

# Runs before everything else in the page.
LISTENER = """<script>window.problems = [];
addEventListener("error", (event) => problems.push(event.message), true);
addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective));</script>"""

# Runs around it.
INSPECTOR = """
const report = [];
function inspect(frame) {
  const page = frame.contentDocument, view = frame.contentWindow;
  const found = {width: frame.width * 1, problems: view.problems, overflow: [], sorted: [], pictures: 0, broken: 0};
  const width = page.documentElement.clientWidth;
  if (page.documentElement.scrollWidth > width) found.overflow.push("the page");
  for (const element of page.body.querySelectorAll("*")) {
    if (element.closest(".scroll table")) continue;
    if (element.getBoundingClientRect().right > width + 0.5) found.overflow.push(element.outerHTML.slice(0, 80));
  }
  for (const table of page.querySelectorAll(".scroll")) {  // down, not to the side
    if (table.scrollWidth > table.clientWidth) found.overflow.push(table.outerHTML.slice(0, 80));
  }
  for (const image of page.images) { ++found.pictures; found.broken += image.naturalWidth === 0; }
  for (const table of page.querySelectorAll("table")) {
    for (const button of table.querySelectorAll("th button")) {
      const head = button.parentElement, number = head.classList.contains("number");
      const cells = () => [...table.tBodies[0].rows].map((row) => row.children[head.cellIndex].textContent);
      const before = cells();
      const value = (text) => parseFloat(text.replaceAll(",", "").replace("\u2212", "-"));
      const values = (list) => number ? list.map(value) : list;
      const order = (a, b) => number ? a - b : a.localeCompare(b, undefined, {numeric: true});
      for (const direction of number ? [-1, 1, -1] : [1, -1, 1]) {
        button.click();
        const now = values(cells());
        const wanted = [...values(before)].sort((a, b) => direction * order(a, b));
        const good = JSON.stringify(now) === JSON.stringify(wanted) &&
            head.getAttribute("aria-sort") === (direction > 0 ? "ascending" : "descending");
        found.sorted.push(good ? "good" : "wrong: " + head.textContent);
      }
    }
  }
  report.push(found);
}
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) inspect(frame);
  const place = document.createElement("pre");
  place.id = "result";
  place.textContent = JSON.stringify(report);
  document.body.replaceChildren(place);
});
"""


def browse(*arguments):
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--proxy-server=127.0.0.1:9", f"--user-data-dir={profile}", *arguments],
            capture_output=True, text=True, timeout=300, check=False)
    return done.stdout


def inspect(path, folder):
    with open(path, encoding="utf-8") as file:
        page = file.read().replace("<head>", "<head>" + LISTENER, 1)
    frames = "".join(f'<iframe width="{width}" height="1200" srcdoc="{html.escape(page)}"></iframe>' for width in WIDTHS)
    around = os.path.join(folder, "around.html")
    with open(around, "w", encoding="utf-8") as file:
        file.write(f'<!DOCTYPE html><meta charset="utf-8"><body>{frames}<script>{INSPECTOR}</script></body>')
    out = browse("--virtual-time-budget=60000", "--window-size=1700,1300", "--dump-dom", pathlib.Path(around).as_uri())
    match = re.search(r'<pre id="result">(.*?)</pre>', out, re.DOTALL)
    assert match, "the browser gave no result: " + out[-500:]
    return json.loads(html.unescape(match.group(1)))


class PagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = cls.temporary.name
        cls.pages = os.path.join(os.path.dirname(os.environ["RESNET"]), "pages")
        os.makedirs(cls.pages, exist_ok=True)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def make(self, classes, count):
        names = [f"class {i}, also called <the number {i}> of some of them" for i in range(classes)]
        model = pictures.small_model(self.root, f"m{classes}.safetensors", names)
        for i in range(count):
            name = names[i % min(classes, 40)]
            pictures.write(f"{self.root}/data{classes}/{name}/{i:03}-picture-with-a-rather-long-name.png",
                           pictures.png(36, 44, i))
        return model, f"{self.root}/data{classes}"

    def check(self, page, tables):
        results = inspect(page, self.root)
        self.assertEqual([result["width"] for result in results], list(WIDTHS))
        for result in results:
            with self.subTest(page=page, width=result["width"]):
                self.assertEqual(result["problems"], [])
                self.assertEqual(result["overflow"], [])
                self.assertEqual(result["broken"], 0)
                self.assertGreater(result["pictures"], 0)
                self.assertGreaterEqual(len(result["sorted"]), 3 * tables)
                self.assertEqual(set(result["sorted"]), {"good"})

    def report(self, classes, count):
        model, data = self.make(classes, count)
        page = os.path.join(self.pages, f"report{classes}.html")
        done = resnet("eval", model, data, "--report", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check(page, 5 + 4 + 4)
        return model, data

    def test_ten_classes_and_a_comparison(self):
        model, data = self.report(10, 60)
        other = os.path.join(self.root, "other.safetensors")
        names = os.path.join(self.root, "m10.safetensors.txt")
        bare = os.path.join(self.root, "bare-other.safetensors")
        for command in (["init", "--block", "basic", "--depths", "1,1", "--widths", "8,16", "--stem", "cifar",
                         "--classes", "10", "--seed", "9", "--calibrated", "-o", bare],
                        ["convert", bare, other, "--size", "32", "--resize", "32", "--mean", "0.5,0.5,0.5", "--std",
                         "0.5,0.5,0.5", "--interpolation", "bilinear", "--classes", names]):
            done = resnet(*command)
            self.assertEqual(done.returncode, 0, done.stderr)
        page = os.path.join(self.pages, "compare.html")
        done = resnet("compare", model, other, data, "--report", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check(page, 4 + 3 + 5)

    def test_a_thousand_classes(self):
        self.report(1000, 80)


if __name__ == "__main__":
    if not BROWSER:
        print("skipped: there is no Chromium")
        sys.exit(77)
    unittest.main()
