"""The objects of the fast kernels share no code with others: they define nothing but their table's function.

A weak (COMDAT) function compiled for AVX-512 could be the copy that the linker keeps for everybody."""
import glob
import os
import subprocess
import sys

build = os.path.dirname(os.environ["RESNET"])
objects = glob.glob(os.path.join(build, "CMakeFiles", "**", "kernels_avx*.cc.o"), recursive=True)
if not objects:
    sys.exit("no objects of the kernels below " + build)
wrong = []
for path in objects:
    isa = os.path.basename(path)[len("kernels_"):-len(".cc.o")]
    symbols = subprocess.run(["nm", "--demangle", "--defined-only", path], capture_output=True, text=True, check=True)
    for line in symbols.stdout.splitlines():
        kind, name = line[17:].split(" ", 1)
        private = kind.islower() and kind not in "wvu"
        sanitizer = "asan" in name or "ubsan" in name or "tsan" in name
        if not private and not sanitizer and name != f"resnet::{isa}_kernels()":
            wrong.append(f"{os.path.basename(path)}: {kind} {name}")
print(f"{len(objects)} objects")
sys.exit("\n".join(wrong) if wrong else 0)
