"""Writes what a version leaves behind, and how it answers to it: the files that later versions must go on to read.

    RESNET=build/release/resnet python3 tests/golden/versions/write.py tests/golden/versions/0.1

The folder is made anew. tests/cli/versions_test.py asks the present program for the same answers.
"""
import glob
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cli"))
import pictures

FOLDER = sys.argv[1]
RESNET = os.path.abspath(os.environ["RESNET"])
NETWORK = ["--arch", "resnet20", "--depths", "1,1", "--widths", "4,8", "--stem-width", "2", "--size", "16"]
LEARNING = ["--crop", "padded", "--padding", "2", "--policy", "rand", "--batch", "6", "--epochs", "2", "--lr", "0.05",
            "--optimizer", "adamw", "--schedule", "polynomial", "--warmup-epochs", "0.5", "--val", "0.25", "--ema", "0.9",
            "--bad-images", "skip", "--interpolation", "bicubic", "--threads", "1"]
FORM = ["--block", "bottleneck", "--depths", "1,1", "--widths", "4,8", "--groups", "2", "--width-per-group", "32",
        "--stem", "deep", "--stem-width", "4", "--shortcut", "average_pool", "--channels", "1", "--classes", "3",
        "--dilated-stages", "1", "--stride-on-first", "--conv-bias"]


def resnet(*arguments):
    done = subprocess.run([RESNET, *arguments], cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: exit status {done.returncode}")
    return done.stdout


def write_files():
    shutil.rmtree(FOLDER, ignore_errors=True)
    for kind, name in enumerate(("ant", "bee", "cow")):
        for i in range(8):
            pictures.write(f"{FOLDER}/pictures/{name}/{i}.png", pictures.png(16, 16, i * 3 + kind * 40))
    resnet("train", "--data", "pictures", "--out", "run", *NETWORK, *LEARNING, "--checkpoint-steps", "2", "--keep", "9")
    os.rename(f"{FOLDER}/run/best.safetensors", f"{FOLDER}/model.safetensors")
    # As if it had been stopped in the second epoch, at step 4 of 6.
    for path in glob.glob(f"{FOLDER}/run/checkpoints/*"):
        if not path.endswith("4.safetensors"):
            os.remove(path)
    for path in glob.glob(f"{FOLDER}/run/*"):
        if os.path.basename(path) not in ("checkpoints", "recipe.toml"):
            os.remove(path)
    shutil.copy(f"{FOLDER}/run/recipe.toml", f"{FOLDER}/recipe.toml")
    resnet("quantize", "model.safetensors", "pictures", "-o", "int8.safetensors")
    resnet("convert", "model.safetensors", "model.pth")
    resnet("init", *FORM, "-o", "form.safetensors")
    resnet("init", "--block", "basic", "--depths", "1,1", "--widths", "4,8", "--classes", "3",
           "--layout", "tutorial", "-o", "tutorial.pth")
    resnet("features", "model.safetensors", "pictures", "-o", "features.npy")


QUESTIONS = [
    ["predict", "model.safetensors", "pictures/bee/3.png", "--logits", "--json"],
    ["predict", "int8.safetensors", "pictures/bee/3.png", "--logits", "--json"],
    ["predict", "model.pth", "pictures/bee/3.png", "--logits", "--json", "--preset", "cifar", "--size", "16"],
    ["summary", "model.safetensors"],
    ["summary", "int8.safetensors"],
    ["summary", "form.safetensors", "--json"],
    ["summary", "form.safetensors"],
    ["summary", "tutorial.pth", "--tree"],
    ["inspect", "model.safetensors", "--json"],
    ["similar", "features.npy", "pictures/cow/5.png", "--json"],
    ["train", "--recipe", "recipe.toml", "--data", "pictures", "--epochs", "1", "--out", "again", "--json"],
    ["train", "--resume", "--data", "pictures", "--out", "run", "--json"],
]

if __name__ == "__main__":
    write_files()
    version = subprocess.run([RESNET, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    kept = f"{FOLDER}.kept"
    shutil.copytree(FOLDER, kept)
    answers = [{"arguments": question, "answer": resnet(*question)} for question in QUESTIONS]
    with open(f"{FOLDER}/again/recipe.toml") as file:
        saved = file.read()
    shutil.rmtree(FOLDER)
    os.rename(kept, FOLDER)
    with open(f"{FOLDER}/answers.json", "w") as file:
        json.dump({"version": version, "answers": answers, "again/recipe.toml": saved}, file, indent=1)
        file.write("\n")
