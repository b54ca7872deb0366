"""`pip install` of python/ into a folder of its own, linking the library that this build installs; then the package's tests
on what was installed. In the long runs also as a reader does it, compiling everything."""
import importlib.util
import os
import subprocess
import sys
import tempfile

import package

missing = [name for name in ("numpy", "PIL", "nanobind", "scikit_build_core") if not importlib.util.find_spec(name)]
if missing:
    print("skipped: this Python has no", ", ".join(missing))
    sys.exit(77)


def try_package(folder, *settings):
    """Gives the exit status of the package's tests."""
    package.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps",
                 "--no-build-isolation", "--target", f"{folder}/site", f"--config-settings=build-dir={folder}/build", *settings,
                 os.path.join(package.source, "python")], env={"CMAKE_CXX_COMPILER_LAUNCHER": "ccache"})
    done = subprocess.run([sys.executable, os.path.join(package.source, "python", "tests", "test_classifier.py")],
                          env={**os.environ, "PYTHONPATH": f"{folder}/site"}, check=False)
    model, picture = package.model_and_picture(folder)
    example = os.path.join(package.source, "examples", "classify.py")
    package.check_answer(package.run([sys.executable, example, model, picture], env={"PYTHONPATH": f"{folder}/site"}), model, picture)
    return done.returncode


with tempfile.TemporaryDirectory() as folder:
    package.run(["cmake", "--install", package.build, "--prefix", f"{folder}/prefix"])
    status = try_package(folder, "--config-settings=cmake.define.RESNET_INSTALLED=ON",
                         f"--config-settings=cmake.define.resnet_ROOT={folder}/prefix")
if os.environ.get("RESNET_TEST_ALL") and status == 0:
    with tempfile.TemporaryDirectory() as folder:
        status = try_package(folder)
sys.exit(status)
