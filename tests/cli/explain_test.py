"""resnet explain, features and similar: their files, their JSON, classes by name, bad pictures, other models."""
import json
import os
import re
import struct
import tempfile
import unittest
import zlib

import pictures
from pictures import resnet

NAMES = ["dog", "cat", "cow"]


def read_npy(path):
    """The arrays that stand in a file, each as (shape, values or bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    arrays = []
    while data:
        length, = struct.unpack("<H", data[8:10])
        header = eval(data[10:10 + length].decode())  # a dictionary that the program wrote
        data = data[10 + length:]
        count = 1
        for size in header["shape"]:
            count *= size
        if header["descr"] == "<f4":
            arrays.append((header["shape"], struct.unpack(f"<{count}f", data[:4 * count])))
            data = data[4 * count:]
        else:
            arrays.append((header["shape"], data[:count]))
            data = data[count:]
    return arrays


def png_size(path):
    """Width and height; every chunk's checksum must hold."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place = 8
    while place < len(data):
        length, = struct.unpack(">I", data[place:place + 4])
        chunk = data[place + 4:place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length:place + 12 + length])[0] == zlib.crc32(chunk)
        place += 12 + length
    return struct.unpack(">II", data[16:24])


class ExplainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.model = pictures.small_model(root, "m.safetensors", NAMES)
        cls.unnamed = pictures.small_model(root, "unnamed.safetensors")
        cls.photos = [pictures.write(f"{root}/photos/{i}.png", pictures.png(50 + i, 40, i)) for i in range(5)]

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def good(self, *arguments, **options):
        done = resnet(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def fails(self, status, text, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def test_json_names(self):
        out = f"{self.root}/sheets"
        lines = self.good("explain", self.model, f"{self.root}/photos", "-o", out, "--json").splitlines()
        self.assertEqual(len(lines), 5)
        for i, line in enumerate(lines):
            result = json.loads(line)
            self.assertEqual(list(result), ["path", "method", "layer", "index", "class", "probability", "map", "largest",
                                            "output"])
            self.assertEqual((result["path"], result["output"]), (self.photos[i], f"{out}/{i}-explained.png"))
            self.assertEqual((result["method"], result["layer"], result["map"]), ("cam", "layer2", [16, 16]))
            self.assertEqual(result["class"], NAMES[result["index"]])
            self.assertEqual(png_size(result["output"])[0], 880)
        top = json.loads(self.good("predict", self.model, self.photos[0], "--json"))["top"][0]
        first = json.loads(lines[0])
        self.assertEqual((first["index"], first["probability"]), (top["index"], top["probability"]))

    def test_raw(self):
        raw = f"{self.root}/raw.npy"
        lines = self.good("explain", self.model, *self.photos[:2], "--raw", raw, "--json").splitlines()
        (shape, values), = read_npy(raw)
        self.assertEqual(shape, (2, 16, 16))
        for i, line in enumerate(lines):
            result = json.loads(line)
            self.assertIsNone(result["output"], "no pictures were asked for")
            self.assertAlmostEqual(max(values[256 * i:256 * (i + 1)]), result["largest"], 6)
        self.good("explain", self.model, self.photos[1], "--raw", raw)
        (shape, alone), = read_npy(raw)
        self.assertEqual((shape, alone), ((16, 16), values[256:]))

    def test_classes(self):
        by_name = self.good("explain", self.model, self.photos[0], "--class", "cow", "--raw", f"{self.root}/a.npy",
                            "--json")
        self.assertEqual(json.loads(by_name)["index"], 2)
        by_index = self.good("explain", self.model, self.photos[0], "--class", "2", "--raw", f"{self.root}/b.npy",
                             "--json")
        self.assertEqual(json.loads(by_name), json.loads(by_index))
        self.fails(1, "did you mean 'cow'", "explain", self.model, self.photos[0], "--class", "cov")
        self.fails(2, "must end in .npy", "explain", self.model, self.photos[0], "--raw", f"{self.root}/a.txt")
        self.fails(1, "cannot be made a directory", "explain", self.model, self.photos[0], "-o", self.photos[1])
        self.fails(1, "give an index, 0 to 2", "explain", self.unnamed, self.photos[0], "--class", "dog")
        self.good("explain", self.unnamed, self.photos[0], "--class", "1", "--raw", f"{self.root}/c.npy")
        self.fails(2, "speaks for no class", "explain", self.model, self.photos[0], "--class", "cow", "--method",
                   "eigen")

    def test_methods(self):
        for method in ("ablation", "eigen"):
            for layer, size in (("layer1", 32), ("layer2", 16)):
                result = json.loads(self.good("explain", self.model, self.photos[0], "--method", method, "--layer",
                                              layer, "-o", f"{self.root}/{method}", "--json"))
                self.assertEqual((result["method"], result["layer"], result["map"]), (method, layer, [size, size]))
                self.assertEqual(result["class"] is None, method == "eigen")
        self.fails(1, "cam explains layer2", "explain", self.model, self.photos[0], "--layer", "layer1")
        self.fails(1, "there is no 'layer3'", "explain", self.model, self.photos[0], "--layer", "layer3", "--method",
                   "eigen")
        self.fails(2, "--method", "explain", self.model, self.photos[0], "--method", "grad")

    def test_names_do_not_collide(self):
        pictures.write(f"{self.root}/twin/0.png", pictures.png(40, 40))
        out = f"{self.root}/twins"
        self.good("explain", self.model, self.photos[0], f"{self.root}/twin/0.png", "-o", out)
        self.assertEqual(sorted(os.listdir(out)), ["0-2-explained.png", "0-explained.png"])

    def test_other_inputs(self):
        out = f"{self.root}/others"
        with open(self.photos[0], "rb") as file:
            self.good("explain", self.model, "-", "-o", out, stdin=file.read())
        array = pictures.write(f"{self.root}/array.npy", pictures.npy((1, 3, 24, 40), [0.1] * (3 * 24 * 40)))
        self.good("explain", self.model, array, "-o", out)
        self.assertEqual(sorted(os.listdir(out)), ["array-explained.png", "stdin-explained.png"])
        two = pictures.write(f"{self.root}/two.npy", pictures.npy((2, 3, 8, 8), [0.1] * 384))
        self.fails(1, "an array of 2 pictures instead of one", "explain", self.model, two, "-o", out)

    def test_bad_pictures(self):
        bad = pictures.write(f"{self.root}/bad/1.jpg", b"a text file")
        self.fails(1, "1.jpg", "explain", self.model, bad)
        self.fails(1, "1.jpg", "features", self.model, bad, "-o", f"{self.root}/bad.npy")
        self.assertFalse(os.path.exists(f"{self.root}/bad.npy"))
        for command, option in (("explain", ["-o", f"{self.root}/rest"]), ("features", ["-o", f"{self.root}/rest.npy"])):
            done = resnet(command, self.model, bad, self.photos[0], *option)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"1 of 2 inputs could not be read", done.stderr)
        self.assertEqual(os.listdir(f"{self.root}/rest"), ["0-explained.png"])
        self.assertEqual(read_npy(f"{self.root}/rest.npy")[0][0], (1, 16))

    def test_features(self):
        path = f"{self.root}/f.npy"
        done = json.loads(self.good("features", self.model, f"{self.root}/photos", "-o", path, "--json"))
        self.assertEqual(done, {"images": 5, "size": 16, "layer": "avgpool", "output": path})
        (shape, values), (_, notes) = read_npy(path)
        self.assertEqual(shape, (5, 16))
        notes = json.loads(notes)
        self.assertEqual(notes["paths"], self.photos)
        self.assertEqual((notes["model"], notes["layer"]), (self.model, "avgpool"))
        self.good("features", self.model, f"{self.root}/photos", "-o", f"{self.root}/f.csv")
        with open(f"{self.root}/f.csv", encoding="utf-8") as file:
            rows = [line.rstrip("\n").split(",") for line in file]
        self.assertEqual(rows[0], ["path", *(f"f{i}" for i in range(16))])
        self.assertEqual([row[0] for row in rows[1:]], self.photos)
        for i, row in enumerate(rows[1:]):
            for k, value in enumerate(row[1:]):
                self.assertAlmostEqual(float(value), values[16 * i + k], 5)
        self.good("features", self.model, self.photos[0], "-o", path, "--layer", "layer1")
        self.assertEqual(read_npy(path)[0][0], (1, 8))
        self.fails(2, "must end in .npy or .csv", "features", self.model, self.photos[0], "-o", "x.txt")
        self.fails(1, "there is no 'fc'", "features", self.model, self.photos[0], "-o", path, "--layer", "fc")

    def test_similar(self):
        index = f"{self.root}/index.npy"
        self.good("features", self.model, f"{self.root}/photos", "-o", index)
        sheet = f"{self.root}/sheet.png"
        found = json.loads(self.good("similar", index, self.photos[3], "--top", "3", "--json", "--contact-sheet", sheet))
        self.assertEqual(list(found), ["path", "matches"])
        self.assertEqual(len(found["matches"]), 3)
        self.assertEqual(list(found["matches"][0]), ["path", "row", "cosine"])
        self.assertEqual((found["matches"][0]["path"], found["matches"][0]["row"]), (self.photos[3], 3))
        cosines = [match["cosine"] for match in found["matches"]]
        self.assertAlmostEqual(cosines[0], 1, 5)
        self.assertEqual(cosines, sorted(cosines, reverse=True))
        (_, values), _ = read_npy(index)
        rows = [values[16 * i:16 * (i + 1)] for i in range(5)]

        def cosine(a, b):
            product = sum(x * y for x, y in zip(a, b))
            return product / (sum(x * x for x in a) * sum(x * x for x in b)) ** 0.5

        for match in found["matches"]:
            self.assertAlmostEqual(match["cosine"], cosine(rows[match["row"]], rows[3]), 5)
        self.assertGreater(png_size(sheet)[1], 200)

    def test_similar_refuses_another_model(self):
        index = f"{self.root}/index2.npy"
        self.good("features", self.model, f"{self.root}/photos", "-o", index)
        self.fails(1, "made with another model", "similar", index, self.photos[0], "--model", self.unnamed)
        moved = f"{self.root}/moved.safetensors"
        os.rename(self.model, moved)
        try:
            self.fails(1, "--model says where it is", "similar", index, self.photos[0])
            self.good("similar", index, self.photos[0], "--model", moved)
        finally:
            os.rename(moved, self.model)
        self.fails(1, "photos", "similar", f"{self.root}/photos", self.photos[0])
        self.fails(1, "not a .npy file", "similar", self.photos[0], self.photos[0])
        plain = pictures.write(f"{self.root}/plain.npy", pictures.npy((2, 16), [0.5] * 32))
        self.fails(1, "an array alone, not an index", "similar", plain, self.photos[0])

    def test_similar_prepares_as_the_index_did(self):
        turned = os.path.join(os.environ["RESNET_SOURCE_DIR"], "tests", "golden", "image", "exif-6.jpg")
        index = f"{self.root}/index4.npy"
        self.good("features", self.model, turned, "-o", index, "--ignore-orientation")
        found = json.loads(self.good("similar", index, turned, "--json"))
        self.assertAlmostEqual(found["matches"][0]["cosine"], 1, 5)

    def test_similar_refuses_other_channels(self):
        index = f"{self.root}/index5.npy"
        self.good("features", self.model, self.photos[0], "-o", index)
        with open(index, "rb") as file:
            data = file.read()
        for key in (b"mean", b"std"):  # one value for each of three channels, in as many bytes
            whole = re.search(b'"' + key + rb'":\[([^]]*)\]', data)
            one = whole[1].split(b",")[0]
            data = data.replace(whole[0], b'"' + key + b'":[' + one.ljust(len(whole[1])) + b"]")
        array = pictures.write(f"{self.root}/array.npy", pictures.npy((1, 3, 32, 32), [0.5] * 3072))
        self.fails(1, "of 1 channels, but the network takes 3", "similar", pictures.write(index, data), array)

    @unittest.skipIf(pictures.SANITIZED, "a sanitizer keeps what was freed")
    def test_features_take_no_more_memory_for_more_pictures(self):
        folder = os.path.join(self.root, "many")
        for i in range(600):
            pictures.write(f"{folder}/{i}.png", pictures.png(40, 40, i))
        few = pictures.peak("features", self.model, *(f"{folder}/{i}.png" for i in range(40)), "-o", f"{self.root}/few.npy")[1]
        many = pictures.peak("features", self.model, folder, "-o", f"{self.root}/many.npy")[1]
        self.assertLess(many - few, 4 << 20)  # all their tensors would be 7 MB

    def test_similar_goes_on_without_a_picture(self):
        gone = pictures.write(f"{self.root}/gone/x.png", pictures.png(40, 40))
        index, sheet = f"{self.root}/index3.npy", f"{self.root}/sheet3.png"
        self.good("features", self.model, gone, self.photos[0], "-o", index)
        os.remove(gone)
        done = resnet("similar", index, self.photos[0], "--contact-sheet", sheet)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"x.png", done.stderr)
        self.assertGreater(png_size(sheet)[0], 400)
        self.fails(1, "nowhere", "similar", index, self.photos[0], "--contact-sheet", f"{self.root}/nowhere/sheet.png")


if __name__ == "__main__":
    unittest.main()
