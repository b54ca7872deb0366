"""resnet preprocess: what it writes, what it assumes, what it says to bad input, and how much memory and time that takes."""
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

import pictures

RESNET = os.environ["RESNET"]
GOLDEN = os.path.join(os.environ["RESNET_SOURCE_DIR"], "tests", "golden", "image")
MIB = 1 << 20


def golden(name):
    with open(os.path.join(GOLDEN, name), "rb") as file:
        return file.read()


def read_npy(path):
    """Type, shape, bytes."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    header = eval(data[10 : 10 + length])  # our own output: a dictionary of literals
    return header["descr"], header["shape"], data[10 + length :]


def npy(descr, shape, data):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, data, color=2, depth=8):
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def riff(chunks):
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def jpeg_of_size(name, width, height):
    """The golden picture with another size in its header; its end marker comes far too soon."""
    data = bytearray(golden(name))
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def processor_seconds():
    """What programs that this one waited for have used: unlike a clock, the same on a busy machine."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class PreprocessTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = os.path.join(self.folder, "out.npy")

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def run_it(self, *arguments, **options):
        command = [RESNET, "preprocess", *arguments]
        return subprocess.run(command, capture_output=True, check=False, **options)

    def fails(self, status, *arguments):
        result = self.run_it(*arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertRegex(result.stderr.decode(), r"\Aresnet: [^\n]+\n\Z")
        self.assertFalse(os.path.exists(self.out))
        return result.stderr.decode()

    def test_writes_the_tensor(self):
        result = self.run_it(os.path.join(GOLDEN, "33x31-RGB.jpg"), "-o", self.out, "--preset", "torchvision")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
        self.assertEqual(read_npy(self.out)[:2], ("<f4", (1, 3, 224, 224)))

    def test_gives_the_golden_tensor(self):
        flags = ["--resize", "28", "--size", "12x16", "--interpolation", "bicubic"]
        self.run_it(os.path.join(GOLDEN, "33x31-RGB.jpg"), "-o", self.out, *flags)
        self.assertEqual(read_npy(self.out), read_npy(os.path.join(GOLDEN, "33x31-RGB.jpg.tensor.npy")))

    def test_writes_pixels_turned_or_not(self):
        path = os.path.join(GOLDEN, "exif-6.jpg")
        said = self.run_it(path, "-o", self.out, "--pixels").stderr.decode()
        self.assertEqual(read_npy(self.out), read_npy(path + ".pixels.npy"))
        self.assertIn(f"{path}: turned as its EXIF data says, which torchvision does not do", said)
        self.assertEqual(said.count("\n"), 1)
        result = self.run_it(path, "-o", self.out, "--pixels", "--ignore-orientation")
        self.assertEqual(result.stderr, b"")
        self.assertEqual(read_npy(self.out)[1], (30, 45, 3))

    def test_reads_standard_input(self):
        result = self.run_it("-", "-o", self.out, "--pixels", input=golden("33x31-RGB.jpg"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(read_npy(self.out), read_npy(os.path.join(GOLDEN, "33x31-RGB.jpg.pixels.npy")))

    def test_says_once_what_it_assumes(self):
        path = os.path.join(GOLDEN, "33x31-RGB.jpg")
        said = self.run_it(path, "-o", self.out).stderr.decode()
        self.assertEqual(said.count("\n"), 1)
        for part in ("224x224", "resize 256", "bilinear", "0.485,0.456,0.406", "0.229,0.224,0.225"):
            self.assertIn(part, said)
        said = self.run_it("--mean", "0,0,0", path, "-o", self.out, "--size", "32", "--std", "1,1,1").stderr.decode()
        self.assertIn("resize 36, bilinear\n", said)
        self.assertNotIn("mean", said)

    def test_gray_pictures_and_arrays(self):
        plain = ["--preset", "cifar", "--size", "31x33", "--mean", "0", "--std", "1"]
        self.assertEqual(self.run_it(os.path.join(GOLDEN, "33x31-L.jpg"), "-o", self.out, *plain).returncode, 0)
        self.assertEqual(read_npy(self.out)[1], (1, 1, 31, 33))
        values = struct.pack("<8f", *range(8))
        path = self.file("floats.npy", npy("<f4", (2, 2, 2), values))
        two = ["--preset", "cifar", "--size", "2", "--mean", "0,0", "--std", "1,1"]
        self.assertEqual(self.run_it(path, "-o", self.out, *two).returncode, 0)
        self.assertEqual(read_npy(self.out), ("<f4", (1, 2, 2, 2), values))
        path = self.file("bytes.npy", npy("|u1", (2, 2, 2), bytes([0, 255] * 4)))
        self.assertEqual(self.run_it(path, "-o", self.out, *two).returncode, 0)
        self.assertEqual(read_npy(self.out)[2], struct.pack("<8f", 0, 0, 0, 0, 1, 1, 1, 1))
        self.assertIn("1x2x2", self.fails_after(path, "floats"))

    def fails_after(self, path, name):
        os.remove(self.out)
        wrong = self.file(name + "-wrong.npy", npy("<f4", (1, 2, 2), bytes(16)))
        return self.fails(1, wrong, "-o", self.out, "--preset", "cifar", "--size", "2", "--mean", "0,0", "--std", "1,1")

    def test_model_file_says_how(self):
        model = os.path.join(self.folder, "m.safetensors")
        made = subprocess.run([RESNET, "init", "resnet20", "--seed", "1", "-o", model], capture_output=True, check=False)
        if made.returncode == 2:
            self.skipTest("no command init in this build")
        with_size = os.path.join(self.folder, "n.safetensors")
        subprocess.run([RESNET, "convert", model, with_size, "--resize", "32", "--mean", "0.5,0.5,0.5", "--std", "1,1,1"],
                       check=True, capture_output=True)
        path = os.path.join(GOLDEN, "33x31-RGB.jpg")
        result = self.run_it(path, "-o", self.out, "--model", with_size)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(read_npy(self.out)[1], (1, 3, 32, 32))
        # A file that does not say: as predict assumes of such a network.
        result = self.run_it(path, "-o", self.out, "--model", model, "--resize", "32")
        self.assertEqual(read_npy(self.out)[1], (1, 3, 32, 32))
        self.assertIn(b"assumed: size 32x32, bilinear, mean 0.485", result.stderr)

    def test_wrong_usage(self):
        path = os.path.join(GOLDEN, "33x31-RGB.jpg")
        for flags in (["--size", "0"], ["--size", "x"], ["--size", "12x"], ["--size", "99999999999"], ["--resize", "-1"],
                      ["--preset", "imagenet"], ["--interpolation", "nearest"], ["--std", "0,1,1"],
                      ["--mean", "nan,0,0"], ["--std", "1,1"], ["--resize", "many"], ["--turn"]):
            with self.subTest(flags):
                self.fails(2, path, "-o", self.out, *flags)
        self.fails(2, path)

    def test_pictures_as_large_as_pillows(self):
        """By default up to 178,956,970 pixels, in 3 bytes a pixel and a little; --max-pixels says otherwise."""
        path = self.file("108mp.jpg", pictures.flat_jpeg(12000, 9000))
        flags = ["-o", self.out, "--preset", "torchvision"]
        usual = pictures.peak("--version")[1]
        self.assertEqual(self.run_it(path, *flags).returncode, 0)
        self.assertEqual(read_npy(self.out)[1], (1, 3, 224, 224))
        if not pictures.SANITIZED:
            self.assertLess(pictures.peak("preprocess", path, *flags)[1] - usual, 24 * MIB + 3 * 108_000_000)
        os.remove(self.out)
        self.assertIn("12000x9000 pixels, more than the 1000000 that max-pixels allows", self.fails(1, path, *flags, "--max-pixels", "1000000"))
        larger = self.file("180mp.jpg", pictures.flat_jpeg(15000, 12000))
        self.assertIn("15000x12000 pixels, more than the 178956970 that max-pixels allows", self.fails(1, larger, *flags))
        self.assertEqual(self.run_it(larger, *flags, "--max-pixels", "180000000").returncode, 0)
        os.remove(self.out)
        for wrong in ("0", "-1", "many", "1e9"):
            self.fails(2, path, *flags, "--max-pixels", wrong)

    def test_missing_paths_and_folders(self):
        self.assertIn("absent.jpg", self.fails(1, os.path.join(self.folder, "absent.jpg"), "-o", self.out))
        self.assertIn("directory", self.fails(1, self.folder, "-o", self.out))
        self.fails(1, os.path.join(GOLDEN, "33x31-RGB.jpg"), "-o", os.path.join(self.folder, "absent", "out.npy"))

    def test_bad_pictures(self):
        """One line, naming the file, within a second, in 16 MiB and 12 bytes for each declared pixel."""
        bomb = zlib.compress(bytes(100 * MIB), 9)
        cases = {
            "text.jpg": (b"Dear reader, this is a letter.\n", 0),
            "empty.png": (b"", 0),
            "huge.jpg": (jpeg_of_size("33x31-RGB.jpg", 65535, 65535), 0),
            "large.jpg": (jpeg_of_size("33x31-RGB.jpg", 65500, 65500), 0),
            "short.jpg": (jpeg_of_size("33x31-RGB.jpg", 3000, 3000)[:-2], 9_000_000),
            "short-progressive.jpg": (jpeg_of_size("33x31-RGB-progressive.jpg", 3000, 3000)[:-2], 9_000_000),
            "short-cmyk.jpg": (jpeg_of_size("33x31-CMYK.jpg", 3000, 3000)[:-2], 9_000_000),
            "flat.jpg": (jpeg_of_size("33x31-RGB.jpg", 0, 16), 0),
            "huge.png": (png(65535, 65535, bomb), 0),
            "wide.png": (png(2**31 - 1, 1, bomb), 0),
            "flat.png": (png(0, 5, bomb), 0),
            "rows.png": (png(10_000_000, 1, bomb, color=6, depth=16), 10_000_000),
            "short.png": (png(3000, 3000, zlib.compress(bytes(1000))), 9_000_000),
            "huge.webp": (golden("animated-offset.webp").replace(b"\x28\0\0\x1c\0\0", b"\xfe\xff\0\xfe\xff\0", 1), 0),
            "chunks.webp": (riff(b"VP8X\x0a\0\0\0" + bytes(10) + b"none\0\0\0\0" * 1_000_000), 0),
            "cut.npy": (npy("<f4", (3, 224, 224), b""), 0),
            "wrapped.npy": (npy("|u1", (2**32, 2**32, 3), b""), 0),
        }
        usual = pictures.peak("--version")[1]
        for name, (data, pixels) in cases.items():
            with self.subTest(name):
                path = self.file(name, data)
                start = processor_seconds()
                message = self.fails(1, path, "-o", self.out, "--preset", "torchvision")
                self.assertLess(processor_seconds() - start, 10 if pictures.SANITIZED else 1)
                self.assertIn(name, message)
                status, peak = pictures.peak("preprocess", path, "-o", self.out, "--preset", "torchvision")
                self.assertEqual(status, 1)
                if not pictures.SANITIZED:
                    self.assertLess(peak - usual, 16 * MIB + 12 * pixels)

    def test_bombs_that_are_pictures(self):
        """Much data behind a small picture costs neither time nor memory."""
        bomb = zlib.compress(bytes(50 * MIB), 9)
        hollow = {name: jpeg_of_size(name, 3000, 3000)  # libjpeg fills what the early end marker leaves open
                  for name in ("33x31-RGB.jpg", "33x31-RGB-progressive.jpg", "33x31-CMYK.jpg")}
        small = zlib.compress(bytes(3 * 4 + 4))
        texts = b"".join(chunk(name, b"name\0\0" + bomb) for name in (b"iCCP", b"zTXt"))
        data = png(1, 4, small)
        usual = pictures.peak("--version")[1]
        large = zlib.compress(bytes(1000 * MIB), 9)
        message = self.fails(1, self.file("large.png", png(1, 4, large)), "-o", self.out, "--pixels")
        self.assertIn("bytes of packed pixels", message)
        cases = {"text.png": data[:33] + texts + data[33:], "data.png": png(1, 4, bomb), **hollow}
        for name, content in cases.items():
            with self.subTest(name):
                start = processor_seconds()
                status, peak = pictures.peak("preprocess", self.file(name, content), "-o", self.out, "--pixels")
                self.assertLess(processor_seconds() - start, 10 if pictures.SANITIZED else 1)
                self.assertEqual(status, 0)
                if not pictures.SANITIZED:
                    self.assertLess(peak - usual, 16 * MIB + 12 * (9_000_000 if name in hollow else 4))


if __name__ == "__main__":
    sys.exit(unittest.main())
