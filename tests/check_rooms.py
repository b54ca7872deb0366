"""Every #include between rooms is an arrow that CMakeLists.txt allows. A public header belongs to the room that names it
there; what it includes, and who includes it, is held to the same arrows. Arrows make no circle."""
import os
import re
import sys

root = os.environ.get("RESNET_SOURCE_DIR", ".")
cmake = open(os.path.join(root, "CMakeLists.txt")).read()
wrong = []
uses = {}  # by room
home = {}  # of a public header
for name, body in re.findall(r"resnet_room\((\S+)([^)]*)\)", cmake):
    words = {"": []}
    keyword = ""
    for word in body.split():
        if word in ("HEADERS", "USES", "LINK", "PROGRAM", "PARTS"):
            keyword = word
            words[keyword] = []
        else:
            words[keyword].append(word)
    uses[name] = set(words.get("USES", []))
    for header in words.get("HEADERS", []):
        if header in home:
            wrong.append(f"resnet/{header} belongs to {home[header]} and to {name}")
        home[header] = name


def reachable(room):
    seen = set()
    stack = [room]
    while stack:
        for other in uses[stack.pop()] - seen:
            seen.add(other)
            stack.append(other)
    return seen


def room_of(path):  # the longest room that holds the path; of a public header, the one that names it
    if path.startswith("resnet/"):
        return home.get(path.removeprefix("resnet/"))
    return max((r for r in uses if path.startswith(r + "/")), key=len, default=None)


for room in uses:
    if room in reachable(room):
        wrong.append(f"{room} uses what uses it")
for header in home:
    if not os.path.exists(os.path.join(root, "include/resnet", header)):
        wrong.append(f"{home[header]} names resnet/{header}, which is not there")
files = 0
for base in ("src", "include"):
    for folder, _, names in os.walk(os.path.join(root, base)):
        for name in names:
            if not name.endswith((".h", ".cc", ".c")):
                continue
            files += 1
            path = os.path.relpath(os.path.join(folder, name), os.path.join(root, base))
            room = room_of(path)
            if room is None:
                wrong.append(f"{base}/{path} belongs to no room")
                continue
            allowed = reachable(room) | {room}
            for include in re.findall(r'#include "([^"]+)"', open(os.path.join(folder, name)).read()):
                target = room_of(include)
                if target not in allowed:
                    wrong.append(f"{base}/{path} of {room} includes {include} of {target or 'no room'}")
print(f"{files} files, {len(home)} of them public, {len(uses)} rooms")
print("\n".join(wrong))
sys.exit(1 if wrong or files == 0 else 0)
