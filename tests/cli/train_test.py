"""resnet train: a small run from pictures to a model that predicts; resumption bit for bit; bad input and faults."""
import array
import csv
import glob
import json
import math
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import pictures
from pictures import resnet, tensors

TRAINER = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")
NETWORK = ["--arch", "resnet20", "--depths", "1,1", "--widths", "8,16", "--size", "16", "--crop", "padded", "--padding", "2"]
SHORT = [*NETWORK, "--batch", "8", "--epochs", "3", "--lr", "0.05", "--val", "0.25", "--ema", "0.9"]


def picture(kind, seed):
    """A kind of picture that a small network can tell from others."""
    return pictures.png(16, 16, seed * 3 + kind * 40, 3) if kind < 3 else b""


@unittest.skipUnless(os.path.exists(TRAINER), "built without the trainer")
@unittest.skipIf(pictures.SANITIZED, "runs long beside a sanitizer")
class TrainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = cls.temporary.name
        cls.data = f"{cls.root}/data"
        for kind, name in enumerate(("ant", "bee", "cow")):
            for i in range(24):
                pictures.write(f"{cls.data}/{name}/{i:02}.png", picture(kind, i))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def out(self):
        return tempfile.mkdtemp(dir=self.root)

    def train(self, out, *arguments, data=None):
        return resnet("train", "--data", self.data if data is None else data, "--out", out, *arguments)

    def trained(self, *arguments):
        out = self.out()
        done = self.train(out, *SHORT, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out, done

    def fails(self, text, *arguments, status=1, **options):
        out = options.pop("out", None) or self.out()
        done = self.train(out, *arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        return out

    def weights(self, out):
        with open(sorted(glob.glob(f"{out}/checkpoints/*.safetensors"))[-1], "rb") as file:
            data = file.read()
        size = int.from_bytes(data[:8], "little")
        return data[8 + size:]

    def start(self, out, *arguments):
        return subprocess.Popen([os.environ["RESNET"], "train", "--data", self.data, "--out", out, *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_a_run_leaves_a_model_and_its_story(self):
        out, done = self.trained("--json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line.get("epoch") for line in lines[:-1]], [1, 2, 3])
        self.assertEqual(lines[-1]["end"], "finished")
        self.assertEqual(lines[-1]["best"], f"{out}/best.safetensors")
        with open(f"{out}/metrics.csv") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 3)
        self.assertAlmostEqual(float(rows[2]["val_top1"]), lines[2]["val_top1"])
        self.assertEqual(len(glob.glob(f"{out}/events.out.tfevents.*")), 1)
        with open(f"{out}/report.html") as file:
            self.assertIn("<svg", file.read())
        predicted = resnet("predict", f"{out}/best.safetensors", f"{self.data}/bee/00.png", "--json")
        self.assertEqual(predicted.returncode, 0, predicted.stderr)
        self.assertIn(json.loads(predicted.stdout)["top"][0]["class"], ("ant", "bee", "cow"))
        recipe = json.loads(resnet("inspect", f"{out}/best.safetensors", "--json").stdout)["metadata"]["training.recipe"]
        self.assertIn('data = "data"\n', recipe)  # not where this machine has it
        best = max(max(line["val_top1"], line["ema_top1"]) for line in lines[:-1])
        self.assertEqual(lines[-1]["best_top1"], best)

    def test_resumes_bit_for_bit(self):
        """Killed at random moments, also within epochs, and gone on with: the same weights, momenta and averages."""
        self.resumes(6, "--stochastic-depth", "0.2")

    def test_resumes_bit_for_bit_with_everything_that_is_kept_or_drawn(self):
        self.resumes(3, "--optimizer", "adamw", "--lr", "0.005", "--mixup", "0.2", "--accumulate", "2", "--ema", "0.8")

    def resumes(self, steps_per_epoch, *more):
        arguments = [*SHORT, "--checkpoint-steps", "2", "--seed", "5", "--epochs", "6", *more]
        whole = self.out()
        done = self.train(whole, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        out, choice = self.out(), random.Random(7)
        for _ in range(3):
            before = set(glob.glob(f"{out}/checkpoints/*.safetensors"))
            process = self.start(out, *arguments, "--resume")
            deadline = time.time() + 60
            while process.poll() is None and time.time() < deadline:  # until it works
                if set(glob.glob(f"{out}/checkpoints/*.safetensors")) - before:
                    break
                time.sleep(0.01)
            time.sleep(choice.random() * 0.1)
            process.kill()
            process.communicate()
            newest = max(glob.glob(f"{out}/checkpoints/*.safetensors"))
            if int(newest[-22:-12]) % steps_per_epoch == 0:
                os.remove(newest)  # that of an epoch's end: the one before is within
        done = self.train(out, *arguments, "--resume")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.weights(out), self.weights(whole))
        self.assertEqual(tensors(f"{out}/best.safetensors"), tensors(f"{whole}/best.safetensors"))
        again = self.train(out, *arguments, "--resume")  # a run that is over stays as it is
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(self.weights(out), self.weights(whole))

    def test_a_damaged_checkpoint_is_passed_over_loudly(self):
        out, _ = self.trained()
        newest = sorted(glob.glob(f"{out}/checkpoints/*"))[-1]
        with open(newest, "r+b") as file:
            file.seek(-100, os.SEEK_END)
            file.write(b"\0" * 50 + b"\xff" * 50)
        expected = self.weights(self.trained()[0])
        done = self.train(out, *SHORT, "--resume")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{newest}: its checksum does not fit", done.stderr.decode())
        self.assertEqual(self.weights(out), expected)

    def test_signals_write_a_checkpoint(self):
        for sent in (signal.SIGINT, signal.SIGTERM):
            out = self.out()
            process = self.start(out, *SHORT, "--epochs", "100000")
            while not os.path.exists(f"{out}/metrics.csv"):
                self.assertIsNone(process.poll())
                time.sleep(0.02)
            process.send_signal(sent)
            _, said = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 128 + sent, said)
            self.assertIn(b"--resume goes on", said)
            self.assertTrue(glob.glob(f"{out}/checkpoints/*.safetensors"))

    def test_a_second_signal_ends_at_once(self):
        """The only step is the whole epoch, seconds long; a signal alone would wait for its end."""
        out = self.out()
        process = self.start(out, "--arch", "resnet20", "--size", "128", "--batch", "2", "--accumulate", "36", "--epochs", "1",
                             "--threads", "1")
        while not os.path.exists(f"{out}/recipe.toml"):
            self.assertIsNone(process.poll())
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, said)
        self.assertEqual(said, b"resnet: finishing this batch and writing a checkpoint; again to stop now\n")
        self.assertFalse(os.path.exists(f"{out}/checkpoints"))

    def test_what_is_no_number_stops_the_run_and_is_never_kept(self):
        """Too high a rate: the loss is none in the end, or, where they are looked at before, the weights."""
        wild = [*SHORT, "--lr", "1000", "--momentum", "0.99", "--epochs", "50", "--weight-decay", "10", "--zero-init", "false"]
        weights = "a weight or what is kept beside the weights is no longer a finite number after"
        for more, text, per_epoch, per_step in (([], "the loss is -?nan in", 6, 1),
                                                (["--accumulate", "2"], "the loss is -?nan in", 6, 2),
                                                (["--checkpoint-steps", "1"], weights, 6, 1),
                                                (["--checkpoint-steps", "1", "--accumulate", "2"], weights, 6, 2),
                                                (["--batch", "27"], weights, 2, 1)):  # at the end of an epoch
            out = self.out()
            done = self.train(out, *wild, *more)
            self.assertEqual(done.returncode, 1, done.stderr)
            said = re.fullmatch(rf"resnet: step (\d+): {text} batch (\d+) of epoch (\d+), at learning rate ([0-9.]+)(; .*)\n",
                                done.stderr.decode())
            self.assertTrue(said, done.stderr)
            step, batch, epoch = map(int, said.groups()[:3])
            self.assertEqual(step, -(-((epoch - 1) * per_epoch + batch) // per_step), said[0])
            if text == weights:
                self.assertEqual(batch % per_step, 0, said[0])
                self.assertIn("nothing was saved", said[0])
            rate = 500 * (1 + math.cos(math.pi * (step - 1) * per_step / (50 * per_epoch)))
            self.assertAlmostEqual(float(said[4]), rate, delta=1e-6)
            kept = glob.glob(f"{out}/checkpoints/*") + glob.glob(f"{out}/best.safetensors")
            newest = max(glob.glob(f"{out}/checkpoints/*"), default="none")
            self.assertIn(f"the newest checkpoint is {newest}", said[5])
            for path in kept:
                for name, values in tensors(path).items():
                    if not name.endswith("num_batches_tracked"):
                        self.assertTrue(all(map(math.isfinite, array.array("f", values))), (path, name))

    def test_patience_ends_a_run_early(self):
        out, done = self.trained("--patience", "2", "--epochs", "40", "--lr", "1e-9", "--json")
        *epochs, result = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(result["end"], "early")
        top1 = [max(epoch["val_top1"], epoch["ema_top1"]) for epoch in epochs]
        self.assertEqual(result["best_epoch"], top1.index(max(top1)) + 1)
        self.assertEqual(len(epochs), result["best_epoch"] + 2)
        self.assertLess(len(epochs), 40)
        again = self.train(out, *SHORT, "--patience", "2", "--epochs", "40", "--lr", "1e-9", "--json", "--resume")
        self.assertEqual([json.loads(line) for line in again.stdout.splitlines()], [result])  # and stays so

    def test_fine_tuning_replaces_the_head_and_keeps_what_is_frozen(self):
        out, _ = self.trained()
        model = f"{out}/best.safetensors"
        two = f"{self.root}/two"
        for kind, name in enumerate(("dog", "elk")):
            for i in range(16):
                pictures.write(f"{two}/{name}/{i}.png", picture(kind, i))
        tuned = self.out()
        done = self.train(tuned, "--from", model, "--freeze", "all-but-head", "--epochs", "2", "--batch", "8", "--crop", "none",
                          data=two)
        self.assertEqual(done.returncode, 0, done.stderr)
        before, after = tensors(model), tensors(f"{tuned}/best.safetensors")
        for name in before:
            if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
                self.assertEqual(before[name], after[name], name)
        self.assertEqual(len(after["fc.bias"]), 2 * 4)
        for frozen in ("head", "stem,head"):
            out = self.fails("freeze: the head is a new one", "--from", model, "--freeze", frozen, "--batch", "8", data=two)
            self.assertEqual(os.listdir(out), [])
        done = self.train(self.out(), "--from", model, "--freeze", "head", "--epochs", "1", "--batch", "8", "--crop", "none")
        self.assertEqual(done.returncode, 0, done.stderr)  # the same classes: nothing is new

    def test_blocks_begin_as_identities_where_every_channel_can_learn(self):
        """Channels that a padding shortcut fills with zeros would stay zero for ever behind a batch norm that starts at zero."""
        for shortcut, learns in (("padding", True), ("projection", False)):
            out, _ = self.trained("--shortcut", shortcut, "--epochs", "1", "--lr", "1e-6")
            weight = tensors(f"{out}/best.safetensors")["layer2.0.bn2.weight"]
            for value in struct.unpack(f"<{len(weight) // 4}f", weight):
                self.assertAlmostEqual(value, 1 if learns else 0, delta=1e-3)

    def test_nonsense_is_found_before_any_work(self):
        recipe = pictures.write(f"{self.root}/bad.toml", b"epochs = 3\nlr = nan\n")
        out = self.fails(f"{recipe}: line 2: lr: nan is not between", "--recipe", recipe)
        self.assertEqual(os.listdir(out), [])
        for value in ("nan", "-1", "1e400", "zero"):
            self.fails("--lr: ", "--lr", value)
        self.fails("--epochs", "--epochs", "0")
        self.fails("resnet51", "--arch", "resnet51")
        self.fails("--batch: 1000 pictures are more than the 54 that there are", *SHORT, "--batch", "1000")
        self.fails("class-weights: 2 values for 3 classes", *SHORT, "--class-weights", "1,2")
        self.fails("no CUDA", *SHORT, "--device", "cuda")
        for arguments, text in ((["--device", "gpu"], "device: 'gpu' is none of"),
                                (["--class-weights", "0,0,0"], "class-weights: one of them must be above 0"),
                                (["--mean", "0,0", "--std", "1,1"], "mean: pictures have one channel or three"),
                                (["--stage-lr", "stem=1,stem=2"], "stage-lr: stem stands twice")):
            self.fails(text, *SHORT, *arguments)
        self.fails("fp16 needs CUDA", *SHORT, "--precision", "fp16")
        self.fails("freeze", *SHORT, "--freeze", "layer7")
        self.fails("data: is missing", data="")
        self.fails("/absent", *SHORT, data="/absent")
        self.fails("cannot", *SHORT, out="/proc/nowhere")
        empty = f"{self.root}/empty"
        os.makedirs(empty, exist_ok=True)
        self.fails(empty, *SHORT, data=empty)
        bad = f"{self.root}/bad"
        shutil.copytree(self.data, bad, dirs_exist_ok=True)
        pictures.write(f"{bad}/ant/zero.png", b"")
        self.fails("zero.png", *SHORT, data=bad)
        done = self.train(self.out(), *SHORT, "--bad-images", "skip", "--epochs", "1", data=bad)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"zero.png", done.stderr)
        self.assertIn(b"epoch 1: unreadable pictures left out: 1", done.stderr)
        hollow = f"{self.root}/hollow"
        for name in ("ant", "bee"):
            for i in range(16):
                pictures.write(f"{hollow}/{name}/{i}.png", b"")
        for validation, text in ([], b"no picture of epoch 1 could be read"), (["--val", "0.25"], b"none of its pictures could be read"):
            done = self.train(self.out(), *NETWORK, *validation, "--bad-images", "skip", "--epochs", "1", "--batch", "8", data=hollow)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)

    def test_a_batch_of_classes_that_weigh_nothing_is_named(self):
        out = self.fails("--class-weights: all pictures of batch", *SHORT, "--batch", "2", "--class-weights", "0,0,1")
        self.assertFalse(os.path.exists(f"{out}/best.safetensors"))
        recipe = pictures.write(f"{self.root}/weights.toml", b"class_weights = [0, 0, 1]\nbatch = 2\n")
        self.fails(f"{recipe}: line 1: class_weights: all pictures of batch", *NETWORK, "--epochs", "1", "--recipe", recipe)
        self.trained("--class-weights", "0,1,1", "--batch", "36", "--epochs", "1")

    def test_says_once_what_torchvision_does_otherwise(self):
        data = f"{self.root}/turned"
        shutil.copytree(self.data, data, dirs_exist_ok=True)
        golden = f"{os.environ['RESNET_SOURCE_DIR']}/tests/golden/image"
        for i in range(3):
            shutil.copy(f"{golden}/exif-6.jpg", f"{data}/ant/exif-{i}.jpg")
            pictures.write(f"{data}/bee/wide-{i}.png", pictures.gray16([[(x * y * 91) % 65536 for x in range(16)] for y in range(16)]))
        done = self.train(self.out(), *SHORT, "--crop", "resized", "--resize", "16", data=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = sorted(done.stderr.decode().splitlines())
        self.assertEqual(len(lines), 2, lines)
        self.assertRegex(lines[0], r"ant/exif-\d.jpg: turned as its EXIF data says, which torchvision does not do")
        self.assertRegex(lines[1], r"bee/wide-\d.png: the high byte of its 16-bit gray is taken")

    def test_pictures_beyond_max_pixels_are_bad_ones(self):
        data = f"{self.root}/large"
        shutil.copytree(self.data, data, dirs_exist_ok=True)
        pictures.write(f"{data}/ant/large.png", pictures.png(40, 30))
        self.fails("large.png: 40x30 pixels, more than the 1000 that max-pixels allows", *SHORT, "--max-pixels", "1000", "--resize", "16",
                   "--crop", "resized", data=data)

    def test_refuses_batch_norms_that_see_one_value(self):
        """Their variance would be 0, and the model nonsense: said before anything is learned, with what changes it."""
        stages = ["--block", "basic", "--depths", "1,1,1,1", "--widths", "8,8,8,8", "--stem-width", "8", "--crop", "none",
                  "--epochs", "1", "--lr", "0.01"]
        deep = [*stages, "--stem", "imagenet"]
        out = self.fails("--batch: 1 picture of 32x32 gives the batch norm layer4.0.bn1 an input of 1x8x1x1, one value per "
                         "channel, and that has no variance to learn from: take --batch 2 or more, or --size 33 or more",
                         *deep, "--size", "32", "--batch", "1")
        self.assertEqual(os.listdir(out), [])
        self.fails("layer3.0.bn1", *deep, "--size", "16", "--batch", "1", "--accumulate", "4")
        self.fails("take --batch 2 or more, or --size 9 or more", *stages, "--stem", "cifar", "--size", "8", "--batch", "1")
        for more in (["--size", "32", "--batch", "2"], ["--size", "33", "--batch", "1"]):
            done = self.train(self.out(), *deep, *more)
            self.assertEqual(done.returncode, 0, done.stderr)
        model = f"{self.root}/deep.safetensors"
        made = resnet("init", "--block", "basic", "--depths", "1,1,1,1", "--widths", "8,8,8,8", "--stem-width", "8",
                      "--classes", "5", "-o", model)
        self.assertEqual(made.returncode, 0, made.stderr)
        tuned = ["--from", model, "--epochs", "1", "--lr", "0.01", "--crop", "none", "--size", "32", "--batch", "1"]
        self.fails("layer4.0.bn1", *tuned, "--freeze", "stem,layer1")
        for frozen in ("all-but-head", "layer4"):  # frozen ones keep their statistics
            done = self.train(self.out(), *tuned, "--freeze", frozen)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_leaves_out_a_batch_of_which_one_picture_is_left(self):
        """Where that is one value for a batch norm; with `skip` a run does not end at a batch that no resumption passes."""
        half = f"{self.root}/half"
        pictures.write(f"{half}/ant/0.png", picture(0, 0))
        for i, name in enumerate(("ant", "bee", "bee")):
            pictures.write(f"{half}/{name}/bad{i}.png", b"")
        done = self.train(self.out(), *NETWORK, "--depths", "1,1,1,1,1", "--widths", "8,8,8,8,8", "--crop", "none", "--batch", "4",
                          "--epochs", "1", "--bad-images", "skip", "--lr", "0.01", data=half)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"epoch 1: batch 1 is left out: too few of its pictures can be read to learn from it\n", done.stderr)
        self.assertIn(b"no picture of epoch 1 could be read", done.stderr)
        done = self.train(self.out(), *NETWORK, "--crop", "none", "--batch", "4", "--epochs", "1", "--bad-images", "skip",
                          "--lr", "0.01", data=half)  # enough pixels for statistics of one picture
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_recipe_that_ships_is_read(self):
        """What is wrong is the data alone, which are looked for after the recipe was read and checked."""
        recipes = glob.glob(os.path.join(os.environ["RESNET_SOURCE_DIR"], "recipes", "*.toml"))
        self.assertGreater(len(recipes), 3)
        for recipe in recipes:
            self.fails("resnet: /absent: there is no such file", "--recipe", recipe, data="/absent")

    def test_says_what_is_missing_where_the_trainer_is_not(self):
        alone = self.out()
        shutil.copy(os.environ["RESNET"], f"{alone}/resnet")
        for command in ("train", "study"):
            done = subprocess.run([f"{alone}/resnet", command, "--data", self.data, "--out", f"{alone}/run"], capture_output=True,
                                  check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{alone}/resnet-train: the trainer is not there", done.stderr.decode())
            self.assertIn("LibTorch", done.stderr.decode())
        self.assertEqual(os.listdir(alone), ["resnet"])

    def test_a_checkpoint_is_a_file_of_weights(self):
        """For every command, and as good as the model of the same epoch; the newest weights of it, not their average."""
        out = self.out()
        done = self.train(out, *NETWORK, "--batch", "8", "--epochs", "2", "--lr", "0.05", "--ema", "0.5", "--mean", "0.4,0.5,0.6",
                          "--std", "0.2,0.3,0.4")
        self.assertEqual(done.returncode, 0, done.stderr)
        checkpoint = sorted(glob.glob(f"{out}/checkpoints/*.safetensors"))[-1]
        kept = {name[4:]: value for name, value in tensors(checkpoint).items() if name.startswith("net.")}
        converted, onnx, pth = f"{out}/converted.safetensors", f"{out}/m.onnx", f"{out}/m.pth"
        for command in (["convert", checkpoint, converted], ["convert", checkpoint, pth], ["export", checkpoint, onnx],
                        ["bench", checkpoint, "--batch", "1"], ["summary", checkpoint], ["inspect", checkpoint],
                        ["features", checkpoint, self.data, "-o", f"{out}/f.npy"],
                        ["similar", f"{out}/f.npy", f"{self.data}/bee/00.png"],
                        ["explain", checkpoint, f"{self.data}/bee/00.png", "-o", f"{out}/explained"],
                        ["quantize", checkpoint, self.data, "-o", f"{out}/int8.safetensors", "--min-agreement", "0"],
                        ["compare", checkpoint, f"{out}/best.safetensors", self.data]):
            done = resnet(*command)
            self.assertEqual(done.returncode, 0, (command, done.stderr))
            self.assertNotIn(b"assumed", done.stderr, command)  # it says how pictures are prepared
        self.assertEqual(tensors(converted), kept)
        ours, best = (json.loads(resnet("inspect", path, "--json").stdout)["metadata"] for path in (converted, f"{out}/best.safetensors"))
        self.assertEqual(ours, {key: value for key, value in best.items() if not key.startswith("training.")})
        answers = [resnet("predict", path, self.data, "--json", "--logits").stdout for path in (checkpoint, converted)]
        self.assertEqual(*answers)
        self.assertIn(b'"class":"bee"', answers[0])
        self.assertEqual(*(resnet("eval", path, self.data).stdout.splitlines()[:3] for path in (checkpoint, converted)))
        tuned = self.out()
        done = self.train(tuned, "--from", checkpoint, "--epochs", "1", "--batch", "8", "--lr", "1e-12", "--crop", "none",
                          "--freeze", "all-but-head", "--optimizer", "sgd")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(tensors(f"{tuned}/best.safetensors")["conv1.weight"], kept["conv1.weight"])  # and its head is kept:
        head, before = (array.array("f", source["fc.weight"]) for source in (tensors(f"{tuned}/best.safetensors"), kept))
        self.assertLess(max(abs(a - b) for a, b in zip(head, before)), 1e-6)

    def test_another_recipe_is_another_run_and_its_way_is_named(self):
        out, _ = self.trained()
        way = f"and --resume goes on as it was begun; begin a new run with --from {out}/best.safetensors in another --out\n"
        self.fails(f"resnet: --epochs: 12, but the run was begun with 3 ({out}/recipe.toml), {way}", *SHORT, "--resume", "--epochs", "12",
                   out=out)
        longer = pictures.write(f"{self.root}/longer.toml", b"lr = 0.05\nepochs = 12\n")
        said = self.train(out, "--recipe", longer, "--resume").stderr.decode()
        self.assertEqual(said, f"resnet: {longer}: line 2: epochs: 12, but the run was begun with 3 ({out}/recipe.toml), {way}")
        self.fails("--widths: [8, 8], but the run was begun with [8, 16]", *SHORT, "--resume", "--widths", "8,8", out=out)
        done = self.train(self.out(), "--from", f"{out}/best.safetensors", "--epochs", "1", "--batch", "8")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_run_is_not_mixed_with_another(self):
        out, _ = self.trained()
        self.fails("holds a run already", *SHORT, out=out)
        self.fails("lr: 0.01, but the run was begun with 0.05", *SHORT, "--resume", "--lr", "0.01", out=out)
        other = self.out()
        shutil.copytree(f"{out}/checkpoints", f"{other}/checkpoints")
        self.fails("is a checkpoint of another network", *SHORT, "--widths", "8,8", "--resume", out=other)
        self.fails("holds a run already", *SHORT, out=other)  # also without its recipe
        renamed = f"{self.root}/renamed"
        shutil.copytree(self.data, renamed, dirs_exist_ok=True)
        first = sorted(os.listdir(renamed))[0]
        os.rename(f"{renamed}/{first}", f"{renamed}/zebra")
        self.fails("has learned other classes", *SHORT, "--resume", out=out, data=renamed)

    def test_optimisers_schedules_and_regularisers_learn(self):
        for arguments in (["--optimizer", "adamw", "--lr", "0.005", "--schedule", "polynomial", "--warmup-epochs", "1"],
                          ["--optimizer", "lamb", "--lr", "0.02", "--clip", "1", "--accumulate", "2"],
                          ["--schedule", "one_cycle", "--mixup", "0.2", "--cutmix", "1", "--label-smoothing", "0.1"],
                          ["--precision", "bf16", "--class-weights", "1,2,1"],
                          ["--schedule", "step", "--step-epochs", "2", "--patience", "1"]):
            if "bf16" in arguments and not pictures.LIBTORCH:
                self.fails("precision: this build trains in fp32", *SHORT, *arguments)
                arguments = arguments[2:]
            out, _ = self.trained(*arguments)
            with open(f"{out}/metrics.csv") as file:
                rows = list(csv.DictReader(file))
            self.assertTrue(all(math.isfinite(float(row["train_loss"])) for row in rows), arguments)


if __name__ == "__main__":
    unittest.main()
