"""What the tests of the packages share: where things are, running commands, a model and a picture to try them on."""
import glob
import json
import os
import re
import subprocess
import sys
import urllib.request

source = os.environ["RESNET_SOURCE_DIR"]
program = os.environ["RESNET"]
build = os.path.dirname(program)

sys.path.insert(0, os.path.join(source, "tests", "cli"))
import pictures  # noqa: E402

# Installs a Python package from here with what is there.
PIP_OFFLINE = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
# A build with these settings compiles the library as this build does, so that ccache has it.
COMPILED_AS_HERE = {"CMAKE_BUILD_TYPE": "RelWithDebInfo", "RESNET_WERROR": "ON"}


def run(command, env=None, status=0, **options):
    """Its standard output, its standard error where it is to fail; ends the test with all it printed where it ends otherwise."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})}, **options)
    if done.returncode != status:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if status else done.stdout


def install_python_package(folder, *settings):
    """The package of python/ for this Python, into `folder`/site."""
    run([sys.executable, "-m", "pip", "install", *PIP_OFFLINE, "--target", f"{folder}/site",
         f"--config-settings=build-dir={folder}/build", *settings, os.path.join(source, "python")],
        env={"CMAKE_CXX_COMPILER_LAUNCHER": "ccache"})
    return f"{folder}/site"


def install_python_package_of_this_build(folder):
    """The same, linked with the library that this build installs."""
    run(["cmake", "--install", build, "--prefix", f"{folder}/prefix"])
    return install_python_package(folder, "--config-settings=cmake.define.RESNET_INSTALLED=ON",
                                  f"--config-settings=cmake.define.resnet_ROOT={folder}/prefix")


def model_and_picture(folder):
    model = pictures.small_model(folder, "model.safetensors", ["cat", "dog", "ship"])
    return model, pictures.write(os.path.join(folder, "picture.png"), pictures.png(50, 40, 5))


def use_program(installed, folder):
    """Does with an installed `resnet` what people do, but for training. Gives a folder of shapes to train on."""
    model, picture = model_and_picture(folder)
    shapes = os.path.join(folder, "shapes")
    run([installed, "make-dataset", "shapes", "--out", shapes, "--size", "32", "--train", "128", "--val", "20"])
    run([installed, "--version"])
    commands = [["summary", "resnet50"], ["draw", "resnet18", "-o", f"{folder}/net.svg"],
                ["inspect", model], ["check", model], ["predict", model, picture], ["preprocess", picture, "-o", f"{folder}/tensor.npy", "--model", model],
                ["explain", model, picture, "-o", f"{folder}/explained"], ["features", model, picture, "-o", f"{folder}/f.npy"],
                ["similar", f"{folder}/f.npy", picture], ["export", model, f"{folder}/m.onnx"],
                ["quantize", model, f"{shapes}/val", "-o", f"{folder}/int8.safetensors", "--min-agreement", "0"],
                ["predict", f"{folder}/int8.safetensors", picture], ["bench", "resnet20", "--batch", "1"],
                ["convert", model, f"{folder}/m.pth"], ["predict", f"{folder}/m.pth", picture, "--preset", "cifar", "--resize", "32"],
                ["init", "resnet20", "--classes", "10", "-o", f"{folder}/ten.safetensors"],
                ["eval", f"{folder}/ten.safetensors", f"{shapes}/val", "--report", f"{folder}/page.html"],
                ["compare", f"{folder}/ten.safetensors", f"{folder}/ten.safetensors", f"{shapes}/val"]]
    for command in commands:
        run([installed, *command])
    serve_a_picture(installed, model, picture)
    tried = {command[0] for command in commands} | {"make-dataset", "train", "study", "serve"}
    known = set(re.findall(r"^  ([a-z-]+)  +", run([installed, "help"]), re.MULTILINE))
    if known != tried:
        sys.exit(f"{installed} has the commands {known}, but {tried} were tried")
    return shapes


def serve_a_picture(installed, model, picture):
    """What an installed `resnet serve` answers is what `resnet predict` prints."""
    server = subprocess.Popen([installed, "serve", model, "--port", "0"], stderr=subprocess.PIPE, text=True)
    line = server.stderr.readline()
    port = re.search(r"http://127.0.0.1:(\d+) with", line)
    if not port:
        sys.exit(f"{installed} serve: {line}{server.stderr.read()}")
    with open(picture, "rb") as file, urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/classify", file.read()) as answer:
        got = json.load(answer)["top"]
    server.terminate()
    if server.wait(60) != 0 or got != json.loads(run([installed, "predict", model, picture, "--json"]))["top"]:
        sys.exit(f"{installed} serve answered {got}")


def train_an_epoch(installed, folder, shapes):
    """With the `resnet train` and `resnet study` of an installed program, and uses what came of it."""
    small = ["--arch", "resnet20", "--depths", "1,1", "--widths", "8,16"]
    out = os.path.join(folder, "run")
    run([installed, "train", *small, "--data", shapes, "--batch", "16", "--epochs", "1", "--out", out])
    for trained in (f"{out}/best.safetensors", *glob.glob(f"{out}/checkpoints/*.safetensors")):
        print(run([installed, "eval", trained, f"{shapes}/val"]))
    run([installed, "train", *small, "--data", shapes, "--batch", "16", "--epochs", "1", "--nproc", "2", "--out", f"{out}2"])
    run([installed, "study", "degradation", "--data", shapes, "--depths", "20", "--epochs", "1", "--out", f"{out}-study"])


def check_answer(printed, model, picture):
    """What an example prints is what `resnet predict` answers."""
    top = json.loads(run([program, "predict", model, picture, "--json"]))["top"]
    expected = [f"{100 * guess['probability']:5.1f} %  {guess['class']}" for guess in top]
    if printed.splitlines() != expected:
        sys.exit(f"the example printed\n{printed}but resnet predict says\n" + "\n".join(expected))


def check_examples(folder, examples):
    """Runs the programs built from examples/ in a folder, on a model and pictures of their own."""
    model, picture = model_and_picture(folder)
    for name in ("classify", "classify_c"):
        check_answer(run([os.path.join(examples, name), model, picture]), model, picture)
        done = subprocess.run([os.path.join(examples, name), model, "/absent.png"], capture_output=True, text=True, check=False)
        if done.returncode != 1 or "/absent.png" not in done.stderr:
            sys.exit(f"{name} on an absent picture: exit status {done.returncode}, {done.stderr}")
    photos = os.path.join(folder, "photos")
    paths = [pictures.write(f"{photos}/{i}.png", pictures.png(40 + i, 40, i)) for i in range(20)]
    rows = [line.split("\t") for line in run([os.path.join(examples, "classify_folder"), model, photos]).splitlines()]
    answers = map(json.loads, run([program, "predict", model, photos, "--json"]).splitlines())
    expected = {(answer["path"], answer["top"][0]["class"]) for answer in answers}
    if len(paths) != len(rows) or {(path, label) for path, label, _ in rows} != expected:
        sys.exit(f"classify_folder printed {rows}, but resnet predict says {expected}")
    if os.path.exists(os.path.join(examples, "evaluate")):
        check_evaluate(folder, os.path.join(examples, "evaluate"), model)


def check_evaluate(folder, example, model):
    """The last line of examples/evaluate.cc is what `resnet eval` says."""
    judged = os.path.join(folder, "judged")
    for i, label in enumerate(["cat", "dog", "ship"] * 3):
        pictures.write(f"{judged}/{label}/{i}.png", pictures.png(40 + i, 40, i))
    expected = json.loads(run([program, "eval", model, judged, "--json"]))
    last = run([example, model, judged]).splitlines()[-1]
    if last != f"{100 * expected['top1']:6.2f} %  of 9 pictures":
        sys.exit(f"evaluate printed {last}, but resnet eval says {expected}")
