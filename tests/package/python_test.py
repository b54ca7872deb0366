"""The Python package for real, each time with its own tests on what was installed: `pip install` of python/, linking the
library that this build installs, and of the source distribution into an environment of its own, which compiles the library that
comes with it. In the long runs also `pip install` of python/ as a reader does it."""
import glob
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv

import package

missing = [name for name in ("numpy", "PIL", "nanobind", "scikit_build_core") if not importlib.util.find_spec(name)]
if missing:
    print("skipped: this Python has no", ", ".join(missing))
    sys.exit(77)

python = os.path.join(package.source, "python")


def use_package(folder, interpreter=sys.executable, env=None):
    """The package's tests and the example; gives the exit status of the tests."""
    status = 0
    for name in ("test_classifier.py", "test_tools.py"):
        done = subprocess.run([interpreter, os.path.join(python, "tests", name)], env={**os.environ, **(env or {})}, check=False)
        status = status or done.returncode
    model, picture = package.model_and_picture(folder)
    example = os.path.join(package.source, "examples", "classify.py")
    package.check_answer(package.run([interpreter, example, model, picture], env=env), model, picture)
    return status


def run_notebook(folder, env):
    """examples/photos.ipynb from the first cell to the last, on a few drawn pictures."""
    missing = [name for name in ("nbclient", "nbformat", "ipykernel") if not importlib.util.find_spec(name)]
    if missing or not os.path.exists(os.path.join(os.path.dirname(package.program), "resnet-train")):
        print("the notebook was not run: there is no", ", ".join(missing) or "trainer")
        return
    import nbclient
    import nbformat

    place = os.path.join(folder, "notebook")
    package.run([package.program, "make-dataset", "shapes", "-o", f"{place}/photos", "--size", "32", "--train", "100", "--val", "40"])
    notebook = nbformat.read(os.path.join(package.source, "examples", "photos.ipynb"), 4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("../models", os.path.join(package.source, "models")).replace("EPOCHS = 3", "EPOCHS = 1")
    path = os.path.dirname(package.program) + os.pathsep + os.environ["PATH"]
    os.environ.update(env, PATH=path)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": place}}).execute()
    assert os.path.getsize(f"{place}/int8.safetensors") < os.path.getsize(f"{place}/run/best.safetensors") / 2
    assert os.path.exists(f"{place}/model.onnx")


def try_folder(install, notebook=False):
    with tempfile.TemporaryDirectory() as folder:
        env = {"PYTHONPATH": install(folder)}
        if notebook:
            run_notebook(folder, env)
        return use_package(folder, env=env)


def make_source_distribution(folder):
    """By the build backend, as `python3 -m build --sdist` calls it."""
    code = "import sys, scikit_build_core.build as backend; print(backend.build_sdist(sys.argv[1]))"
    package.run([sys.executable, "-c", code, folder], cwd=python)
    (made,) = glob.glob(f"{folder}/*.tar.gz")
    with tarfile.open(made) as archive:
        names = archive.getnames()
    assert any(name.endswith("library/include/resnet/classifier.h") for name in names), names
    assert not any(name.endswith(("_test.cc", ".pyc", "_native.pyi")) or "/build" in name for name in names), names
    return made


def try_source_distribution():
    """Nothing of this checkout is used: it is not there for who downloads the archive."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_source_distribution(folder)
        venv.create(f"{folder}/env", with_pip=False)
        interpreter = f"{folder}/env/bin/python"
        site = package.run([interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
        with open(f"{site}/borrowed.pth", "w") as file:  # numpy, and what builds packages: there is no network
            file.write(sysconfig.get_path("purelib") + "\n")
        # ccache has what was compiled the last time, in another folder of the same kind.
        os.makedirs(f"{folder}/temporary")
        cached = {"CCACHE_BASEDIR": folder, "CCACHE_NOHASHDIR": "1", "TMPDIR": f"{folder}/temporary"}
        plainly = "--config-settings=cmake.define.CMAKE_CXX_FLAGS_RELEASE=-O0"  # two thirds of the time to compile
        package.run([sys.executable, "-m", "pip", "--python", interpreter, "install", *package.PIP_OFFLINE, plainly, made], env=cached)
        left = [name for name in os.listdir(f"{folder}/temporary") if not name.startswith(("pip-", "tmp"))]
        assert left == [], left  # no build folder beside that of the unpacked archive
        assert "resnet_cpp" in os.listdir(site), os.listdir(site)
        return use_package(folder, interpreter)


status = try_folder(package.install_python_package_of_this_build, notebook=True)
status = status or try_source_distribution()
if os.environ.get("RESNET_TEST_ALL"):
    status = status or try_folder(package.install_python_package)
sys.exit(status)
