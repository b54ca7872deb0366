"""clang-tidy finds nothing outside the tests. Files that were clean and have not changed since are not read again.

It takes minutes where none was read before, so it runs where it is asked for: by `make lint` and `make test-all`.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

root = os.path.realpath(os.environ.get("RESNET_SOURCE_DIR", "."))
build = os.path.join(root, "build", "dev")
if not os.environ.get("RESNET_TEST_ALL"):
    print("skipped: make lint runs it")
    sys.exit(77)
if not shutil.which("clang-tidy"):
    print("skipped: no clang-tidy")
    sys.exit(77)
database = os.path.join(build, "compile_commands.json")
if not os.path.exists(database):
    print("skipped: configure the dev preset first")
    sys.exit(77)

stamps = os.path.join(build, "tidy")
os.makedirs(stamps, exist_ok=True)
contents = {}


def content(path):
    if path not in contents:
        with open(path, "rb") as file:
            contents[path] = file.read()
    return contents[path]


def headers(path, seen):
    """The project's own headers that a file includes, directly or not."""
    for name in re.findall(rb'#include "([^"]+)"', content(path)):
        for base in ("include", "src"):
            header = os.path.join(root, base, name.decode())
            if os.path.exists(header) and header not in seen:
                seen.add(header)
                headers(header, seen)
    return seen


def digest(entry):
    hash = hashlib.sha256(content(os.path.join(root, ".clang-tidy")))
    hash.update(entry["command"].encode())
    for path in [entry["file"], *sorted(headers(entry["file"], set()))]:
        hash.update(content(path))
    return hash.hexdigest()


def check(entry):
    stamp = os.path.join(stamps, digest(entry))
    if os.path.exists(stamp):
        return None
    command = ["clang-tidy", "--quiet", "-p", stamps, "--extra-arg=-Wno-unknown-warning-option", entry["file"]]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        return result.stdout or result.stderr
    open(stamp, "w").close()
    return None


def ours(path):
    path = os.path.realpath(path)
    return path.startswith(root + os.sep) and not path.startswith(build + os.sep) and not path.endswith(("_test.cc", "_test.c"))


with open(database, encoding="utf-8") as file:
    entries = [entry for entry in json.load(file) if ours(entry["file"])]
assert entries
for entry in entries:  # clang reads no header that g++ precompiled
    entry["command"] = re.sub(r" -include \S+/cmake_pch\.hxx\b", "", entry["command"])
with open(os.path.join(stamps, "compile_commands.json"), "w", encoding="utf-8") as file:
    json.dump(entries, file)
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    findings = [text for text in pool.map(check, entries) if text]
print("\n".join(findings))
print(f"{len(entries)} files, {len(findings)} with findings")
sys.exit(1 if findings else 0)
