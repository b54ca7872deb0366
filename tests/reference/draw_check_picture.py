"""Draws docs/images/check.svg: how far hypotheses are from what batch norms remember, of what `resnet check --json` printed.

    resnet check resnet20-12fca82f.th --preset cifar cifar10-jpeg.tar.gz --only test --json > check.json
    python3 tests/reference/draw_check_picture.py check.json docs/images/check.svg
"""
import html
import json
import math
import sys

LEFT, WIDTH, ROW = 380, 360, 26
STYLE = ("<style>text{fill:#222}.tick{fill:#555}.card{fill:#fff}line{stroke:#ddd}.bar{fill:#8aa7c7}.stated{fill:#2a7f3f}"
         "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.tick{fill:#9da7b1}.card{fill:#0d1117}line{stroke:#30363d}"
         ".bar{fill:#47678a}.stated{fill:#3fa45a}}</style>")


def words(hypothesis, stated):
    """What tells a hypothesis from the stated one."""
    parts = []
    if (hypothesis["mean"], hypothesis["std"]) != (stated["mean"], stated["std"]):
        parts.append("mean {:g} {:g} {:g}, std {:g} {:g} {:g}".format(*hypothesis["mean"], *hypothesis["std"]))
    if hypothesis["range"] != stated["range"]:
        parts.append(f"values in {hypothesis['range']}")
    if hypothesis["channels"] != stated["channels"]:
        parts.append(hypothesis["channels"].upper())
    for field in hypothesis:
        if field not in ("distance", "mean", "std", "channels", "range", "stated", "negative_slope") and hypothesis[field] != stated[field]:
            value = hypothesis[field]
            parts.append(f"{field.replace('_', ' ')} {','.join(map(str, value)) if isinstance(value, list) else value}")
    return parts


def chosen(hypotheses):
    """The stated one and those that depart from it in one thing, nearest first; of each thing the two nearest."""
    stated = next(h for h in hypotheses if h["stated"])
    rows, seen = [("what the model says", stated["distance"], True)], {}
    for hypothesis in hypotheses:
        parts = words(hypothesis, stated)
        if len(parts) != 1:
            continue
        kind = parts[0].rsplit(" ", 1)[0] if not parts[0].startswith("mean") else "mean"
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= 2:
            rows.append((parts[0], hypothesis["distance"], False))
    return sorted(rows, key=lambda row: row[1])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    rows = chosen(report["hypotheses"])
    least = 10 ** math.floor(math.log10(rows[0][1]))
    most = 10 ** math.ceil(math.log10(rows[-1][1]))

    def place(distance):
        return LEFT + WIDTH * math.log(distance / least) / math.log(most / least)

    height = 50 + ROW * len(rows) + 24
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 80} {height}" font-family="sans-serif" font-size="13">',
           f'{STYLE}<rect width="100%" height="100%" class="card"/><text x="16" y="24" font-size="15" font-weight="bold">Distance from what '
           f'the batch norms remember, {report["pictures"]} pictures</text>']
    decade = least
    while decade <= most * 1.001:
        x = place(decade)
        svg.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="40" y2="{height - 24}"/>'
                   f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle" class="tick">{decade:g}</text>')
        decade *= 10
    for index, (text, distance, stated) in enumerate(rows):
        y = 44 + ROW * index
        svg.append(f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end"{" font-weight=" + chr(34) + "bold" + chr(34) if stated else ""}>'
                   f'{html.escape(text)}</text><rect x="{LEFT}" y="{y + 4}" width="{place(distance) - LEFT:.1f}" height="{ROW - 9}" '
                   f'class="{"stated" if stated else "bar"}"/><text x="{place(distance) + 6:.1f}" y="{y + 16}">{distance:.3g}</text>')
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join(svg) + "\n</svg>\n")


if __name__ == "__main__":
    main()
