"""The tables of docs/benchmarks.md. The page's text is written by hand; a part between two marks is renewed:

  <!-- begin peers -->
  <!-- end peers -->
"""
import dataclasses
import re
import statistics

PRECISIONS = ("fp32", "bf16", "int8")
OWN = "resnet"


@dataclasses.dataclass
class Ratio:
    """The best peer's time by our own; above 1 we are faster."""

    peer: str
    low: float
    middle: float
    high: float


def ratio(result):
    """Against the peer with the smallest median; None where we or all peers are absent."""
    turns = result["turns_ms"]
    peers = {title: times for title, times in turns.items() if title != OWN and times}
    if not peers or not turns.get(OWN):
        return None
    best = min(peers, key=lambda title: statistics.median(peers[title]))
    ratios = [theirs / ours for theirs, ours in zip(peers[best], turns[OWN])]
    return Ratio(best, min(ratios), statistics.median(ratios), max(ratios))


def table(rows):
    """Markdown; the first row is the head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def milliseconds(result, title):
    turns = result["turns_ms"].get(title)
    return f"{statistics.median(turns) / result['batch']:.2f}" if turns else "-"


def times_table(results, titles):
    rows = [["network", "batch", *titles, "ratio to the best peer"]]
    for result in results:
        best = ratio(result)
        cells = [milliseconds(result, title) for title in titles]
        last = f"{best.middle:.2f} ({best.low:.2f} to {best.high:.2f}), {best.peer}" if best else "-"
        rows.append([result["model"], str(result["batch"]), *cells, last])
    return table(rows)


def errors_line(results, titles):
    """The largest difference of each from the fp32 answer of `resnet`."""
    errors = {title: [result["errors"][title] for result in results if title in result["errors"]] for title in titles}
    return ", ".join(f"{title} {max(values):.0e}" for title, values in errors.items() if values)


def absent_lines(results):
    """Who did not run and why, each reason once with the batches or networks that it concerns."""
    everywhere = len(results)
    places = {}
    for result in results:
        for title, reason in result["absent"].items():
            places.setdefault((title, reason), []).append(f"{result['model']} at {result['batch']}")
    return [f"- {title}: {reason}" + ("" if len(where) == everywhere else f" ({', '.join(where)})")
            for (title, reason), where in places.items() if not reason.startswith("no ")]


def tables(report):
    versions = ", ".join(f"{title} {version}" for title, version in report["versions"].items())
    parts = [f"{report['machine']}. {report['threads']} threads, medians of {report['turns']} turns, {report['date']}.",
             f"resnet {report['resnet']}, {versions}."]
    for precision in PRECISIONS:
        results = [result for result in report["results"] if result["precision"] == precision]
        if not results:
            continue
        titles = [title for title in (OWN, *report["versions"]) if any(title in r["turns_ms"] for r in results)]
        parts.append(f"### {precision}")
        if titles:
            parts.append("Milliseconds a picture.\n\n" + times_table(results, titles))
            parts.append("Largest difference from our fp32 answer, of the largest logit: "
                         f"{errors_line(results, titles)}.")
        absent = absent_lines(results)
        if absent:
            parts.append("Did not run:\n" + "\n".join(absent))
    return "\n\n".join(parts)


def renew(path, name, text):
    """Puts `text` between the marks of the page."""
    with open(path) as file:
        page = file.read()
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    parts = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", page, flags=re.DOTALL)
    if len(parts) != 2:
        raise ValueError(f"{path}: no place for {name}")
    with open(path, "w") as file:
        file.write(f"{begin}\n{text}\n{end}".join(parts))
    print(f"{path}: renewed")
