"""`pip install` of python/ into a folder of its own, linking the library that this build installs; then the package's tests
on what was installed."""
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

with tempfile.TemporaryDirectory() as folder:
    package.run(["cmake", "--install", package.build, "--prefix", f"{folder}/prefix"])
    package.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps",
                 "--no-build-isolation", "--target", f"{folder}/site", f"--config-settings=build-dir={folder}/build",
                 "--config-settings=cmake.define.RESNET_INSTALLED=ON",
                 f"--config-settings=cmake.define.resnet_ROOT={folder}/prefix",
                 os.path.join(package.source, "python")])
    done = subprocess.run([sys.executable, os.path.join(package.source, "python", "tests", "test_classifier.py")],
                          env={**os.environ, "PYTHONPATH": f"{folder}/site"}, check=False)
    model, picture = package.model_and_picture(folder)
    example = os.path.join(package.source, "examples", "classify.py")
    package.check_answer(package.run([sys.executable, example, model, picture], env={"PYTHONPATH": f"{folder}/site"}), model, picture)
sys.exit(done.returncode)
