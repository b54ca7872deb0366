"""What notebooks show of models and evaluations."""
from html import escape

_MOST_CLASSES = 30


def _table(title, rows):
    cells = "".join(f"<tr><th style='text-align:left'>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"


def classifier(model):
    channels, height, width = model.input_shape
    rows = [("classes", len(model.labels) or "none"), ("input", f"{channels} x {height} x {width}"), ("features", model.feature_count),
            ("precision", model.precision)]
    return _table(model.architecture, rows + [("note", note) for note in model.notes])


def evaluation(result):
    rows = [("top-1", f"{100 * result.top1:.2f} %")]
    if len(result.classes) > 10:
        rows.append(("top-5", f"{100 * result.top5:.2f} %"))
    rows.append(("loss", f"{result.loss:.4f}"))
    seen = [c for c in result.classes if c.pictures]
    rows += [(c.label, f"{c.right} of {c.pictures}") for c in seen[:_MOST_CLASSES]]
    if len(seen) > _MOST_CLASSES:
        rows.append(("", f"and {len(seen) - _MOST_CLASSES} classes more"))
    rows += [("note", note) for note in result.notes]
    return _table(f"{result.pictures} pictures", rows)
