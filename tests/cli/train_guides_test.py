"""resnet train before its first step: what is found then, what is said, what is chosen where nobody says it."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import pictures
from pictures import resnet

TRAINER = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")
SMALL = ["--arch", "resnet20", "--depths", "1,1", "--widths", "8,16", "--crop", "padded", "--padding", "2"]
ONE = ["--epochs", "1", "--batch", "8", "--lr", "0.05"]


def folder_of(root, sizes, classes=("ant", "bee")):
    """Pictures of these sides, as many of each class."""
    for kind, name in enumerate(classes):
        for i, side in enumerate(sizes):
            pictures.write(f"{root}/{name}/{i:02}.png", pictures.png(side, side, i * 3 + kind * 40))
    return root


def said(done):
    """The lines before the first step."""
    lines = done.stdout.decode().split("\n\n", 1)[0].splitlines()
    return dict(re.match(r"(\w+) +(.*)", line).groups() for line in lines)


@unittest.skipUnless(os.path.exists(TRAINER), "built without LibTorch")
class TrainGuidesTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = self.temporary.name
        self.data = folder_of(f"{self.root}/photos", [16] * 20)

    def out(self):
        return tempfile.mkdtemp(dir=self.root)

    def train(self, *arguments, out=None, data=None):
        return resnet("train", "--data", data or self.data, "--out", out or self.out(), *arguments)

    def trained(self, *arguments, **options):
        done = self.train(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def fails(self, text, *arguments, status=1, **options):
        """Before anything is learned: nothing is in the folder."""
        out = self.out()
        done = self.train(*arguments, out=out, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertEqual(done.stdout, b"")
        self.assertEqual([name for name in os.listdir(out) if name != "lock"], [])

    def test_pictures_of_another_size_are_found_in_both_sets(self):
        large = folder_of(f"{self.root}/large", [64] * 10)
        small = folder_of(f"{self.root}/small", [32] * 10)
        cifar = [*SMALL, *ONE, "--preset", "cifar"]
        text = "64x64 pixels, but 32x32 are expected and nothing is resized (10 of 10 pictures have another size); --resize 32 would"
        self.fails(text.replace("10 of 10", "20 of 20") + ", and --size 64 takes them as they are", *cifar, data=large)
        self.fails("large/ant/00.png: 64x64 pixels, but 32x32 are expected", *cifar, "--val", large, data=small)
        self.fails("large/ant/00.png: 64x64 pixels", *cifar, "--val", large, "--crop", "resized", data=large)
        self.fails("large/ant/00.png: 64x64 pixels", *cifar, "--val", large, "--bad-images", "skip", data=small)
        for way_out in (["--resize", "32"], ["--size", "64"]):
            self.trained(*cifar, "--val", "0.2", *way_out, data=large)

    def test_one_picture_among_many_is_found(self):
        pictures.write(f"{self.data}/bee/19.png", pictures.png(16, 17))
        self.fails("bee/19.png: 16x17 pixels, but 16x16 are expected and nothing is resized (1 of 40 pictures have another size)",
                   *SMALL, *ONE, "--size", "16")
        skipped = self.trained(*SMALL, *ONE, "--size", "16", "--bad-images", "skip")
        self.assertIn(b"bee/19.png: 16x17 pixels", skipped.stderr)

    def test_pictures_to_validate_with_are_read_first(self):
        val = folder_of(f"{self.root}/val", [16] * 3)
        with open(f"{val}/bee/02.png", "r+b") as file:
            file.truncate(os.path.getsize(file.name) - 30)
        resized = [*SMALL, *ONE, "--size", "16", "--resize", "16", "--val", val]
        self.fails("val/bee/02.png", *resized)
        self.trained(*resized, "--bad-images", "skip")
        for name in os.listdir(f"{val}/bee"):
            pictures.write(f"{val}/bee/{name}", b"")
            pictures.write(f"{val}/ant/{name}", b"")
        done = self.train(*resized, "--bad-images", "skip")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"resnet: validation: none of its pictures could be read\n", done.stderr)
        self.assertEqual(done.stdout, b"")

    def test_labels_are_compared_first(self):
        self.fails("holds one class alone, 'ant'", *SMALL, *ONE, data=folder_of(f"{self.root}/one", [16] * 4, ["ant"]))
        other = folder_of(f"{self.root}/other", [16] * 4, ["ant", "wasp"])
        self.fails("the class 'wasp' is none of the 2 classes", *SMALL, *ONE, "--size", "16", "--val", other)
        fewer = folder_of(f"{self.root}/fewer", [16] * 4, ["ant"])
        done = self.trained(*SMALL, *ONE, "--size", "16", "--val", fewer)
        self.assertEqual(said(done)["validation"], f"4 pictures of {fewer}; none of bee")

    def test_files_that_cannot_be_written_are_found_first(self):
        out = self.out()
        os.makedirs(f"{out}/best.safetensors")
        done = self.train(*SMALL, *ONE, "--size", "16", out=out)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{out}/best.safetensors: is a directory", done.stderr.decode())
        self.assertEqual(done.stdout, b"")

    def test_a_full_disk_is_found_first(self):
        mount = f"{self.root}/disk"
        os.makedirs(mount)
        inside = [os.environ["RESNET"], "train", "--data", self.data, "--out", f"{mount}/run", *SMALL, *ONE, "--size", "16",
                  "--stem-width", "64", "--widths", "64,128"]
        command = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size=2m none {mount} || exit 99; exec \"$@\"", "sh", *inside]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except FileNotFoundError:
            self.skipTest("no unshare")
        if done.returncode == 99 or b"unshare" in done.stderr:
            self.skipTest("no disk of its own may be mounted here")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr.decode(), r"/disk/run: the run needs [\d.]+ MB there, and the disk has [\d.]+ MB left: free some, or name another --out\n")
        self.assertEqual(done.stdout, b"")

    def test_says_what_it_is_going_to_do(self):
        out = self.out()
        done = self.trained(*SMALL, *ONE, "--size", "16", "--val", "0.1", out=out)
        plan = said(done)
        self.assertEqual(list(plan), ["data", "validation", "input", "changes", "network", "machine", "training", "rate", "output"])
        self.assertEqual(plan["data"], f"{self.data}: 36 pictures of 2 classes: ant, bee")
        self.assertEqual(plan["validation"], "4 pictures, 0.1 of each class, drawn by seed 0")
        self.assertTrue(plan["input"].startswith("16x16, as the pictures are; RGB, mean"), plan)
        self.assertRegex(plan["network"], r"^resnet, [\d,]+ parameters, first weights drawn by seed 0$")
        self.assertRegex(plan["machine"], r"^cpu, \d+ threads?, fp32$")
        self.assertEqual(plan["training"], "1 epoch of 4 steps of 8 pictures; 4 pictures left over in each epoch, others each time")
        self.assertIn(f"{out}: best.safetensors (", plan["output"])
        self.assertIn("epoch 1/1", done.stdout.decode())
        alone = said(self.trained(*SMALL, *ONE, "--size", "16"))
        self.assertIn("none, so nobody knows how good the network is", alone["validation"])
        lines = self.trained(*SMALL, *ONE, "--size", "16", "--json").stdout.splitlines()
        self.assertEqual([json.loads(line).get("epoch") for line in lines], [1, None])

    def test_chooses_what_nobody_says(self):
        first = self.out()
        self.trained(*SMALL, *ONE, "--size", "16", out=first)
        out = self.out()
        done = self.trained("--from", f"{first}/best.safetensors", "--crop", "none", out=out)
        plan = said(done)
        self.assertEqual(plan["chosen"], "batch, lr, epochs to suit data and machine; --batch, --lr, --epochs would say otherwise")
        self.assertEqual(plan["training"], "15 epochs of 8 steps of 5 pictures")
        self.assertIn("measured just now", plan["time"])
        self.assertIn("epoch 15/15", done.stdout.decode())
        with open(f"{out}/recipe.toml") as file:
            recipe = file.read()
        for line in ("batch = 5\n", "epochs = 15\n", "lr = 0.0015625\n"):
            self.assertIn(line, recipe)
        again = self.trained("--from", f"{first}/best.safetensors", "--crop", "none", "--resume", out=out)  # with the same
        self.assertIn(b"is that of the last epoch", again.stderr)
        self.assertEqual(json.loads(resnet("inspect", f"{out}/best.safetensors", "--json").stdout)["architecture"]["classes"], 2)
        self.assertEqual(said(self.trained(*SMALL, "--size", "16", "--epochs", "1"))["chosen"].split(" to ")[0], "batch, lr")

    def test_a_resnet_18_where_nobody_says_another(self):
        done = self.trained("--size", "32", "--resize", "32", "--epochs", "1", "--batch", "16")
        self.assertTrue(said(done)["network"].startswith("resnet18, "), done.stdout)
        self.assertTrue(said(done)["input"].startswith("32x32 out of the centre, the shorter side resized to 32 (bilinear)"), done.stdout)

    def test_keeps_the_preprocessing_of_the_model(self):
        first = self.out()
        self.trained(*SMALL, *ONE, "--size", "16", "--mean", "0.4,0.5,0.6", "--std", "0.2,0.3,0.4", out=first)
        recipe = os.path.join(os.environ["RESNET_SOURCE_DIR"], "recipes", "finetune.toml")
        out = self.out()
        self.trained("--recipe", recipe, "--from", f"{first}/best.safetensors", "--epochs", "2", "--batch", "8", out=out)
        ours, theirs = (json.loads(resnet("inspect", f"{run}/best.safetensors", "--json").stdout)["metadata"]["resnet.preprocessing"]
                        for run in (out, first))
        self.assertEqual(ours, theirs)

    def test_takes_what_is_said_of_a_foreign_file(self):
        first, bare = self.out(), f"{self.root}/bare.pth"
        self.trained(*SMALL, *ONE, "--size", "16", out=first)
        self.assertEqual(resnet("convert", f"{first}/best.safetensors", bare).returncode, 0)
        start = ["--from", bare, *ONE, "--size", "16", "--resize", "16", "--crop", "none"]
        out = self.out()
        done = self.trained(*start, out=out)
        notes = done.stderr.decode()
        self.assertIn(f"{bare}: assumed, as its tensors do not tell: ", notes)
        self.assertIn("--stem-pool ", notes)
        self.assertIn(f"preprocessing assumed, as {bare} does not say it: 16x16", notes)
        told = self.out()
        done = self.trained(*start, "--stem-pool", "max_2x2", "--activation", "silu", out=told)
        self.assertNotIn("--stem-pool", done.stderr.decode())
        found = json.loads(resnet("inspect", f"{told}/best.safetensors", "--json").stdout)["architecture"]
        self.assertEqual((found["stem_pool"], found["activation"]), ("max_2x2", "silu"))
        again = self.trained(*start, "--stem-pool", "max_2x2", "--activation", "silu", "--resume", out=told)
        self.assertIn(b"is that of the last epoch", again.stderr)
        self.trained(*start, "--stride-on-first", "false", "--dilated-stages", "0")
        self.fails("--depths: the network is that of --from", *start, "--depths", "2,2")
        self.fails("encoder", *start, "--take", "encoder")
        self.fails("--take: is of a model file, and --from names none", *SMALL, *ONE, "--take", "encoder")
        self.fails("resnet19", *start, "--arch", "resnet19")

    def test_the_report_names_data_and_run(self):
        out = f"{self.root}/first-try"
        self.trained(*SMALL, *ONE, "--size", "16", out=out)
        with open(f"{out}/report.html") as file:
            page = file.read()
        self.assertIn("resnet on photos: first-try", page)
        self.assertIn("40 pictures of 2 classes to learn from, none to validate with", page)
        table = page[page.index("<table"):page.index("</table>")]
        self.assertIn("training top-1, %", table)
        for hidden in ("val_", "ema_", "averaged", "validation"):
            self.assertNotIn(hidden, table)


if __name__ == "__main__":
    sys.exit(unittest.main())
