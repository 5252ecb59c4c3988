"""The model card: what lies in the folder, what it reached, and what it is no evidence of."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from reference_models.diffusion.measuring import Figure

SHOWN = (
    ("painted_scene", "scene as asked, held-out looks, product pasted"),
    ("drawn_scene", "the same, of drawn ads: the judge's own"),
    ("unseen_text_scene", "scene as asked, free text never trained on"),
    ("painted_light", "light as asked"),
    ("painted_time_of_day", "time of day as asked"),
    ("painted_palette", "palette as asked"),
    ("painted_depth", "depth as asked"),
    ("painted_decoration", "decoration as asked"),
)


def card(figures: Sequence[Figure], files: Sequence[Path], *, folder: Path, command: str) -> str:
    """The card, as Markdown.

    Args:
        figures: What was measured.
        files: Files of the model.
        folder: Where they lie.
        command: What made them.
    """
    whole = {figure.metric: figure for figure in figures if figure.slice == "all"}
    rows = "".join(f"| {words} | {_said(whole[name])} |\n" for name, words in SHOWN)
    worst = min(
        (f for f in figures if f.metric == "painted_scene" and f.slice != "all"),
        key=lambda figure: figure.estimate,
    )
    hashes = "".join(
        f"| `{path.relative_to(folder)}` | {path.stat().st_size:,} | "
        f"`{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}` |\n"
        for path in files
        if path.suffix == ".safetensors"
    )
    return f"""\
# Shop-world diffusion

A Stable Diffusion inpainting pipeline with a canny ControlNet, of diffusers' own classes, trained
from nothing on drawings of the shop world. It paints backgrounds of 24 scenes around a product.

Made by `{command}`.

| figure | value |
| --- | --- |
{rows}| worst scene: {worst.slice.removeprefix("scene=")} | {_said(worst)} |
| seconds an image, one core | {whole["seconds_an_image"].estimate:.2f} |

What is shown is judged by a small classifier trained on drawn ads alone. Intervals are 95 %.

| file | bytes | sha256 |
| --- | --- | --- |
{hashes}
Limits: it knows 24 drawn scenes and the words for them, at the size it was trained at. Of any other
request it makes something of what it knows. It is no evidence about any real shop, nor about
models trained on photographs.
"""


def _said(figure: Figure) -> str:
    if figure.lower is None or figure.upper is None:
        return f"{figure.estimate:.1%} (n = {figure.n})"
    return f"{figure.estimate:.1%} [{figure.lower:.1%}, {figure.upper:.1%}] (n = {figure.n})"
