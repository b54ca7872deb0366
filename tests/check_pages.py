"""The pages are true: links lead to a file and a heading that there are; prose is wrapped at 100 columns; the pages that
explain show code of ours, pictures and tables that the program or a script makes, and examples that print what stands
behind them; README.md and docs/embedding.md show the examples' code; docs/README.md names every page."""
import contextlib
import io
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

root = pathlib.Path(os.environ.get("RESNET_SOURCE_DIR", "."))
program = os.environ["RESNET"]
wrong = []


def without_code(page):
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """What links may name behind `#`: the headings as GitHub writes them."""
    text = without_code(page)
    names = {}
    for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        names[f"{name}-{names[name]}" if name in names else name] = 1
        names[name] = names.get(name, 0) + 1
    return names


def prose(text):
    """The lines of a page, with their numbers, that are wrapped: no code, tables, headings, pictures and HTML."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and not line.startswith(("#", "|", "![", "<", "    ", "```")):
            yield number, line


pages = sorted([*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("python/*.md")])
for page in pages:
    name = page.relative_to(root)
    for file, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)[^)]*\)", without_code(page)):
        target = page.parent / file if file else page
        if "://" in file or file.startswith("mailto:"):
            continue
        if not target.exists():
            wrong.append(f"{name}: no {file}")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(f"{name}: {file or name} has no heading #{anchor}")
    for number, line in prose(page.read_text()):
        if len(line) > 100 and " " in line.strip()[:100]:
            wrong.append(f"{name}:{number}: prose beyond 100 columns")

explained = {name: (root / "docs" / name).read_text() for name in ("resnet.md", "convolution.md")}
sources = [path.read_text() for path in (root / "src").rglob("*.*") if path.suffix in (".cc", ".h")]
for page, text in explained.items():
    for code in re.findall(r"```cpp\n(.*?)```", text, re.DOTALL):
        if not any(code in source for source in sources):
            wrong.append(f"docs/{page}: code that no source has: {code.splitlines()[0].strip()}")

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

# The notebook quotes changes by their subjects.
log = subprocess.run(["git", "-C", root, "log", "--format=%s"], capture_output=True, text=True, check=False).stdout
notes = re.sub(r"\s+", " ", re.sub(r"`[^`]*`", "", (root / "docs" / "notebook.md").read_text()))
if "lay the ground" in log:  # the whole history is there
    wrong += [f"docs/notebook.md: no change is called {quoted}" for quoted in re.findall(r'"([^"]*)"', notes) if quoted not in log]

# Commands print what stands behind them.
for page, text in explained.items():
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for command, output in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE):
            if " draw " in command:
                continue  # below
            line = re.sub(r"\bresnet (?=[a-z])", shlex.quote(program) + " ", command, count=1)
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False,
                                  env={**os.environ, "LC_ALL": "C.UTF-8"})
            if done.returncode != 0:
                wrong.append(f"docs/{page}: `{command}` fails: {done.stderr}")
            elif output not in ("", done.stdout):
                wrong.append(f"docs/{page}: `{command}` prints something else")

# The Python of a page is one program.
names = {}
for code, output in re.findall(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", explained["convolution.md"],
                               re.MULTILINE | re.DOTALL):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)  # pylint: disable=exec-used
    if printed.getvalue() != output:
        wrong.append(f"docs/convolution.md: prints something else: {code.splitlines()[-1]}\n{printed.getvalue()}")

with tempfile.TemporaryDirectory() as folder:
    for name in re.findall(r"`resnet draw (\w+) -o \w+\.svg`", explained["resnet.md"]):
        subprocess.run([program, "draw", name, "-o", f"{folder}/{name}.svg"], check=True, capture_output=True)
    subprocess.run([sys.executable, root / "docs" / "draw_convolution.py", folder], check=True)
    drawn = sorted(pathlib.Path(folder).iterdir())
    for picture in drawn:
        if picture.read_text() != (root / "docs" / "images" / picture.name).read_text():
            wrong.append(f"docs/images/{picture.name} is not what is drawn")
    shown = "\n".join(explained.values())
    wrong += [f"docs/images/{picture.name} is shown nowhere" for picture in drawn if picture.name not in shown]
    if len(drawn) < 12:
        wrong.append("pictures are missing")

print(f"{len(pages)} pages")
print("\n".join(wrong))
sys.exit(1 if wrong or not pages else 0)
