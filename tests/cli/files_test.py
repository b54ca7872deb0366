"""Files as other programs treat them: models and pictures that change while they are in use, outputs that replace
something, interrupts, and standard streams that are closed."""
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

import pictures
from pictures import resnet

PROGRAM = os.environ["RESNET"]
TRAINER = os.path.join(os.path.dirname(PROGRAM), "resnet-train")


def wait_for(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited too long for {what}")
        time.sleep(0.01)


class FilesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.TemporaryDirectory()
        cls.root = cls.made.name
        cls.model = pictures.small_model(cls.root, "m.safetensors", ["cat", "cow", "dog"])
        cls.picture = pictures.write(f"{cls.root}/p.png", pictures.png(47, 40, 1))

    @classmethod
    def tearDownClass(cls):
        cls.made.cleanup()

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        self.addCleanup(self.temporary.cleanup)

    def ok(self, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def fails(self, text, *arguments):
        done = resnet(*arguments)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)


class ModelsThatChangeTest(FilesTest):
    """What was loaded stays as it was, or an error names the file."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, seed in (("a", 1), ("b", 2)):
            done = resnet("init", "--block", "basic", "--depths", "1,1", "--widths", "64,320", "--stem", "cifar",
                          "--classes", 3, "--seed", seed, "--calibrated", "-o", f"{cls.root}/{name}.safetensors")
            assert done.returncode == 0, done.stderr
            done = resnet("convert", f"{cls.root}/{name}.safetensors", f"{cls.root}/{name}.pth")
            assert done.returncode == 0, done.stderr
        cls.bytes = pictures.png(32, 32, 1)
        cls.picture = pictures.write(f"{cls.root}/small.png", cls.bytes)

    def logits(self, model):
        return json.loads(self.ok("predict", model, self.picture, "--json", "--logits").stdout)["logits"]

    def predict_after(self, model, change):
        """The model is loaded, changed, and only then asked."""
        program = subprocess.Popen([PROGRAM, "predict", model, "-", "--json", "--logits"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        def waits():  # for its standard input: the model is loaded then
            with open(f"/proc/{program.pid}/syscall") as file:
                return file.read().startswith("0 0x0 ")
        try:
            try:
                wait_for(waits, "the model to be loaded")
            except PermissionError:
                time.sleep(2)
            change()
            out, err = program.communicate(self.bytes, timeout=120)
        finally:
            program.kill()
        return program.returncode, out, err.decode()

    def check(self, kind, change, survives):
        live = f"{self.folder}/live{kind}"
        shutil.copyfile(f"{self.root}/a{kind}", live)
        expected = self.logits(live)
        status, out, err = self.predict_after(live, lambda: change(live, f"{self.root}/b{kind}"))
        if status == 0:
            self.assertEqual(json.loads(out)["logits"], expected)
        else:
            self.assertFalse(survives, err)
            self.assertEqual((status, out), (1, b""), err)
            self.assertIn(f"resnet: {live}: another program has written to it", err)
            self.assertEqual(err.count("\n"), 1 + err.count("assumed"), err)

    def test_overwritten(self):
        for kind in ".safetensors", ".pth":
            self.check(kind, lambda live, other: shutil.copyfile(other, live), False)

    def test_overwritten_with_the_time_that_it_had(self):
        def change(live, other):
            old = os.stat(live)
            shutil.copyfile(other, live)
            os.utime(live, ns=(old.st_atime_ns, old.st_mtime_ns))
        self.check(".safetensors", change, False)

    def test_shortened(self):
        self.check(".safetensors", lambda live, other: os.truncate(live, 100), False)
        self.check(".pth", lambda live, other: os.truncate(live, 3 << 20), False)

    def test_replaced_renamed_and_removed(self):
        self.check(".safetensors", lambda live, other: os.replace(shutil.copyfile(other, live + ".new"), live), True)
        self.check(".safetensors", lambda live, other: os.rename(live, live + ".old"), True)
        self.check(".safetensors", lambda live, other: os.unlink(live), True)
        self.check(".pth", lambda live, other: os.chmod(live, 0o600), True)

    def test_small_models_stay(self):
        live = f"{self.folder}/live.safetensors"
        shutil.copyfile(self.model, live)
        expected = self.logits(live)
        status, out, err = self.predict_after(live, lambda: os.truncate(live, 10))
        self.assertEqual(status, 0, err)
        self.assertEqual(json.loads(out)["logits"], expected)

    def test_pictures_that_shrink(self):
        large = pictures.png(3000, 2000)
        path = f"{self.folder}/large.png"
        for delay in (0.0, 0.02, 0.05, 0.1, 0.2):
            pictures.write(path, large)
            program = subprocess.Popen([PROGRAM, "predict", self.model, path], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            time.sleep(delay)
            os.truncate(path, 1000)
            _, err = program.communicate()
            self.assertIn(program.returncode, (0, 1), err)
            self.assertTrue(program.returncode == 0 or err.decode().startswith(f"resnet: {path}: "), err)


class ClosedStreamsTest(FilesTest):
    """What a command writes is the same whatever stream is closed, and nothing that is printed ends in it."""

    CLOSED = ("2>&-", ">&-", "<&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i, name in enumerate(("cat", "cow", "dog")):
            pictures.write(f"{cls.root}/data/{name}/{i}.png", pictures.png(40, 40, i))
        pictures.write(f"{cls.root}/data/cow/bad.png", b"no picture")

    def run_closed(self, closed, *arguments):
        return subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", PROGRAM, *map(str, arguments)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def files_of(self, closed, arguments, output):
        done = self.run_closed(closed, *arguments, output)
        with open(output, "rb") as file:
            data = file.read()
        os.unlink(output)
        return done.returncode, data

    def check(self, arguments, output):
        expected = self.files_of("", arguments, output)
        for closed in self.CLOSED:
            status, data = self.files_of(closed, arguments, output)
            self.assertEqual(data, expected[1], closed)
            # Nothing that is printed is lost without an error.
            self.assertIn(status, (expected[0], 1) if ">&- " in closed + " " else (expected[0],), closed)

    def test_features(self):
        data = f"{self.root}/data/cow", f"{self.root}/data/dog"
        self.check(["features", self.model, *data, "-o"], f"{self.folder}/f.npy")
        self.check(["features", self.model, *data, "-o"], f"{self.folder}/f.csv")

    def test_models_and_pages(self):
        self.check(["convert", self.model], f"{self.folder}/c.safetensors")
        self.check(["export", self.model], f"{self.folder}/c.onnx")
        self.check(["draw", "resnet18", "-o"], f"{self.folder}/d.svg")
        for closed in self.CLOSED:  # it names times
            page = f"{self.folder}/page.html"
            self.run_closed(closed, "eval", self.model, f"{self.root}/data", "--skip-bad", "--report", page)
            with open(page, encoding="utf-8") as file:
                text = file.read()
            self.assertTrue(text.startswith("<!DOCTYPE html>"), closed)
            self.assertTrue(text.rstrip().endswith("</html>"), closed)

    def test_streams_fail_as_closed_ones_do(self):
        done = self.run_closed(">&-", "predict", self.model, self.picture)
        self.assertEqual((done.returncode, done.stderr), (1, b"resnet: cannot write to standard output\n"))
        for arguments in (["inspect", self.model], ["summary", "resnet152"]):  # more than a buffer holds
            for closed in (">&-", ">/dev/full"):
                done = self.run_closed(closed, *arguments)
                self.assertEqual((done.returncode, done.stderr), (1, b"resnet: cannot write to standard output\n"))
        done = self.run_closed("<&-", "predict", self.model, "-")
        self.assertEqual((done.returncode, done.stderr),
                         (1, b"resnet: standard input: cannot read: Bad file descriptor\n"))

    @unittest.skipUnless(os.path.exists(TRAINER), "no trainer")
    def test_training(self):
        self.ok("make-dataset", "shapes", "--out", f"{self.folder}/shapes", "--size", 32, "--train", 20, "--val", 10)
        sums = set()
        for number, closed in enumerate(("", *self.CLOSED)):
            out = f"{self.folder}/run{number}"
            self.run_closed(closed, "train", "--data", f"{self.folder}/shapes", "--arch", "resnet20", "--out",
                            out, "--epochs", 1, "--batch", 10, "--threads", 1)
            with open(f"{out}/best.safetensors", "rb") as file:
                sums.add(hashlib.sha256(file.read()).hexdigest())
        self.assertEqual(len(sums), 1)


class ReplacingTest(FilesTest):
    def other(self, name="out.safetensors", mode=0o644):
        path = shutil.copyfile(self.model, f"{self.folder}/{name}")
        os.chmod(path, mode)
        return path

    def listing(self):
        return sorted(os.listdir(self.folder))

    def test_rights_stay(self):
        bare = f"{self.root}/bare-m.safetensors"
        for mode in (0o600, 0o664, 0o755):
            path = self.other(mode=mode)
            self.ok("convert", bare, path)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)
            self.assertEqual(pictures.tensors(path), pictures.tensors(bare))
        self.assertEqual(self.listing(), ["out.safetensors"])

    def test_onto_itself(self):
        path = self.other(mode=0o600)
        expected = pictures.tensors(path)
        self.ok("convert", path, path)
        self.assertEqual(pictures.tensors(path), expected)

    def test_write_protected_files_are_refused_before_the_work(self):
        path = self.other(mode=0o444)
        with open(path, "rb") as file:
            before = file.read()
        absent = f"{self.folder}/absent"  # which would be told where the work had begun
        text = "is write-protected: it is not replaced"
        self.fails(text, "convert", absent, path)
        self.fails(text, "quantize", absent, absent, "-o", path)
        self.fails(text, "init", "resnet18", "-o", path)
        page = self.other("page.html", 0o444)
        self.fails(text, "features", self.model, self.picture, "-o", self.other("f.npy", 0o444))
        self.fails(text, "draw", "resnet18", "-o", self.other("d.svg", 0o444))
        self.fails(text, "export", absent, self.other("m.onnx", 0o444))
        self.fails(text, "preprocess", self.picture, "-o", self.other("t.npy", 0o444))
        os.makedirs(f"{self.folder}/data/cat")
        shutil.copy(self.picture, f"{self.folder}/data/cat")
        self.fails(text, "eval", self.model, f"{self.folder}/data", "--report", page)
        self.fails(text, "compare", self.model, self.model, f"{self.folder}/data", "--report", page)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(self.listing(), ["d.svg", "data", "f.npy", "m.onnx", "out.safetensors", "page.html", "t.npy"])

    def test_a_mount(self):
        path, source = self.other(mode=0o600), self.other("source.safetensors", 0o640)
        bare = f"{self.root}/bare-m.safetensors"
        script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", source, path, PROGRAM, "convert", bare, path],
                              capture_output=True, check=False)
        if b"unshare" in done.stderr or b"mount:" in done.stderr:
            self.skipTest("nothing can be mounted here")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.decode(), f"resnet: {path}: was written over in place, as it cannot be replaced: "
                         "Device or resource busy\n")
        self.assertEqual(pictures.tensors(source), pictures.tensors(bare))
        self.assertEqual(stat.S_IMODE(os.stat(source).st_mode), 0o640)
        self.assertEqual(self.listing(), ["out.safetensors", "source.safetensors"])

    def test_long_names(self):
        name = "n" * 238 + ".safetensors"  # 250 characters
        self.ok("convert", self.model, f"{self.folder}/{name}")
        self.ok("convert", self.model, f"{self.folder}/{name}")
        self.ok("make-dataset", "shapes", "--out", f"{self.folder}/{'d' * 250}", "--train", 10, "--val", 0)
        self.ok("features", self.model, self.picture, "-o", f"{self.folder}/{'f' * 246}.npy")
        self.assertEqual(self.listing(), ["d" * 250, "f" * 246 + ".npy", name])

    def test_sheets_of_pictures_with_long_names(self):
        stems = ["p" * 251, "p" * 250, "\u00fc" * 125, "short"]
        for stem in stems:
            pictures.write(f"{self.folder}/photos/{stem}.png", pictures.png(40, 40))
        self.ok("explain", self.model, f"{self.folder}/photos", "-o", f"{self.folder}/sheets")
        sheets = sorted(os.listdir(f"{self.folder}/sheets"))
        self.assertEqual(sheets, sorted(["p" * 241 + "-explained.png", "p" * 239 + "-2-explained.png",
                                         "\u00fc" * 120 + "-explained.png", "short-explained.png"]))

    def test_standard_output_is_written_to_as_it_is(self):
        page = f"{self.folder}/page.svg"
        script = f'echo begin > {page}; {{ "$1" draw resnet18 -o /dev/stdout; echo end; }} >> {page}'
        done = subprocess.run(["sh", "-c", script, "sh", PROGRAM], capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        with open(page, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual((lines[0], lines[-1]), ("begin", "end"))
        self.assertTrue(lines[1].startswith("<svg"))
        done = subprocess.run(["sh", "-c", '"$1" draw resnet18 -o /dev/stdout >&-', "sh", PROGRAM], capture_output=True,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (1, b"resnet: /dev/stdout: cannot write: Bad file descriptor\n"))

    def test_a_folder_that_is_there_stays(self):
        out = f"{self.folder}/shapes"
        os.mkdir(out)
        os.chmod(out, 0o700)
        number = os.stat(out).st_ino
        self.ok("make-dataset", "shapes", "--out", out, "--train", 10, "--val", 10)
        self.assertEqual(sorted(os.listdir(out)), ["train", "val"])
        self.assertEqual((os.stat(out).st_ino, stat.S_IMODE(os.stat(out).st_mode)), (number, 0o700))


class InterruptsTest(FilesTest):
    SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

    def check(self, arguments, number, before=(), times=1):
        program = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   cwd=self.folder)
        try:
            # Something has been begun that is not to stay.
            wait_for(lambda: len(os.listdir(self.folder)) > len(before) or program.poll() is not None, "a file")
            for _ in range(times):
                program.send_signal(number)
                time.sleep(0.01)
            _, err = program.communicate(timeout=60)
        finally:
            program.kill()
        self.assertEqual(program.returncode, -number, err)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(before))

    def test_features(self):
        os.mkfifo(f"{self.root}/pipe")
        self.addCleanup(os.unlink, f"{self.root}/pipe")
        for number in self.SIGNALS:
            for name in ("f.npy", "f.csv"):
                self.check(["features", self.model, f"{self.root}/pipe", "-o", name], number)

    def test_make_dataset(self):
        for number in self.SIGNALS:
            self.check(["make-dataset", "shapes", "--out", "shapes", "--train", 100000], number)
        self.check(["make-dataset", "shapes", "--out", "shapes", "--train", 100000], signal.SIGINT, times=2)
        # Pictures that take long to draw hold nobody up.
        begin = time.monotonic()
        self.check(["make-dataset", "shapes", "--out", "shapes", "--train", 100000, "--size", 1024], signal.SIGINT)
        if not pictures.SANITIZED:
            self.assertLess(time.monotonic() - begin, 10)

    def test_reports(self):
        data = f"{self.root}/many/cat"
        pictures.write(f"{data}/0.png", pictures.png(600, 600))
        for i in range(1, 2000):
            os.link(f"{data}/0.png", f"{data}/{i}.png")
        for number in self.SIGNALS:
            self.check(["eval", self.model, f"{self.root}/many", "--report", "page.html"], number)
        self.check(["compare", self.model, self.model, f"{self.root}/many", "--report", "page.html"], signal.SIGTERM)

    def test_what_was_there_stays(self):
        path = shutil.copyfile(self.model, f"{self.folder}/f.npy")
        os.mkfifo(f"{self.root}/pipe")
        self.addCleanup(os.unlink, f"{self.root}/pipe")
        self.check(["features", self.model, f"{self.root}/pipe", "-o", "f.npy"], signal.SIGINT, ["f.npy"])
        with open(path, "rb") as now, open(self.model, "rb") as before:
            self.assertEqual(now.read(), before.read())

    def test_a_broken_pipe(self):
        """`resnet ... | head` ends quietly, and leaves nothing either."""
        reading, writing = os.pipe()
        os.close(reading)
        many = [self.picture] * 200
        done = subprocess.run([PROGRAM, "explain", self.model, *many, "--raw", "maps.npy"], stdout=writing,
                              stderr=subprocess.PIPE, cwd=self.folder, check=False)
        os.close(writing)
        self.assertEqual((done.returncode, done.stderr), (-signal.SIGPIPE, b""))
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_limit_on_sizes(self):
        script = 'ulimit -f 8 && exec "$@"'
        done = subprocess.run(["sh", "-c", script, "sh", PROGRAM, "init", "resnet18", "-o", f"{self.folder}/m.pth"],
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr.decode()),
                         (1, f"resnet: {self.folder}/m.pth: cannot write: File too large\n"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_ignored_signals_stay_ignored(self):
        os.mkfifo(f"{self.root}/pipe")
        self.addCleanup(os.unlink, f"{self.root}/pipe")
        program = subprocess.Popen(["nohup", PROGRAM, "features", self.model, f"{self.root}/pipe", "-o", "f.csv"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
        wait_for(lambda: os.listdir(self.folder), "a file")
        program.send_signal(signal.SIGHUP)
        with open(self.picture, "rb") as source, open(f"{self.root}/pipe", "wb") as pipe:
            pipe.write(source.read())
        self.assertEqual(program.wait(60), 0)
        self.assertEqual(os.listdir(self.folder), ["f.csv"])


if __name__ == "__main__":
    unittest.main()
