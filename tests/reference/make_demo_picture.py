"""Draws tests/demo.jpg, the picture that `make demo` classifies: a house on a hill, at four times the size and then
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
    draw.line([(0, y), (SCALE * WIDTH, y)], fill=(int(90 + 130 * t), int(150 + 80 * t), 235))
draw.ellipse(scaled(240, 20, 290, 70), fill=(255, 226, 120))
draw.ellipse(scaled(-120, 130, 260, 420), fill=(84, 140, 62))
draw.ellipse(scaled(120, 150, 480, 440), fill=(64, 116, 52))
draw.rectangle(scaled(92, 100, 172, 170), fill=(214, 190, 160))
draw.polygon([tuple(scaled(*p)) for p in ((82, 102), (132, 60), (182, 102))], fill=(150, 62, 48))
draw.rectangle(scaled(122, 130, 142, 170), fill=(96, 64, 44))
for x in (102, 150):
    draw.rectangle(scaled(x, 116, x + 14, 132), fill=(70, 96, 130))
draw.rectangle(scaled(216, 110, 226, 180), fill=(92, 66, 44))
draw.ellipse(scaled(190, 60, 252, 134), fill=(46, 98, 44))
picture = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
target = os.path.join(os.path.dirname(__file__), "..", "demo.jpg")
picture.save(target, quality=88, optimize=True)
print(os.path.getsize(target), "bytes")
