"""Every source file is as clang-format writes it, and no file is longer than 500 lines unless it is a table of data."""
import os
import shutil
import subprocess
import sys

root = os.environ.get("RESNET_SOURCE_DIR", ".")
if not shutil.which("clang-format"):
    print("skipped: no clang-format")
    sys.exit(77)

# Tables of data.
LONG = {"src/model/imagenet_classes.cc"}

files = []
for base in ("include", "src", "benchmarks", "examples", "fuzz", "python", "tests"):
    for folder, _, names in os.walk(os.path.join(root, base)):
        files += [os.path.join(folder, name) for name in names if name.endswith((".h", ".cc", ".c"))]
assert files
failed = subprocess.run(["clang-format", "--dry-run", "-Werror", *files]).returncode != 0
for path in files:
    lines = sum(1 for _ in open(path))
    if lines > 500 and os.path.relpath(path, root) not in LONG:
        print(f"{path}: {lines} lines")
        failed = True
print(f"{len(files)} files")
sys.exit(1 if failed else 0)
