"""What the tests of the packages share: where things are, running commands, a model and a picture to try them on."""
import json
import os
import subprocess
import sys

source = os.environ["RESNET_SOURCE_DIR"]
program = os.environ["RESNET"]
build = os.path.dirname(program)

sys.path.insert(0, os.path.join(source, "tests", "cli"))
import pictures  # noqa: E402

# A build with these settings compiles the library as this build does, so that ccache has it.
COMPILED_AS_HERE = {"CMAKE_BUILD_TYPE": "RelWithDebInfo", "RESNET_WERROR": "ON"}


def run(command, env=None, **options):
    """Its standard output; ends the test with all it printed where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})}, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def model_and_picture(folder):
    model = pictures.small_model(folder, "model.safetensors", ["cat", "dog", "ship"])
    return model, pictures.write(os.path.join(folder, "picture.png"), pictures.png(50, 40, 5))


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
