"""The page of `resnet serve` in a real browser: pictures, heatmap, camera, graphs, models; at 400 and 1,600 pixels, light
and dark. Screenshots stay in the folder `pages` beside the program, for eyes. Exits with 77 where there is no Chromium.
"""
import base64
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import pictures  # noqa: E402
from devtools import BROWSER, Browser  # noqa: E402
from server import Server  # noqa: E402

SOURCE = os.environ.get("RESNET_SOURCE_DIR", ".")
MODEL = os.path.join(SOURCE, "models", "resnet20-cifar10.safetensors")
DEMO = os.path.join(SOURCE, "tests", "demo.jpg")
LABELS = ['<img src="x" onerror="problem()">', "a: colon, 1:2:3", "a label of one very long word: " + "x" * 90]

# What reaches beyond the window's right edge; what scrolls on its own counts as its frame.
OVERFLOW = """(() => {
  const width = document.documentElement.clientWidth;
  const found = document.documentElement.scrollWidth > width ? ["the page"] : [];
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest(".scroll table") || element.id === "file") continue;
    if (element.getBoundingClientRect().right > width + 0.5) found.push(element.outerHTML.slice(0, 80));
  }
  return found;
})()"""

# Contrast of all texts with what they stand on, where that is below 4.5 (WCAG 2.1, 1.4.3).
CONTRAST = """(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color).slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) return color;
    }
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    if (element.closest("noscript, script") || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push([element.outerHTML.slice(0, 80), (a + 0.05) / (b + 0.05)]);
  }
  return found;
})()"""

CANVAS = """[...document.getElementById("picture").getContext("2d").getImageData(0, 0, 800, 600).data]
    .reduce((sum, value, i) => (sum * 31 + value) % 1000003, 7)"""


class ServePageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = cls.temporary.name
        cls.pages = os.path.join(os.path.dirname(os.environ["RESNET"]), "pages")
        os.makedirs(cls.pages, exist_ok=True)
        cls.odd = pictures.small_model(cls.root, "odd.safetensors", LABELS)
        cls.browser = Browser("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.temporary.cleanup()

    def setUp(self):
        self.browser.open("about:blank")  # what asked the last test's server no longer does
        self.browser.problems.clear()
        self.browser.look(1600, 1000, dark=False)

    def open(self, server):
        self.browser.open(f"http://127.0.0.1:{server.port}/")
        self.browser.wait("document.getElementById('state').textContent === 'ready'")

    def answers(self):
        return self.browser.run("[...document.querySelectorAll('#classes li')].map((line) => "
                                "[...line.querySelectorAll('span')].map((part) => part.textContent))")

    def wait_for_answer(self):
        self.browser.wait("document.querySelectorAll('#classes li').length > 0 && !document.getElementById('result').hidden && "
                          "!document.getElementById('drop').hasAttribute('aria-busy')")

    def check_shown(self, server, path, body, model):
        wanted = server.json("POST", f"/classify?top=5&model={model}", body)["top"]
        self.assertEqual(self.answers(), [[guess["class"], f"{100 * guess['probability']:.2f} %"] for guess in wanted], path)

    def test_a_picture_at_all_widths_and_in_both_themes(self):
        with open(DEMO, "rb") as file:
            demo = file.read()
        with Server(MODEL) as server:
            for width in (400, 1600):
                for dark in (False, True):
                    with self.subTest(width=width, dark=dark):
                        self.browser.look(width, 1000, dark)
                        self.open(server)
                        self.browser.choose_files("#file", DEMO)
                        self.wait_for_answer()
                        self.check_shown(server, DEMO, demo, "resnet20-cifar10")
                        self.browser.wait("/[0-9]/.test(document.querySelectorAll('.graph p')[2].textContent)")
                        self.browser.wait("document.querySelectorAll('.graph path')[0].getAttribute('d').includes('L')")
                        name = f"serve-{width}-{'dark' if dark else 'light'}.png"
                        self.browser.screenshot(os.path.join(self.pages, name))
                        self.assertEqual(self.browser.run(OVERFLOW), [])
                        self.assertEqual(self.browser.run(CONTRAST), [])
                        self.assertEqual(self.browser.problems, [])

    def test_the_heatmap_lies_over_the_picture(self):
        with Server(MODEL) as server:
            self.open(server)
            self.browser.choose_files("#file", DEMO)
            self.wait_for_answer()
            seen = {}
            for strength in (0, 62, 100):
                self.browser.run(f"document.getElementById('strength').value = {strength}; "
                                 "document.getElementById('strength').dispatchEvent(new Event('input'))")
                seen[strength] = self.browser.run(CANVAS)
            self.assertEqual(len(set(seen.values())), 3)
            # 320x240 is resized to 42x32, of which the middle 32 columns are seen: what is left and right of them is gray.
            at = "document.getElementById('picture').getContext('2d').getImageData"
            row = [self.browser.run(f"[...{at}({x}, 300, 1, 1).data]") for x in (40, 90, 105, 400, 695, 710, 760)]
            gray = [160, 162, 166, 255]
            self.assertEqual([pixel == gray for pixel in row], [True, True, False, False, False, True, True])
            # The brightest place is where the server says that most speaks for the class.
            heat = server.json("POST", "/v2/models/resnet20-cifar10/infer", {
                "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [_base64(DEMO)]}],
                "outputs": [{"name": "heatmap"}]})["outputs"][0]
            rows, columns = heat["shape"][1:]
            best = max(range(rows * columns), key=lambda i: heat["data"][i])
            x = 800 * (5 + 32 * (best % columns + 0.5) / columns) / 42
            y = 600 * (best // columns + 0.5) / rows
            pixel = self.browser.run(f"[...{at}({x:.0f}, {y:.0f}, 1, 1).data]")
            self.assertGreater(pixel[0], 230)
            self.assertGreater(pixel[1], 200)
            self.assertIn("ship", self.browser.run("document.getElementById('picture').getAttribute('aria-label')"))
            self.assertEqual([problem for problem in self.browser.problems if "willReadFrequently" not in problem], [])

    def test_models_to_choose_from_and_labels_of_any_kind(self):
        broken = pictures.write(os.path.join(self.root, "models", "broken", "1", "model.safetensors"), b"no model")
        for version in (1, 2):
            folder = os.path.join(self.root, "models", "odd", str(version))
            os.makedirs(folder, exist_ok=True)
            os.link(self.odd, os.path.join(folder, "model.safetensors"))
        with Server("--models", os.path.dirname(os.path.dirname(os.path.dirname(broken)))) as server:
            self.browser.open(f"http://127.0.0.1:{server.port}/")
            self.browser.wait("document.getElementById('models').rows.length === 3")
            table = self.browser.run("[...document.getElementById('models').rows].map((row) => [...row.cells].slice(0, 4)"
                                     ".map((cell) => cell.textContent))")
            self.assertEqual([row[:2] for row in table], [["broken", "1"], ["odd", "1"], ["odd", "2"]])
            self.assertTrue(table[0][2].startswith("unavailable"), table)
            self.assertIn("model.safetensors", table[0][2])
            self.assertEqual([row[2:] for row in table[1:]], [["ready", "fp32"]] * 2)
            self.assertEqual(self.browser.run("[...document.getElementById('which').options].map((one) => one.text)"),
                             ["odd, version 1", "odd, version 2"])
            self.browser.run("document.getElementById('which').selectedIndex = 1")
            picture = pictures.png(40, 30)
            path = pictures.write(os.path.join(self.root, "wave.png"), picture)
            self.browser.look(400, 1000, dark=False)
            self.browser.choose_files("#file", path)
            self.wait_for_answer()
            self.check_shown(server, path, picture, "odd")
            self.assertEqual(sorted(label for label, _ in self.answers()), sorted(LABELS))
            self.assertIn("odd, version 2", self.browser.run("document.getElementById('told').textContent"))
            self.assertEqual(self.browser.run(OVERFLOW), [])
            self.browser.screenshot(os.path.join(self.pages, "serve-models.png"))
            self.assertEqual([problem for problem in self.browser.problems if "/v2/health/ready" not in problem], [])

    def test_pasted_dropped_and_what_is_no_picture(self):
        with Server(MODEL) as server:
            self.open(server)
            picture = pictures.png(48, 64, 5)
            give = ("(() => { const all = new DataTransfer(); all.items.add(new File([Uint8Array.from(atob('%s'), "
                    "(c) => c.charCodeAt(0))], 'given', {type: 'image/png'})); document.body.dispatchEvent(new %s); })()")
            for event in ("ClipboardEvent('paste', {clipboardData: all, bubbles: true})",
                          "DragEvent('drop', {dataTransfer: all, bubbles: true, cancelable: true})"):
                self.browser.run("document.getElementById('classes').replaceChildren()")
                self.browser.run(give % (_base64_of(picture), event))
                self.wait_for_answer()
                self.check_shown(server, event, picture, "resnet20-cifar10")
            self.assertEqual(self.browser.problems, [])
            self.browser.run(give % (_base64_of(b"\x89PNG\r\n\x1a\nno picture"), event))
            self.browser.wait("!document.getElementById('problem').hidden")
            self.assertIn("No answer to given: ", self.browser.run("document.getElementById('problem').textContent"))
            self.assertTrue(self.browser.run("document.getElementById('result').hidden"))

    def test_the_camera(self):
        with Server(MODEL) as server:
            self.open(server)
            self.browser.wait("!document.getElementById('camera').hidden")
            self.browser.run("document.getElementById('camera').click()")
            self.browser.wait("document.activeElement.id === 'snap' && document.getElementById('video').videoWidth > 0")
            self.assertEqual(self.browser.run(OVERFLOW), [])
            self.browser.press("Enter", 13, "\r")
            self.wait_for_answer()
            self.assertEqual(len(self.answers()), 5)
            self.assertTrue(self.browser.run("document.getElementById('stage').hidden && !document.getElementById('video').srcObject"))
            self.assertEqual(self.browser.problems, [])

    def test_a_backbone_has_a_heatmap_and_no_classes(self):
        bare = os.path.join(self.root, "backbone.safetensors")
        made = pictures.resnet("init", "--block", "basic", "--depths", "1,1", "--widths", "8,16", "--stem", "cifar",
                               "--classes", 0, "--seed", 3, "-o", bare)
        self.assertEqual(made.returncode, 0, made.stderr)
        with Server(bare) as server:
            self.open(server)
            path = pictures.write(os.path.join(self.root, "small.png"), pictures.png(32, 32))
            self.browser.choose_files("#file", path)
            self.browser.wait("!document.getElementById('result').hidden")
            self.assertEqual(self.answers(), [])
            self.assertIn("no classes", self.browser.run("document.getElementById('told').textContent"))
            self.assertEqual(self.browser.problems, [])

    def test_a_server_that_has_gone_is_said(self):
        with Server(MODEL) as server:
            self.open(server)
            server.end()
        self.browser.wait("!document.getElementById('silence').hidden")
        self.assertEqual(self.browser.run("document.getElementById('state').textContent"), "does not answer")
        self.browser.choose_files("#file", DEMO)
        self.browser.wait("!document.getElementById('problem').hidden")
        self.assertEqual(self.browser.run("document.getElementById('problem').textContent"),
                         "No answer to demo.jpg: the server does not answer")

    def test_keys_reach_all_and_all_have_names(self):
        with Server(f"one={MODEL}", f"two={self.odd}") as server:
            self.open(server)
            self.browser.choose_files("#file", DEMO)
            self.wait_for_answer()
            self.browser.wait("!document.getElementById('camera').hidden")
            self.browser.run("document.activeElement.blur()")
            reached = []
            for _ in range(8):
                self.browser.press("Tab", 9)
                reached.append(self.browser.run("document.activeElement.id || document.activeElement.className || "
                                                "document.activeElement.getAttribute('href')"))
            self.assertEqual(reached[:7], ["which", "file", "camera", "strength", "scroll", "metrics", "openapi.json"])
            tree = self.browser.call("Accessibility.getFullAXTree")["nodes"]
            roles = {}
            for node in tree:
                role = node.get("role", {}).get("value")
                name = node.get("name", {}).get("value", "")
                focusable = any(p["name"] == "focusable" and p["value"].get("value") for p in node.get("properties", []))
                if (focusable or role in ("image", "img")) and role != "RootWebArea":
                    self.assertTrue(name, node)
                    roles.setdefault(role, []).append(name)
            self.assertIn("Heatmap", roles["slider"])
            self.assertIn("Model", roles["combobox"])
            self.assertEqual(self.browser.problems, [])

    def test_it_can_be_left_out(self):
        with Server(MODEL, "--no-page") as server:
            for path in ("/", "/page.css", "/page.js", "/graphs.js"):
                self.assertEqual(server.ask("GET", path)[0], 404)


def _base64_of(data):
    return base64.b64encode(data).decode()


def _base64(path):
    with open(path, "rb") as file:
        return _base64_of(file.read())


if __name__ == "__main__":
    if not BROWSER:
        print("skipped: there is no Chromium")
        sys.exit(77)
    unittest.main()
