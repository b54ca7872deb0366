"""resnet predict: files, folders, arrays and standard input; three kinds of output; bad input."""
import csv
import io
import json
import os
import pty
import subprocess
import tempfile
import unittest

import pictures
from pictures import resnet


class PredictTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = cls.folder.name
        cls.model = pictures.small_model(root, "m.safetensors", ["cat", "dog", "sea, deep"])
        cls.images = [pictures.write(f"{root}/photos/{i:02}.png", pictures.png(40 + i, 50, i)) for i in range(20)]
        pictures.write(f"{root}/photos/notes.txt", b"no picture")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def lines(self, *arguments, stdin=None, status=0):
        done = resnet("predict", self.model, "--json", *arguments, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def fails(self, status, text, *arguments, lines=1):
        done = resnet("predict", *arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), lines, done.stderr)

    def test_json(self):
        line, = self.lines(self.images[0], "--logits")
        self.assertEqual(line["path"], self.images[0])
        self.assertEqual(sorted(guess["index"] for guess in line["top"]), [0, 1, 2])
        self.assertEqual({guess["class"] for guess in line["top"]}, {"cat", "dog", "sea, deep"})
        self.assertAlmostEqual(sum(guess["probability"] for guess in line["top"]), 1, 5)
        best = line["top"][0]
        self.assertEqual(best["probability"], max(guess["probability"] for guess in line["top"]))
        self.assertEqual(line["logits"][best["index"]], max(line["logits"]))
        self.assertNotIn("logits", self.lines(self.images[0])[0])

    def test_plain_is_aligned_and_quiet(self):
        done = resnet("predict", self.model, self.images[0], "--top", 2)
        self.assertEqual(done.stderr, b"")
        first, *rows = done.stdout.decode().splitlines()
        self.assertEqual(first, self.images[0])
        self.assertEqual(len(rows), 2)
        self.assertEqual(len({len(row) for row in rows}), 1)

    def test_csv(self):
        done = resnet("predict", self.model, self.images[0], self.images[1], "--csv", "--logits", "--top", 3)
        rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
        self.assertEqual(list(rows[0]), ["path", "rank", "index", "class", "probability", "logit"])
        self.assertEqual([row["rank"] for row in rows], ["1", "2", "3"] * 2)
        self.assertEqual({row["class"] for row in rows}, {"cat", "dog", "sea, deep"})

    def test_csv_on_a_terminal_cannot_steer_it(self):
        path = pictures.write(f"{self.folder.name}/odd/a\x1b[31m.png", pictures.png(40, 40))
        self.assertIn(b"\x1b[31m", resnet("predict", self.model, path, "--csv").stdout)
        ours, theirs = pty.openpty()
        with open(ours, "rb", buffering=0) as terminal:
            subprocess.run([os.environ["RESNET"], "predict", self.model, path, "--csv", "--top", "1"], stdout=theirs, check=True)
            os.close(theirs)
            shown = terminal.read(65536)
        self.assertIn(b"a\\x1b[31m.png,1,", shown)
        self.assertNotIn(b"\x1b", shown)

    def test_many_files_are_in_order_and_equal_single_ones(self):
        lines = self.lines(f"{self.folder.name}/photos", "--logits")
        self.assertEqual([line["path"] for line in lines], self.images)
        for image, line in list(zip(self.images, lines))[::7]:
            alone, = self.lines(image, "--logits")
            for a, b in zip(alone["logits"], line["logits"]):
                self.assertAlmostEqual(a, b, 4)

    def test_standard_input(self):
        with open(self.images[3], "rb") as file:
            line, = self.lines("-", "--logits", stdin=file.read())
        self.assertEqual(line["path"], "-")
        self.assertEqual(line["logits"], self.lines(self.images[3], "--logits")[0]["logits"])

    def test_arrays_are_what_preprocess_writes(self):
        array = f"{self.folder.name}/x.npy"
        done = resnet("preprocess", self.images[5], "-o", array, "--size", 32, "--resize", 32, "--interpolation",
                      "bilinear", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.lines(array, "--logits")[0]["logits"], self.lines(self.images[5], "--logits")[0]["logits"])
        batch = pictures.write(f"{self.folder.name}/batch.npy", pictures.npy([2, 3, 20, 24], [0.5] * 2 * 3 * 20 * 24))
        first, second = self.lines(batch)
        self.assertEqual((first["path"], second["path"]), (batch + "[0]", batch + "[1]"))
        self.assertEqual(first["top"], second["top"])

    def test_gray_networks_take_gray_pictures_and_others_arrays(self):
        gray = pictures.small_model(self.folder.name, "gray.safetensors", channels=1)
        picture = pictures.write(f"{self.folder.name}/gray.png", pictures.png(32, 32, 1, channels=1))
        self.assertEqual(resnet("predict", gray, picture).returncode, 0)
        five = pictures.small_model(self.folder.name, "five.safetensors", channels=5)
        array = pictures.write(f"{self.folder.name}/five.npy", pictures.npy([5, 32, 32], [0.1] * 5 * 32 * 32))
        self.assertEqual(resnet("predict", five, array).returncode, 0)
        self.fails(1, "5 channels", five, picture)
        self.fails(1, "5 channels, but the network takes 3", self.model, array)

    def test_streams_say_the_same(self):
        names = [[guess["class"] for guess in line["top"]] for line in self.lines(*self.images)]
        streamed = self.lines(*self.images, "--threads", "2", "--streams", "2")
        self.assertEqual([[guess["class"] for guess in line["top"]] for line in streamed], names)
        self.fails(1, "streams: 2 is not 1 to 1", self.model, *self.images, "--threads", "1", "--streams", "2")

    def test_reports_bad_files_and_goes_on(self):
        bad = pictures.write(f"{self.folder.name}/bad/1.jpg", b"a text file")
        cut = pictures.write(f"{self.folder.name}/bad/2.png", pictures.png(32, 32)[:90])
        done = resnet("predict", self.model, "--json", bad, self.images[0], cut, self.images[1])
        self.assertEqual(done.returncode, 1)
        self.assertEqual([json.loads(line)["path"] for line in done.stdout.splitlines()], self.images[:2])
        errors = done.stderr.decode().splitlines()
        self.assertEqual(len(errors), 3, errors)
        self.assertIn("bad/1.jpg", errors[0])
        self.assertIn("bad/2.png", errors[1])
        self.assertEqual(errors[2], "resnet: 2 of 4 inputs could not be read")
        self.fails(1, "bad/1.jpg", self.model, bad)

    def test_one_bad_argument_does_not_stop_the_others(self):
        root = f"{self.folder.name}/mixed"
        good = [pictures.write(f"{root}/folder/{i}.png", pictures.png(32, 32, i)) for i in range(3)]
        os.mkfifo(f"{root}/folder/pipe.jpg")
        os.symlink(".", f"{root}/folder/up")
        os.symlink("nowhere", f"{root}/folder/dangling.png")
        os.symlink("loop.png", f"{root}/loop.png")
        os.makedirs(f"{root}/hollow")
        arguments = [f"{root}/absent.jpg", self.images[0], f"{root}/loop.png", f"{root}/folder", f"{root}/hollow", f"{root}/{'x' * 300}",
                     self.images[1]]
        done = resnet("predict", self.model, "--json", *arguments)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([json.loads(line)["path"] for line in done.stdout.splitlines()], [self.images[0], *good, self.images[1]])
        errors = done.stderr.decode().splitlines()
        for error, text in zip(errors, ("absent.jpg: there is no such file or directory", "loop.png: cannot open: Too many levels of symbolic",
                                        "folder/pipe.jpg: is a pipe, not a file; it is passed over",
                                        "folder/up: a link that leads back to a folder that it lies in",
                                        "hollow: there are no pictures in this directory", "File name too long",
                                        "dangling.png: cannot open: No such file"), strict=False):
            self.assertIn(text, error)
        self.assertEqual(len(errors), 8, errors)
        self.assertEqual(errors[-1], "resnet: 6 of 11 inputs could not be read")
        for name in ("folder/pipe.jpg", "folder/up", "folder/dangling.png"):
            os.remove(f"{root}/{name}")
        os.mkfifo(f"{root}/folder/pipe.jpg")
        done = resnet("predict", self.model, "--json", f"{root}/folder")
        self.assertEqual((done.returncode, done.stdout.count(b"\n"), done.stderr.count(b"\n")), (0, 3, 1), done.stderr)
        self.fails(1, "2 of 2 inputs could not be read", self.model, "/absent.jpg", "/absent.png", lines=3)
        self.fails(2, "standard input can be read only once", self.model, "-", "-")

    def test_folders_that_may_not_be_read(self):
        root = f"{self.folder.name}/locked"
        good = pictures.write(f"{root}/open/1.png", pictures.png(32, 32, 1))
        pictures.write(f"{root}/shut/2.png", pictures.png(32, 32, 2))
        os.chmod(f"{root}/shut", 0)
        if os.access(f"{root}/shut", os.R_OK):
            self.skipTest("root may read everything")
        for arguments in ([root], [f"{root}/shut", f"{root}/open"]):
            done = resnet("predict", self.model, "--json", *arguments)
            self.assertEqual(done.returncode, 1)
            self.assertEqual([json.loads(line)["path"] for line in done.stdout.splitlines()], [good])
            self.assertIn(b"shut: cannot list: Permission denied", done.stderr)

    def test_names_lose_no_byte(self):
        name = os.fsencode(f"{self.folder.name}/names/caf") + b"\xe9\n\x1b[31m\xc2\x9b.png"
        pictures.write(name, pictures.png(32, 32, 4))
        done = resnet("predict", self.model, "--json", os.fsdecode(name))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.fsencode(json.loads(done.stdout)["path"]), name)
        done = resnet("predict", self.model, os.fsdecode(name))
        self.assertTrue(done.stdout.startswith(os.fsencode(self.folder.name) + b"/names/caf\\xe9\\x0a\\x1b[31m\\xc2\\x9b.png\n"), done.stdout)
        done = resnet("predict", self.model, "--csv", os.fsdecode(name))
        self.assertIn(b'"' + name + b'",1,', done.stdout)
        index = f"{self.folder.name}/names.npy"
        done = resnet("features", self.model, f"{self.folder.name}/names", *self.images[:2], "-o", index)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = resnet("similar", index, os.fsdecode(name), "--json", "--contact-sheet", f"{self.folder.name}/names-sheet.png")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(os.fsencode(json.loads(done.stdout)["matches"][0]["path"]), name)
        done = resnet("similar", index, os.fsdecode(name))
        self.assertIn(b"names/caf\\xe9\\x0a\\x1b[31m\\xc2\\x9b.png\n", done.stdout)

    def test_says_once_what_torchvision_does_otherwise(self):
        golden = f"{os.environ['RESNET_SOURCE_DIR']}/tests/golden/image"
        wide = [[(x * 700 + y * 90) % 65536 for x in range(40)] for y in range(40)]
        gray = [pictures.write(f"{self.folder.name}/wide{i}.png", pictures.gray16(wide)) for i in range(2)]
        turned = [f"{golden}/exif-{i}.{kind}" for i, kind in ((3, "jpg"), (6, "jpg"), (8, "png"), (5, "webp"))]
        done = resnet("predict", self.model, "--json", *self.images[:2], *turned, *gray)
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 8))
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), 2, lines)
        self.assertIn(f"{turned[0]}: turned as its EXIF data says, which torchvision does not do", lines[0])
        self.assertIn(f"{gray[0]}: the high byte of its 16-bit gray is taken, where torchvision clips it to white", lines[1])
        self.assertEqual(resnet("predict", self.model, *turned, "--ignore-orientation").stderr, b"")
        self.assertEqual(resnet("predict", self.model, *self.images).stderr, b"")

    def test_a_bad_name_or_array_is_one_line(self):
        named = pictures.write(f"{self.folder.name}/odd/new\nline\x1b[31m.jpg", b"a text file")
        large = pictures.write(f"{self.folder.name}/odd/large.npy", pictures.npy([70000, 3, 1, 1], [0.5] * 210000))
        done = resnet("predict", self.model, "--json", self.images[0], named, large, self.images[1])
        self.assertEqual([json.loads(line)["path"] for line in done.stdout.splitlines()], self.images[:2])
        errors = done.stderr.decode().splitlines()
        self.assertEqual(len(errors), 3, errors)
        self.assertIn("new\\x0aline\\x1b[31m.jpg", errors[0])
        self.assertIn("large.npy: input: batch, height and width must be at most 65535", errors[1])
        self.fails(1, "large.npy", self.model, large)

    def test_output_that_cannot_be_written(self):
        for arguments in (["predict", self.model, *self.images], ["predict", self.model, self.images[0]],
                          ["predict", "--help"], ["--version"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([os.environ["RESNET"], *arguments], stdout=full, stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr), (1, b"resnet: cannot write to standard output\n"), arguments)
        closed = subprocess.run(["sh", "-c", '"$RESNET" predict 2>&-'], check=False)  # nowhere to complain
        self.assertEqual(closed.returncode, 2)

    def test_says_what_is_assumed(self):
        bare = f"{self.folder.name}/bare-m.safetensors"
        picture = pictures.write(f"{self.folder.name}/32.png", pictures.png(32, 32))
        self.fails(0, "preprocessing assumed: size 32x32", bare, picture)
        self.assertEqual(resnet("predict", bare, picture, "--preset", "cifar").stderr, b"")

    def test_refuses_nonsense(self):
        image = self.images[0]
        self.fails(1, "there is no such file", self.model, "/absent.jpg")
        self.fails(1, "/absent.safetensors", "/absent.safetensors", image)
        self.fails(1, "is a directory", self.folder.name, image)
        empty = f"{self.folder.name}/empty"
        os.makedirs(empty, exist_ok=True)
        self.fails(1, "no pictures", self.model, empty)
        self.fails(1, "did you mean resnet50", self.model, image, "--arch", "resent50")
        self.fails(2, "--top", self.model, image, "--top", "0")
        self.fails(2, "--top", self.model, image, "--top", "many")
        self.fails(2, "--threads", self.model, image, "--threads", "-1")
        self.fails(2, "--csv", self.model, image, "--csv", "--json")
        self.fails(2, "PICTURES is required", self.model)


if __name__ == "__main__":
    unittest.main()
