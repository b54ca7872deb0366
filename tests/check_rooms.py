"""Every #include between rooms is an arrow that CMakeLists.txt allows; include/resnet knows no room."""
import os
import re
import sys

root = os.environ.get("RESNET_SOURCE_DIR", ".")
cmake = open(os.path.join(root, "CMakeLists.txt")).read()
uses = {}
for name, body in re.findall(r"resnet_room\((\S+)([^)]*)\)", cmake):
    match = re.search(r"USES((?:\s+[a-z_/]+)*)", body)
    uses[name] = set(match.group(1).split()) if match else set()


def reachable(room):
    seen = {room}
    stack = [room]
    while stack:
        for other in uses[stack.pop()] - seen:
            seen.add(other)
            stack.append(other)
    return seen


def room_of(path):  # the longest room that holds the path
    return max((r for r in uses if path.startswith(r + "/")), key=len, default=None)


wrong = []
files = 0
for base in ("src", "include"):
    for folder, _, names in os.walk(os.path.join(root, base)):
        for name in names:
            if not name.endswith((".h", ".cc")):
                continue
            files += 1
            path = os.path.relpath(os.path.join(folder, name), os.path.join(root, base))
            room = room_of(path) if base == "src" else None
            allowed = reachable(room) if room else set()
            for include in re.findall(r'#include "([^"]+)"', open(os.path.join(folder, name)).read()):
                target = room_of(include)
                if include.startswith("resnet/"):
                    continue
                if target is None or target not in allowed:
                    wrong.append(f"{base}/{path} includes {include}")
print(f"{files} files, {len(uses)} rooms")
print("\n".join(wrong))
sys.exit(1 if wrong or files == 0 else 0)
