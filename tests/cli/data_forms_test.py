"""One data set in every form: directories, archives of all kinds, CIFAR's files as they are handed out."""
import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile
import unittest
import zipfile

import pictures
from pictures import resnet

NAMES = ["dog", "cat", "cow"]
CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def cifar_pixels(i):
    """Planes of red, green and blue."""
    return bytes((x * (c + 1) * 3 + y * 5 + i * 37) % 256 for c in range(3) for y in range(32) for x in range(32))


def short(text):
    return b"U" + bytes([len(text)]) + text.encode()


def cifar_pickle(labels, first):
    """As Python 2 wrote the files that are handed out, opcode by opcode."""
    data = b"".join(cifar_pixels(first + i) for i in range(len(labels)))
    array = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1M" + struct.pack("<H", len(labels)) +
             b"M\0\x0c\x86cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T" +
             struct.pack("<I", len(data)) + data + b"tb")
    return (b"\x80\2}(" + short("batch_label") + short("training batch 1 of 1") + short("labels") + b"](" +
            b"".join(b"K" + bytes([label]) for label in labels) + b"e" + short("data") + array + short("filenames") + b"](" +
            b"".join(short(f"{i}.png") for i in range(len(labels))) + b"eu.")


class DataFormsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.model = pictures.small_model(root, "m.safetensors", NAMES)
        for i in range(24):
            name = NAMES[0] if i < 16 else NAMES[i % 2 + 1]
            folder = ("", "2019/", "2020/summer/")[i % 3]
            pictures.write(f"{root}/pets/{name}/{folder}{i:02}.png", pictures.png(36, 44, i))
        pictures.write(f"{root}/pets/README.txt", b"pets")
        pictures.write(f"{root}/pets/.cache/cow/x.png", b"never looked at")
        cls.forms = [f"{root}/pets", cls.tar("dot.tar", "pets", "."), cls.tar("folder.tar", "pets", "pets"),
                     cls.tar("deep.tar", "pets", "home/me/pets")]
        with open(cls.forms[1], "rb") as file:
            plain = file.read()
        for ending, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
            cls.forms.append(pictures.write(f"{root}/dot.tar{ending}", pack(plain)))
        if shutil.which("zstd"):
            packed = subprocess.run(["zstd", "-c"], input=plain, capture_output=True, check=True).stdout
            cls.forms.append(pictures.write(f"{root}/dot.tar.zst", packed))
        for name, method in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)):
            cls.forms.append(cls.zip(name, "pets", "" if method else "pets/", method))
        cls.shards()
        cls.forms.append(f"{root}/shard-{{00..02}}.tar")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def tar(cls, name, folder, arcname, mode="w"):
        path = f"{cls.root}/{name}"
        with tarfile.open(path, mode) as tar:
            tar.add(f"{cls.root}/{folder}", arcname)
        return path

    @classmethod
    def zip(cls, name, folder, prefix, method):
        path = f"{cls.root}/{name}"
        with zipfile.ZipFile(path, "w", method) as archive:
            for place, _, names in os.walk(f"{cls.root}/{folder}"):
                for file in names:
                    inside = os.path.relpath(f"{place}/{file}", f"{cls.root}/{folder}")
                    archive.write(f"{place}/{file}", prefix + inside)
        return path

    @classmethod
    def shards(cls):
        files = sorted(os.path.relpath(f"{place}/{name}", cls.root) for place, _, names in os.walk(f"{cls.root}/pets")
                       for name in names)
        for i in range(3):
            with tarfile.open(f"{cls.root}/shard-{i:02}.tar", "w") as tar:
                for name in files[i::3]:
                    tar.add(f"{cls.root}/{name}", "./" + name)

    def ok(self, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def evaluate(self, *arguments, model=None):
        done = self.ok("eval", model or self.model, "--json", *arguments)
        result = json.loads(done.stdout)
        del result["images_per_second"]
        return result, done.stderr.decode()

    def fails(self, text, *arguments, status=1):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def test_all_forms_are_one_set(self):
        expected, said = self.evaluate(self.forms[0])
        self.assertEqual((expected["images"], said), (24, ""))
        for form in self.forms[1:]:
            result, said = self.evaluate(form)
            self.assertEqual(said, "", form)
            self.assertAlmostEqual(result.pop("loss"), expected["loss"], 5, form)
            self.assertEqual(result, {key: value for key, value in expected.items() if key != "loss"}, form)

    def test_limits_take_the_same_pictures_of_all_classes(self):
        expected = {}
        for form in self.forms:
            for limit in (3, 6, 10):
                page = f"{self.root}/page.html"
                result, _ = self.evaluate(form, "--limit", limit, "--report", page)
                counts = {of["class"]: of["images"] for of in result["classes"]}
                self.assertEqual(counts, {3: {"dog": 1, "cat": 1, "cow": 1}, 6: {"dog": 2, "cat": 2, "cow": 2},
                                          10: {"dog": 3, "cat": 4, "cow": 3}}[limit], form)
                expected.setdefault(limit, result["loss"])
                self.assertAlmostEqual(result["loss"], expected[limit], 5, form)

    def test_calibration_takes_the_same_pictures_in_all_forms(self):
        layers = None
        for form in self.forms:
            done = self.ok("quantize", self.model, form, "--limit", 6, "--json", "--min-agreement", 0, "-o",
                           f"{self.root}/int8.safetensors")
            report = json.loads(done.stdout)
            self.assertEqual(report["images"], 6)
            ranges = [(layer["low"], layer["high"]) for layer in report["layers"]]
            layers = layers or ranges
            for (low, high), (other_low, other_high) in zip(ranges, layers):
                self.assertAlmostEqual(low, other_low, 4, form)
                self.assertAlmostEqual(high, other_high, 4, form)

    def test_parts_are_told_of(self):
        for part in ("train", "val"):
            shutil.copytree(f"{self.root}/pets", f"{self.root}/parts/{part}")
        for form in (f"{self.root}/parts", self.tar("parts.tar", "parts", "parts"),
                     self.zip("parts.zip", "parts", "", zipfile.ZIP_DEFLATED)):
            result, said = self.evaluate(form)
            self.assertEqual(result["images"], 48)
            self.assertEqual(said, f"resnet: {form} consists of train and val: all of them are judged; --only val takes one\n")
            result, said = self.evaluate(form, "--only", "val")
            self.assertEqual((result["images"], said), (24, ""))

    def test_a_file_twice_in_an_archive_counts_once(self):
        path = self.tar("twice.tar", "pets", ".")
        with tarfile.open(path, "a") as tar:
            data = pictures.png(36, 44, 99)
            for name in ("dog/00.png", "./dog/00.png"):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        pictures.write(f"{self.root}/changed/dog/00.png", data)
        result, _ = self.evaluate(path)
        shutil.copytree(f"{self.root}/pets", f"{self.root}/changed", dirs_exist_ok=True)
        pictures.write(f"{self.root}/changed/dog/00.png", data)
        expected, _ = self.evaluate(f"{self.root}/changed")
        self.assertEqual(result["images"], 24)
        self.assertAlmostEqual(result["loss"], expected["loss"], 5)

    def test_pairs_come_in_any_order(self):
        names = [f"{i}.{ending}" for i in range(6) for ending in ("png", "cls")]
        for i in range(6):
            pictures.write(f"{self.root}/samples/{i}.png", pictures.png(36, 44, i))
            pictures.write(f"{self.root}/samples/{i}.cls", str(i % 3).encode())
        expected = None
        for order in (names, names[::-1], sorted(names), sorted(names, key=lambda name: name.endswith("png"))):
            with tarfile.open(f"{self.root}/samples.tar", "w") as tar:
                for name in order:
                    tar.add(f"{self.root}/samples/{name}", name)
            result, said = self.evaluate(f"{self.root}/samples.tar")
            self.assertEqual((result["images"], said), (6, ""))
            expected = expected or result["loss"]
            self.assertAlmostEqual(result["loss"], expected, 5)
        self.assertAlmostEqual(self.evaluate(f"{self.root}/samples")[0]["loss"], expected, 5)
        bare = pictures.small_model(self.root, "unnamed.safetensors")
        self.assertEqual(self.evaluate(f"{self.root}/samples.tar", model=bare), (result, ""))  # 2 is output 2

    def test_folders_that_are_numbers_fit_by_index(self):
        for i, name in enumerate(NAMES):
            shutil.copytree(f"{self.root}/pets/{name}", f"{self.root}/numbers/{i}")
        expected, _ = self.evaluate(self.forms[0])
        result, said = self.evaluate(f"{self.root}/numbers")
        self.assertEqual(said, f"resnet: {self.root}/numbers: its folders 0, 1, 2 are taken for the indexes of the classes of "
                               f"{self.model}\n")
        self.assertEqual(result["wrong_top1"], expected["wrong_top1"])
        self.assertAlmostEqual(result["loss"], expected["loss"], 5)
        compared = self.ok("compare", self.model, self.model, f"{self.root}/numbers", "--json")
        self.assertEqual(json.loads(compared.stdout)["a"]["wrong_top1"], expected["wrong_top1"])

    def test_imagenets_folders_fit_a_model_of_its_classes(self):
        model = pictures.small_model(self.root, "imagenet.safetensors", outputs=1000)
        losses = []
        for kind, names in (("ids", ("n01440764", "n02123045", "n15075141")), ("indices", ("0", "281", "999")),
                            ("names", ("tench", "tabby", "toilet tissue"))):
            for i, name in enumerate(names):
                pictures.write(f"{self.root}/{kind}/{name}/1.png", pictures.png(36, 44, i))
            result, said = self.evaluate(f"{self.root}/{kind}", model=model)
            self.assertEqual("indexes" in said, kind == "indices")
            losses.append(result["loss"])
        self.assertAlmostEqual(losses[0], losses[1], 5)
        self.assertAlmostEqual(losses[0], losses[2], 5)

    def test_what_is_not_read_is_named(self):
        path = pictures.write(f"{self.root}/pets.7z", b"7z\xbc\xaf\x27\x1c" + bytes(100))
        self.fails("is a 7z archive, which is not read: repack it as .tar", "eval", self.model, path)
        with open(f"{self.root}/deflated.zip", "rb") as file:
            data = file.read()
        cut = pictures.write(f"{self.root}/cut.zip", data[:-30])
        self.fails("cut.zip: the zip directory is missing", "eval", self.model, cut)
        bomb = pictures.write(f"{self.root}/bomb.tar.xz", lzma.compress(bytes(120 << 20)))
        self.fails("bomb.tar.xz: ", "eval", self.model, bomb)


class CifarTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = root = cls.temporary.name
        cls.model = pictures.small_model(root, "m.safetensors", CIFAR)
        labels = [i % 10 for i in range(20)]
        records = b"".join(bytes([label]) + cifar_pixels(i) for i, label in enumerate(labels))
        test = b"".join(bytes([9 - i]) + cifar_pixels(20 + i) for i in range(10))
        names = "".join(name + "\n" for name in CIFAR) + "\n"
        meta = (b"\x80\2}(" + short("num_cases_per_batch") + b"M\x10\x27" + short("label_names") + b"](" +
                b"".join(short(name) for name in CIFAR) + b"eu.")
        files = {"binary": {"cifar-10-batches-bin/data_batch_1.bin": records, "cifar-10-batches-bin/batches.meta.txt":
                            names.encode(), "cifar-10-batches-bin/readme.html": b"x", "cifar-10-batches-bin/test_batch.bin": test},
                 "python": {"cifar-10-batches-py/batches.meta": meta, "cifar-10-batches-py/test_batch":
                            cifar_pickle([9 - i for i in range(10)], 20), "cifar-10-batches-py/data_batch_1":
                            cifar_pickle(labels, 0)}}
        cls.forms = []
        for version, of_version in files.items():
            path = f"{root}/cifar-10-{version}.tar.gz"
            with tarfile.open(path, "w:gz") as tar:
                for name, data in of_version.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                    pictures.write(f"{root}/{name}", data)
            cls.forms += [path, f"{root}/{os.path.dirname(name)}"]

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def ok(self, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_both_versions_are_judged_alike(self):
        results = []
        for form in self.forms:
            done = self.ok("eval", self.model, form, "--json", "--only", "test")
            self.assertEqual(done.stderr, b"")
            results.append(json.loads(done.stdout))
            del results[-1]["images_per_second"]
            self.assertEqual(results[-1]["images"], 10)
            self.assertAlmostEqual(results[-1]["loss"], results[0]["loss"], 5)
            self.assertEqual(json.loads(self.ok("eval", self.model, form, "--json").stdout)["images"], 30)
            done = self.ok("compare", self.model, self.model, form, "--json", "--limit", 10)
            self.assertEqual([of["images"] for of in json.loads(done.stdout)["classes"]], [1] * 10)

    def test_both_versions_calibrate(self):
        for form in self.forms:
            done = self.ok("quantize", self.model, form, "--only", "train", "-o", f"{self.root}/int8.safetensors", "--json",
                           "--min-agreement", 0)
            self.assertEqual(json.loads(done.stdout)["images"], 20)

    def test_nothing_in_a_pickle_is_executed(self):
        path = f"{self.root}/evil/data_batch_1"
        pictures.write(path, b"\x80\2cos\nsystem\nU\x1etouch " + f"{self.root}/x".encode().ljust(24) + b"\x85R.")
        done = resnet("eval", self.model, f"{self.root}/evil")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"os.system", done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertFalse(os.path.exists(f"{self.root}/x"))


if __name__ == "__main__":
    unittest.main()
