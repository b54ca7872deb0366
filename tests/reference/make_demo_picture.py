"""Draws tests/demo.jpg, the picture that `make demo` classifies: a ship at sea, at four times the size and then
reduced, so that its edges are smooth as in a photograph."""
import os

from PIL import Image, ImageDraw

WIDTH, HEIGHT, SCALE = 320, 240, 4


def scaled(*values):
    return [SCALE * value for value in values]


picture = Image.new("RGB", (SCALE * WIDTH, SCALE * HEIGHT))
draw = ImageDraw.Draw(picture)
for y in range(SCALE * HEIGHT):
    t = y / (SCALE * HEIGHT)
    sky, sea = (150 + 70 * t, 185 + 50 * t, 235), (40 + 40 * t, 80 + 50 * t, 120 + 40 * t)
    draw.line([(0, y), (SCALE * WIDTH, y)], fill=tuple(int(value) for value in (sky if t < 0.62 else sea)))
for corners, colour in ((((36, 138), (284, 138), (258, 176), (64, 176)), (60, 62, 72)),
                        (((56, 164), (266, 164), (258, 176), (64, 176)), (150, 46, 40))):
    draw.polygon([tuple(scaled(*corner)) for corner in corners], fill=colour)
for box, colour in (((92, 108, 214, 138), (236, 236, 232)), ((112, 86, 190, 108), (222, 222, 220)),
                    ((134, 54, 156, 86), (200, 80, 50)), ((134, 54, 156, 62), (40, 40, 44))):
    draw.rectangle(scaled(*box), fill=colour)
for x in range(100, 210, 14):
    draw.rectangle(scaled(x, 118, x + 7, 126), fill=(70, 90, 120))
for x in range(118, 186, 12):
    draw.rectangle(scaled(x, 93, x + 6, 101), fill=(70, 90, 120))
draw.line(scaled(240, 138, 240, 66), fill=(70, 70, 76), width=3 * SCALE)
for first, step, y, colour in ((0, 26, 184, (200, 214, 226)), (10, 34, 210, (180, 200, 216))):
    for x in range(first, 330, step):
        draw.arc(scaled(x - 14, y, x + 14, y + 12), 180, 360, fill=colour, width=2 * SCALE)
picture = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
target = os.path.join(os.path.dirname(__file__), "..", "demo.jpg")
picture.save(target, quality=88, optimize=True)
print(os.path.getsize(target), "bytes")
