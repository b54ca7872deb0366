"""A bar while long work goes on, where somebody sees it."""
import sys


def reporter(progress, what):
    """The function to call with what is done and of how much, or None. `progress`: False, a function, or None for a bar of
    tqdm in notebooks and terminals."""
    if callable(progress):
        return progress
    if progress is False:
        return None
    notebook = "ipykernel" in sys.modules
    if progress is None and not notebook and not sys.stderr.isatty():
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    bar = tqdm(desc=what, unit="", leave=False)

    def update(done, of):
        if done < bar.n:  # the next round of the work
            bar.reset()
        bar.total = max(of, done)
        bar.update(done - bar.n)
        if done >= of:
            bar.refresh()

    return update
