"""The pages are true: links lead somewhere; in docs/resnet.md code is code of ours, pictures and tables are what the
program prints; in README.md and docs/embedding.md code is that of the examples; docs/README.md names every page."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

root = pathlib.Path(os.environ.get("RESNET_SOURCE_DIR", "."))
program = os.environ["RESNET"]
wrong = []

pages = sorted([*root.glob("*.md"), *root.glob("docs/*.md")])
for page in pages:
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in link and not (page.parent / link).exists():
            wrong.append(f"{page.relative_to(root)}: no {link}")

text = (root / "docs" / "resnet.md").read_text()
sources = [path.read_text() for path in (root / "src").rglob("*.cc")]
for code in re.findall(r"```cpp\n(.*?)```", text, re.DOTALL):
    if not any(code in source for source in sources):
        wrong.append(f"docs/resnet.md: code that no source has: {code.splitlines()[0].strip()}")

# These show the examples as they are.
examples = [path.read_text() for path in (root / "examples").iterdir()]
for page, least in (("docs/embedding.md", 4), ("README.md", 2)):
    blocks = re.findall(r"```(?:cpp|c|python|cmake)\n(.*?)```", (root / page).read_text(), re.DOTALL)
    for code in blocks:
        if not any(code in example for example in examples):
            wrong.append(f"{page}: code that no example has: {code.splitlines()[0].strip()}")
    if len(blocks) < least:
        wrong.append(f"{page}: examples are missing")
# Every page is in the index.
index = (root / "docs" / "README.md").read_text()
for page in root.glob("docs/*.md"):
    if page.name != "README.md" and f"]({page.name})" not in index:
        wrong.append(f"docs/README.md: leaves {page.name} out")


def run(arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
    for command, output in re.findall(r"^\$ resnet (summary .*)\n((?:[^$].*\n)*)", block, re.MULTILINE):
        if output not in ("", run(shlex.split(command))):
            wrong.append(f"docs/resnet.md: `resnet {command}` prints something else")
for name in re.findall(r"`resnet draw (\w+) -o \w+\.svg`", text):
    if run(["draw", name, "-o", "/dev/stdout"]) != (root / "docs" / "images" / f"{name}.svg").read_text():
        wrong.append(f"docs/images/{name}.svg is not what `resnet draw {name}` draws")

print(f"{len(pages)} pages")
print("\n".join(wrong))
sys.exit(1 if wrong or not pages else 0)
