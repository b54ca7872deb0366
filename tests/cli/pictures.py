"""What the tests of predict and eval share: the program, small pictures and models made on the spot."""
import json
import os
import re
import struct
import subprocess
import sys
import zlib

with open(os.environ["RESNET"], "rb") as program:
    SANITIZED = re.search(b"__[at]san_init", program.read()) is not None  # memory and time are then no measure
TRAINER = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")
LIBTORCH = False  # whether that is what learns; else our own learner does
if os.path.exists(TRAINER):
    with open(TRAINER, "rb") as program:
        LIBTORCH = b"libtorch_cpu.so" in program.read()


def resnet(*arguments, stdin=None, cwd=None):
    """Runs the program; standard output and error as text."""
    return subprocess.run([os.environ["RESNET"], *map(str, arguments)], input=stdin, capture_output=True, check=False, cwd=cwd,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})


def peak(*arguments):
    """Exit status and the largest resident set in bytes. Asked of a small process in between: Linux counts what a parent
    has used for the child that it starts."""
    code = ("import os, subprocess, sys\n"
            "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
            "_, status, usage = os.wait4(child.pid, 0)\n"
            "child.returncode = os.waitstatus_to_exitcode(status)\n"
            "print(child.returncode, usage.ru_maxrss * 1024)")
    asked = subprocess.run([sys.executable, "-c", code, os.environ["RESNET"], *map(str, arguments)], capture_output=True,
                           check=True)
    status, size = map(int, asked.stdout.split())
    return status, size


def png(width, height, seed=0, channels=3):
    """A picture of slow waves."""
    return png_of([[(x * (c + 1) * 3 + y * 5 + seed * 37) % 256 for x in range(width) for c in range(channels)]
                   for y in range(height)], channels)


def png_of(rows, channels=3):
    """A picture of bytes, row by row, pixel by pixel."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), 8, 2 if channels == 3 else 0, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def flat_jpeg(width, height):
    """Gray all over. A block of 8x8 pixels takes two bits: no difference to the block before, and its end."""
    def segment(marker, data):
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    tables = b"".join(bytes([kind << 4, 1, *[0] * 15, 0]) for kind in (0, 1))  # one code each: "0" is symbol 0
    bits = 2 * ((width + 7) // 8) * ((height + 7) // 8)
    scan = bytes(bits // 8) + (bytes([0xFF >> bits % 8]) if bits % 8 else b"")
    return (b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC0, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)) +
            segment(0xC4, tables) + segment(0xDA, b"\1\1\0\0\x3f\0") + scan + b"\xff\xd9")


def gray16(rows):
    """A PNG of 16-bit gray."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 16, 0, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + struct.pack(f">{len(row)}H", *row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def npy(shape, values):
    """A float32 array."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(values)}f", *values)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def small_model(folder, name, classes=None, channels=3, outputs=3):
    """A tiny network for 32x32 pictures, with class names where `classes` is a list, and preprocessing."""
    bare = os.path.join(folder, "bare-" + name)
    path = os.path.join(folder, name)
    outputs = len(classes) if classes else outputs
    made = resnet("init", "--block", "basic", "--depths", "1,1", "--widths", "8,16", "--stem", "cifar", "--channels",
                  channels, "--classes", outputs, "--seed", 3, "--calibrated", "-o", bare)
    assert made.returncode == 0, made.stderr
    options = []
    if classes:
        options = ["--classes", write(os.path.join(folder, name + ".txt"), "\n".join(classes).encode())]
    mean = ",".join(["0.5"] * channels)
    made = resnet("convert", bare, path, "--size", 32, "--resize", 32, "--interpolation", "bilinear", "--mean", mean,
                  "--std", mean, *options)
    assert made.returncode == 0, made.stderr
    return path


def tensors(path):
    """The bytes of each tensor of a .safetensors file."""
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    return {name: data[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]]
            for name, entry in json.loads(data[8:8 + size]).items() if name != "__metadata__"}
