"""Odd but valid pictures of every format, made with Pillow and, where it cannot, by hand: {name: bytes}."""
import io
import struct
import zlib

import numpy as np
from PIL import Image

SIZES = [(1, 1), (2, 1), (1, 2), (3, 5), (8, 8), (16, 17), (33, 31), (64, 48), (101, 67), (37, 150)]


def photo(width, height, channels, seed=0):
    """Smooth shapes with some noise, so that DCT, palettes and chroma all have work to do."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        a, b, phase = generator.uniform(0.02, 0.4, 3)
        wave = 127 + 90 * np.sin(a * x + phase + c) * np.cos(b * y) + generator.normal(0, 25, (height, width))
        planes.append(np.clip(wave, 0, 255))
    return np.stack(planes, -1).astype(np.uint8)


def picture(width, height, mode, seed=0):
    channels = {"L": 1, "LA": 2, "RGB": 3, "YCbCr": 3, "RGBA": 4, "CMYK": 4}[mode]
    pixels = photo(width, height, channels, seed)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode)


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def after_start(jpeg, *segments):
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def without_segment(jpeg, marker):
    at = 2
    while jpeg[at + 1] != marker:
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    return jpeg[:at] + jpeg[at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0] :]


def jpegs():
    files = {}
    for width, height in SIZES:
        name = f"{width}x{height}"
        for mode in ("L", "RGB", "CMYK"):
            files[f"{name}-{mode}"] = saved(picture(width, height, mode), "JPEG", quality=85)
            files[f"{name}-{mode}-progressive"] = saved(picture(width, height, mode, 1), "JPEG", progressive=True)
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            for quality in (20, 95):
                files[f"{name}-{subsampling.replace(':', '')}-{quality}"] = saved(
                    picture(width, height, "RGB", 2), "JPEG", quality=quality, subsampling=subsampling)
        files[f"{name}-restart"] = saved(picture(width, height, "RGB", 3), "JPEG", restart_marker_blocks=2)
        files[f"{name}-optimized"] = saved(picture(width, height, "RGB", 4), "JPEG", optimize=True, keep_rgb=True)
    base = picture(45, 30, "RGB", 5)
    for orientation in range(0, 10):
        files[f"exif-{orientation}"] = saved(base, "JPEG", exif=exif(orientation))
    plain = saved(base, "JPEG")
    big = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x00\0\x03\0\0\0\x01\0\x05\0\0\x01\x12\0\x04\0\0\0\x01\0\0\0\x06\0\0\0\0"
    files["exif-big-endian-long"] = after_start(plain, segment(0xE1, big))
    files["exif-unreadable"] = after_start(plain, segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f"))
    xmp = b"http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation=\"8\"/>"
    files["xmp"] = after_start(plain, segment(0xE1, xmp))
    files["xmp-after-exif"] = after_start(saved(base, "JPEG", exif=exif(3)), segment(0xE1, xmp))
    cmyk = saved(picture(40, 30, "CMYK", 6), "JPEG")
    for transform in (0, 1, 2):
        marker = segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))
        files[f"adobe-{transform}-cmyk"] = after_start(without_segment(cmyk, 0xEE), marker)
        files[f"adobe-{transform}-rgb"] = after_start(without_segment(plain, 0xE0), marker)
    files["cmyk-without-adobe"] = without_segment(cmyk, 0xEE)
    files["no-markers"] = without_segment(plain, 0xE0)
    files["trailing-bytes"] = plain + b"\0" * 100 + b"\xff\xd8\xff"
    damaged = bytearray(saved(picture(200, 150, "RGB", 7), "JPEG"))
    for at in range(len(damaged) // 2, len(damaged) - 40, 97):
        if 0xFF not in damaged[at - 1 : at + 1]:
            damaged[at] = 0x55  # libjpeg warns and goes on, and so does everybody
    files["damaged"] = bytes(damaged)
    return {f"{name}.jpg": data for name, data in files.items()}


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, depth, color, palette=None, extra=(), interlaced=False, filters=(0,)):
    """samples: height x width x channels integers of `depth` bits. Filter types 0 to 4 are taken in turn."""
    height, width, channels = samples.shape
    step = max(depth * channels // 8, 1)

    def packed(row):
        if depth == 16:
            return row.astype(">u2").tobytes()
        if depth == 8:
            return row.astype(np.uint8).tobytes()
        bits = "".join(f"{value:0{depth}b}" for value in row.ravel())
        return bytes(int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8))

    def rows(part):
        out, before = b"", None
        for y, row in enumerate(part):
            now = packed(row)
            before = before or bytes(len(now))
            kind = filters[y % len(filters)]
            line = bytearray()
            for i, value in enumerate(now):
                a = now[i - step] if i >= step else 0
                b = before[i]
                c = before[i - step] if i >= step else 0
                p = a + b - c
                paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
                line.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) & 255)
            out += bytes([kind]) + line
            before = now
        return out

    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES]
        data = b"".join(rows(part) for part in parts if part.size)
    else:
        data = rows(samples)
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))
    if palette is not None:
        out += chunk(b"PLTE", palette)
    for name, content in extra:
        out += chunk(name, content)
    packed_data = zlib.compress(data)
    half = len(packed_data) // 2
    return out + chunk(b"IDAT", packed_data[:half]) + chunk(b"IDAT", packed_data[half:]) + chunk(b"IEND", b"")


def pngs():
    files = {}
    channels_of = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for color, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            for width, height in [(1, 1), (2, 3), (5, 2), (9, 9), (33, 17)]:
                generator = np.random.default_rng(width * depth + color)
                samples = generator.integers(0, 2**depth, (height, width, channels_of[color]))
                colors = generator.integers(0, 256, 3 * 2**depth, dtype=np.uint8).tobytes() if color == 3 else None
                for interlaced in (False, True):
                    files[f"c{color}-d{depth}-{width}x{height}-i{int(interlaced)}"] = png(
                        samples, depth, color, colors, interlaced=interlaced, filters=(1, 2, 3, 4, 0))
    generator = np.random.default_rng(9)
    indices = generator.integers(0, 4, (6, 7, 1))
    colors = bytes(range(20, 32))
    files["palette-short"] = png(indices, 8, 3, colors[:6])
    files["palette-trns-alphas"] = png(indices, 2, 3, colors, [(b"tRNS", bytes([0, 128, 255]))])
    files["palette-trns-one"] = png(indices, 8, 3, colors, [(b"tRNS", bytes([255, 0, 255]))])
    gray = generator.integers(0, 256, (6, 7, 1))
    files["gray-trns"] = png(gray, 8, 0, None, [(b"tRNS", b"\0\x40")])
    files["gray-1-trns"] = png(gray % 2, 1, 0, None, [(b"tRNS", b"\0\1")])
    rgb = generator.integers(0, 256, (6, 7, 3))
    files["rgb-trns"] = png(rgb, 8, 2, None, [(b"tRNS", b"\0\x40\0\x40\0\x40")])
    files["rgb-gamma"] = png(rgb, 8, 2, None, [(b"gAMA", struct.pack(">I", 100000)), (b"sRGB", b"\0")])
    for orientation in range(1, 9):
        files[f"exif-{orientation}"] = png(rgb, 8, 2, None, [(b"eXIf", exif(orientation)[6:])])
    files["xmp"] = png(rgb, 8, 2, None, [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>6</tiff:Orientation>")])
    frames = [picture(20, 10, "RGBA", seed) for seed in range(3)]
    files["animated"] = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    files.update(cut_pngs(rgb, frames[0]))
    return {f"{name}.png": data for name, data in files.items()}


def cut_pngs(rgb, frame):
    """Files that end, or go on with something else, near the end of their pixels and behind them."""
    files = {}
    whole = {"plain": png(rgb, 8, 2), "interlaced": png(rgb, 8, 2, interlaced=True), "saved": saved(frame, "PNG")}
    at = {name: data.rindex(b"IEND") - 4 for name, data in whole.items()}
    whole["text"] = whole["plain"][:at["plain"]] + chunk(b"tEXt", b"Comment\0hello") + whole["plain"][at["plain"]:]
    for name, data in whole.items():
        for size in range(at.get(name, at["plain"]) - 14, len(data)):
            files[f"cut-{name}-{size}"] = data[:size]
    pixels = whole["plain"][:at["plain"]]
    for name, rest in {"zeros": bytes(30), "words": b"random bytes behind it all", "checksum": chunk(b"tEXt", b"a\0b")[:-1] + b"x"}.items():
        files[f"rest-{name}"] = pixels + rest
    return files


def webps():
    files = {}
    for width, height in SIZES:
        name = f"{width}x{height}"
        for mode in ("RGB", "RGBA"):
            image = picture(width, height, mode, 8)
            files[f"{name}-{mode}-lossy"] = saved(image, "WEBP", quality=60)
            files[f"{name}-{mode}-lossless"] = saved(image, "WEBP", lossless=True)
            files[f"{name}-{mode}-exact"] = saved(image, "WEBP", lossless=True, exact=True)
    frames = [picture(41, 29, "RGBA", seed) for seed in range(3)]
    files["animated-lossy"] = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    files["animated-lossless"] = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    clear = Image.new("RGBA", (41, 29))
    clear.paste(frames[0].crop((0, 0, 11, 9)), (20, 10))  # stored as a small frame on the canvas
    files["animated-offset"] = saved(clear, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    for orientation in range(1, 9):
        files[f"exif-{orientation}"] = saved(frames[0].convert("RGB"), "WEBP", exif=exif(orientation))
    files["xmp"] = saved(frames[0], "WEBP", xmp=b"<x tiff:Orientation=\"3\"/>")
    return {f"{name}.webp": data for name, data in files.items()}


def all_files():
    return {**jpegs(), **pngs(), **webps()}
