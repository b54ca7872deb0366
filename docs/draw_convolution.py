"""Draws the figures of docs/convolution.md, docs/images/convolution-*.svg; the numbers in them are computed here.

    python3 docs/draw_convolution.py [FOLDER]
"""
import html
import pathlib
import sys
from fractions import Fraction

WIDTH = 760
STYLE = """
text { font: 15px system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1f2328; }
.small { font-size: 13px; }
.strong { font-weight: 600; }
.number { text-anchor: middle; }
.middle { text-anchor: middle; }
.muted { fill: #59636e; }
.card { fill: #ffffff; stroke: #d1d9e0; }
.cell { fill: #f6f8fa; stroke: #8b949e; }
.zero { fill: none; stroke: #b7bfc7; stroke-dasharray: 3 3; }
.blue { fill: #cfe2ff; stroke: #3b82f6; }
.orange { fill: #ffdfc4; stroke: #d9660d; }
.green { fill: #c9edd2; stroke: #2da44e; }
.violet { fill: #e5dafc; stroke: #9061f0; }
.line { stroke: #59636e; stroke-width: 1.5; fill: none; }
.tip { fill: #59636e; }
.frame { fill: none; stroke: #3b82f6; stroke-width: 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .muted { fill: #9da7b1; }
  .card { fill: #0d1117; stroke: #30363d; }
  .cell { fill: #1c2129; stroke: #6e7681; }
  .zero { stroke: #4a525b; }
  .blue { fill: #16335f; }
  .orange { fill: #5c2f0c; }
  .green { fill: #12421f; }
  .violet { fill: #37245e; }
  .line { stroke: #9da7b1; }
  .tip { fill: #9da7b1; }
}
""".strip()

# The example of the page.
TILE = [[1, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 2], [1, 1, 0, 1]]
WINDOW = [[2, 1, 1], [1, 2, 1], [1, 1, 2]]


LAPLACE = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


class Drawing:
    def __init__(self, title, height):
        self.title, self.height, self.parts = title, height, []

    def text(self, x, y, words, kind=""):
        self.parts.append(f'<text x="{x}" y="{y}"{f""" class="{kind}" """.rstrip() if kind else ""}>{html.escape(str(words))}</text>')

    def box(self, x, y, width, height, kind):
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" class="{kind}"/>')

    def tick(self, x, y):
        self.parts.append(f'<path d="M{x} {y}v6" class="line"/>')

    def arrow(self, x1, y1, x2, y2):
        """From one point to another that lies to the right, left, above or below."""
        dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
        self.parts.append(f'<path d="M{x1} {y1}L{x2 - 6 * dx} {y2 - 6 * dy}" class="line"/><path d="M{x2} {y2}l{-9 * dx - 5 * dy} {-9 * dy - 5 * dx}'
                          f'l{10 * dy} {10 * dx}z" class="tip"/>')

    def grid(self, x, y, rows, cell, kind="cell", height=None):
        """Cells with what stands in them; `kind` may be a function of row and column. None leaves a cell empty."""
        height = height or cell
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                self.box(x + j * cell, y + i * height, cell, height, kind(i, j) if callable(kind) else kind)
                if value is not None:
                    self.text(x + j * cell + cell // 2, y + i * height + height // 2 + 5, value, "number")

    def write(self, path):
        body = "\n".join(self.parts)
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" height="{self.height}" role="img">\n'
                        f"<title>{html.escape(self.title)}</title>\n<style>\n{STYLE}\n</style>\n"
                        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{self.height - 1}" rx="8" class="card"/>\n{body}\n</svg>\n')


def product(a, b):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def shown(rows_):
    return [[str(value).replace("-", "−") for value in row] for row in rows_]


def transposed(a):
    return [list(row) for row in zip(*a)]


def convolved(image, window):
    size = len(image) - len(window) + 1
    return [[sum(window[i][j] * image[y + i][x + j] for i in range(len(window)) for j in range(len(window))) for x in range(size)] for y in range(size)]


def window():
    d = Drawing("One output value: a window of the input times the weights, summed", 300)
    image = [[0, *row, 0] for row in TILE]
    image = [[0] * 6, *image, [0] * 6]
    out = convolved(image, WINDOW)
    border = lambda i, j: "zero" if i in (0, 5) or j in (0, 5) else "blue" if 1 <= i <= 3 and 2 <= j <= 4 else "cell"
    d.text(24, 32, "input, 4x4, padded by 1", "strong")
    d.grid(24, 48, image, 36, border)
    d.box(24 + 2 * 36, 48 + 36, 108, 108, "frame")
    d.text(290, 32, "weights, 3x3", "strong")
    d.text(262, 145, "*", "strong middle")
    d.grid(290, 84, WINDOW, 36, "orange")
    d.arrow(420, 138, 470, 138)
    d.text(490, 32, "output, 4x4", "strong")
    d.grid(490, 66, out, 36, lambda i, j: "green" if (i, j) == (1, 2) else "cell")
    values = [(WINDOW[i][j], image[1 + i][2 + j]) for i in range(3) for j in range(3)]
    assert sum(w * v for w, v in values) == out[1][2]
    d.text(24, 288, " + ".join(f"{w}·{v}" for w, v in values) + f" = {out[1][2]}", "small")
    d.text(650, 100, "row 1,", "small muted")
    d.text(650, 118, "column 2", "small muted")
    return d


def layout():
    d = Drawing("The order of values in memory: channel by channel, or pixel by pixel in blocks of 16 channels", 262)
    d.text(24, 32, "In files and in PyTorch (NCHW): one channel after another", "strong")
    kinds = ("blue", "orange", "green")
    x = 24
    for channel, kind in enumerate(kinds):
        d.text(x + 72, 60, f"channel {channel}", "small middle muted")
        d.grid(x, 70, [[f"p{pixel}" for pixel in range(4)]], 36, kind)
        x += 36 * 4 + 12
    d.text(x + 4, 94, "…", "strong")
    d.text(24, 146, "Between the engine's layers (NHWC, blocks of 16): one pixel after another", "strong")
    x = 24
    for pixel in range(2):
        d.text(x + 135, 176, f"pixel {pixel}: 64 bytes, one cache line", "small middle muted")
        d.grid(x, 186, [["c0", "c1", "c2", "c3", "…", "c15"]], 45, lambda i, j: kinds[j] if j < 3 else "cell", 36)
        x += 45 * 6 + 12
    d.text(x + 4, 210, "…", "strong")
    d.text(24, 246, "pN: pixel N, row by row; cN: channel N", "small muted")
    return d


def panels():
    d = Drawing("Windows become rows of a matrix; a convolution is then one matrix product", 350)
    d.text(24, 32, "input, 4x4", "strong")
    d.grid(24, 48, TILE, 30, lambda i, j: "blue" if i < 3 and j < 3 else "cell")
    d.box(24, 48, 90, 90, "frame")
    d.arrow(156, 108, 190, 108)
    rows = [[TILE[y + i][x + j] for i in range(3) for j in range(3)] for y in range(2) for x in range(2)]
    d.text(204, 32, "panel: a row for each window", "strong")
    d.grid(204, 48, rows, 30, lambda i, j: "blue" if i == 0 else "cell")
    d.text(492, 114, "·", "strong middle")
    columns = [[WINDOW[i][j], LAPLACE[i][j]] for i in range(3) for j in range(3)]
    d.text(512, 32, "weights", "strong")
    d.grid(512, 48, shown(columns), 30, lambda i, j: "orange" if j == 0 else "cell")
    d.arrow(584, 108, 626, 108)
    results = product(rows, columns)
    d.text(640, 32, "outputs", "strong")
    d.grid(640, 48, shown(results), 40, lambda i, j: "green" if (i, j) == (0, 0) else "cell", 30)
    d.text(204, 190, "pixels x 9 taps", "small muted")
    d.text(512, 338, "9 taps x 2 output channels", "small muted")
    d.text(640, 190, "pixels x channels", "small muted")
    return d


def tile():
    d = Drawing("A tile of 6 pixels by 16 output channels in registers", 370)
    d.text(24, 32, "One input channel at one tap, on AVX2", "strong")
    d.text(24, 84, "6 inputs", "small muted")
    d.text(24, 102, "(6 loads)", "small muted")
    d.text(190, 66, "16 weights, of 16 output channels (2 loads)", "small muted")
    for half in range(2):
        lanes(d, 190 + half * 270, 80, "orange", f"weights {8 * half} to {8 * half + 7}")
    for row in range(6):
        y = 132 + row * 34
        d.grid(24, y, [[f"x{row}"]], 36, "blue", 30)
        d.arrow(68, y + 15, 182, y + 15)
        for half in range(2):
            lanes(d, 190 + half * 270, y, "green", f"+= x{row} · weights")
    d.text(24, 356, "Registers: 12 of sums + 2 of weights + 1 of an input in 8 copies, of 16", "small muted")
    return d


def lanes(d, x, y, kind, words_):
    d.box(x, y, 256, 30, kind)
    for lane in range(1, 8):
        d.tick(x + lane * 32, y)
        d.tick(x + lane * 32, y + 24)
    d.text(x + 128, y + 20, words_, "small middle")


def cache():
    d = Drawing("What stays where while a convolution is computed", 364)
    d.text(24, 30, "3x3, 64 to 64 channels at 56x56, float32, AVX2, direct", "strong")
    boxes = (("cell", "memory: input, output, packed weights", "for each task: its pixels, its output channels"),
             ("violet", "second-level cache: panels of 37 tiles, 256 KB", "for each 222 pixels; for each half of a sum's 576 products: fill the panels"),
             ("blue", "first-level cache: weights of 16 channels, 18 KB", "for each 16 output channels"),
             ("green", "registers: sums of 6 pixels x 16 channels", "for each tile of 6 pixels: 288 multiply-adds a sum, then store"))
    for i, (kind, place, loop) in enumerate(boxes):
        d.box(24 + 18 * i, 48 + 66 * i, 712 - 36 * i, 274 - 66 * i + 8 * (3 - i), kind)
        d.text(38 + 18 * i, 74 + 66 * i, place, "strong")
        d.text(38 + 18 * i, 96 + 66 * i, loop, "small")
    return d


def rows():
    d = Drawing("Copying windows one by one, or the rows that they share", 212)
    d.text(24, 32, "direct: a window at a time", "strong")
    for step in range(4):
        for i in range(3):
            for j in range(3):
                d.box(24 + step * 84 + j * 24, 52 + i * 24, 24, 24, "blue")
        d.text(24 + step * 84 + 36, 146, f"pixel {step}", "small middle muted")
    d.text(24, 190, "56 pixels of a row: 9 · 56 = 504 lines", "small")
    d.text(400, 32, "direct rows: a row at a time", "strong")
    for i in range(3):
        for j in range(10):
            d.box(400 + j * 24, 52 + i * 24, 24, 24, "blue")
    d.box(400, 52, 72, 72, "frame")
    d.text(400, 146, "framed: the window of pixel 0", "small muted")
    d.text(400, 190, "56 pixels of a row: 3 · 58 = 174 lines", "small")
    return d


def transforms():
    """B^T, G and A^T of F(2, 3) with the points 0, 1, -1 and infinity."""
    half = Fraction(1, 2)
    return ([[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]],
            [[-1, 0, 0], [half, half, half], [half, -half, half], [0, 0, 1]],
            [[1, 1, 1, 0], [0, 1, -1, 1]])


def winograd():
    d = Drawing("Winograd's F(2x2, 3x3): 16 products instead of 36", 410)
    b, g, a = transforms()
    inputs = product(product(b, TILE), transposed(b))
    weights = product(product(g, WINDOW), transposed(g))
    products = [[x * y for x, y in zip(*pair)] for pair in zip(inputs, weights)]
    outputs = product(product(a, products), transposed(a))
    assert outputs == convolved(TILE, WINDOW)

    d.text(24, 32, "input tile", "strong")
    d.grid(24, 46, shown(TILE), 36, "blue")
    d.arrow(178, 118, 258, 118)
    d.text(218, 106, "Bᵀ d B", "middle")
    d.text(270, 32, "transformed", "strong")
    d.grid(270, 46, shown(inputs), 36, "blue")
    d.text(24, 250, "weights", "strong")
    d.grid(24, 264, shown(WINDOW), 36, "orange")
    d.arrow(142, 318, 258, 318)
    d.text(200, 306, "G g Gᵀ", "middle")
    d.text(270, 232, "transformed", "strong")
    d.grid(270, 246, shown(weights), 36, "orange")
    d.text(24, 398, "once, when packed", "small muted")
    d.arrow(422, 118, 472, 118)
    d.arrow(422, 318, 472, 318)
    d.text(486, 124, "times, one by one:", "small muted")
    d.text(486, 144, "16 products", "strong")
    d.grid(486, 158, shown(products), 36, "violet")
    d.arrow(558, 308, 558, 324)
    d.text(486, 323, "Aᵀ m A", "")
    d.grid(522, 330, shown(outputs), 36, "green", 34)
    d.text(606, 370, "2x2 outputs", "strong")
    return d


def elements():
    d = Drawing("With many channels: sixteen matrix products", 206)
    d.text(24, 32, "Each of the 16 elements: a matrix product over all tiles and channels", "strong")
    for k in (2, 1, 0):
        x, y = 40 + 12 * k, 84 - 12 * k
        d.box(x, y, 190, 96, "blue")
        d.box(x + 290, y, 130, 96, "orange")
        d.box(x + 520, y, 130, 96, "violet")
    for x, first in ((135, "tiles x input"), (395, "input x output"), (625, "tiles x output")):
        d.text(x, 128, first, "middle")
        d.text(x, 148, "channels", "middle")
    d.text(291, 136, "·", "strong middle")
    d.text(510, 136, "=", "strong middle")
    return d


def words():
    d = Drawing("A word of 32 bits holds one, two or four values", 212)
    d.text(24, 32, "A word of 32 bits, and what a lane does with it", "strong")
    lines = (("float32", ["channel 0"], "blue", "1 product, summed in float32"),
             ("bfloat16", ["channel 0", "channel 1"], "green", "2 products, summed in float32"),
             ("int8", ["ch 0", "ch 1", "ch 2", "ch 3"], "orange", "4 products, summed in int32, exactly"))
    for i, (name, values, kind, does) in enumerate(lines):
        y = 54 + 50 * i
        d.text(24, y + 24, name, "strong")
        width = 256 // len(values)
        for j, value in enumerate(values):
            d.box(120 + j * width, y, width, 36, kind)
            d.text(120 + j * width + width // 2, y + 23, value, "small middle")
        d.text(394, y + 23, does)
    return d


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "images"
    for draw in (window, layout, panels, tile, cache, rows, winograd, elements, words):
        draw().write(folder / f"convolution-{draw.__name__}.svg")


if __name__ == "__main__":
    main()
