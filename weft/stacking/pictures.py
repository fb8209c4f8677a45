"""Pictures of a registration, as bytes of PNG and GIF files, and the overview of a stack.

Belongs here: drawing. Not here: which pixels are drawn (``proof``), or the page they stand on (``report``).
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from weft.rasters.picture import NOTHING
from weft.rasters.quicklook import brightness
from weft.registration.displacement import Displacement
from weft.registration.points import TiePoints

GIF_TYPE = "image/gif"
FRAME_MS = 600
"""How long a flicker picture shows each of its two frames: slow enough to see where something jumps."""

_MAX_ARROWS = 900
_MAP_SIDE = 160  # nodes along the longer side of the magnitude map: displacements are smooth
_GREYS = 32  # of a flicker picture: enough to see edges move, and the file stays small
_GAP = 6
_STRETCH = (2.0, 98.0)  # percentiles shown as black and white
_PALETTE = 128  # colours of a plot: a third of the bytes, which also lie in Dagster's event log

Values = npt.NDArray[np.float32]


def quiver(points: TiePoints, displacement: Displacement) -> bytes:
    """Tie points as arrows from where the reference shows something to where the secondary does, and what is left.

    Args:
        points: all of them; those that are not believed are drawn as grey crosses.
        displacement: what was fitted to the believed ones.

    Returns:
        PNG.
    """
    believed, others = points.select(points.inlier), points.select(~points.inlier)
    step = max(1, -(-len(believed) // _MAX_ARROWS))
    shown = believed.select(np.arange(0, len(believed), step))
    fitted_x, fitted_y = displacement.at(shown.x, shown.y)
    figure = _figure(displacement.shape, panels=2)
    left = shown.dx - fitted_x, shown.dy - fitted_y
    titles = f"measured: {len(believed)} of {len(points)} points believed", "left after the fit"
    for axes, (dx, dy), title in zip(figure.axes, ((shown.dx, shown.dy), left), titles, strict=True):
        axes.plot(others.x, others.y, "x", color="0.75", markersize=3, markeredgewidth=0.6)
        _arrows(axes, shown, dx, dy)
        axes.set_title(title, fontsize=9)
    return _png(figure)


def magnitude(points: TiePoints, displacement: Displacement) -> bytes:
    """Map of the displacement's length over the reference grid, with the tie points it rests on; PNG."""
    height, width = displacement.shape
    step = max(1.0, max(height, width) / _MAP_SIDE)
    columns, rows = np.arange(0, width, step), np.arange(0, height, step)
    length = np.hypot(*displacement.at(columns[None, :], rows[:, None]))
    figure = _figure(displacement.shape, panels=1)
    (axes,) = figure.axes
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)
    # A field that hardly varies is one colour, not noise stretched to a rainbow.
    middle, half = (length.min() + length.max()) / 2, max(0.05, (length.max() - length.min()) / 2)
    image = axes.imshow(length, extent=edges, cmap="viridis", vmin=max(0.0, middle - half), vmax=middle + half)
    axes.plot(points.x[points.inlier], points.y[points.inlier], ".", color="white", markersize=1.5, alpha=0.7)
    axes.set_title(f"displacement ({displacement.model})", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.8, label="pixels")
    return _png(figure)


def flicker(reference: Values, before: Values, after: Values) -> bytes:
    """The reference and the secondary in turn, the latter before (left) and after (right) registration.

    Where the pair does not fit, everything jumps to and fro.

    Args:
        reference: (height, width), NaN where there is nothing.
        before: the secondary as its geolocation places it, likewise.
        after: the secondary as registration places it, likewise.

    Returns:
        Animated GIF.
    """
    shown, *seconds = (_grey(values) for values in (reference, before, after))
    frames = [
        _side_by_side((shown, shown), ("reference", "reference")),
        _side_by_side(seconds, ("before", "after")),
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette([round(255 * grey / (_GREYS - 1)) for grey in range(_GREYS) for _ in range(3)])
    first, second = (
        frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE).convert("P") for frame in frames
    )
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=[second], duration=FRAME_MS, loop=0, disposal=1)
    return content.getvalue()


def colours(channels: Sequence[npt.NDArray[np.float64]], *, natural: bool) -> npt.NDArray[np.uint8]:
    """An 8-bit picture of one to three layers.

    Args:
        channels: physical values (height, width), NaN where there is none: red, green and blue, or red and green+blue,
            or grey.
        natural: the three are reflectances of red, green and blue: they are stretched like every quick-look. Anything
            else is stretched between its own 2nd and 98th percentile.

    Returns:
        (3, height, width) uint8, see :mod:`weft.rasters.picture`.
    """
    stretched = [brightness(values) if natural else _stretched(values) * 255.0 for values in channels]
    trio = [stretched[min(position, len(stretched) - 1)] for position in range(3)]
    there = ~np.isnan(np.sum(trio, axis=0))
    shown = np.rint(np.where(there, np.stack(trio), 0.0))
    return np.where(there, np.maximum(shown, 1), NOTHING).astype(np.uint8)


def _stretched(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Values between 0 and 1, NaN where they are."""
    if np.isnan(values).all():
        return values.astype(np.float64)
    low, high = np.nanpercentile(values, _STRETCH)
    shown: npt.NDArray[np.float64] = np.clip((values.astype(np.float64) - low) / max(high - low, 1e-9), 0.0, 1.0)
    return shown


def _grey(values: Values) -> npt.NDArray[np.uint8]:
    return np.nan_to_num(_stretched(values) * 255.0, nan=0.0).astype(np.uint8)


def _side_by_side(panels: Sequence[npt.NDArray[np.uint8]], captions: Sequence[str]) -> Image.Image:
    height, width = panels[0].shape
    frame = Image.new("L", (2 * width + _GAP, height), 255)
    draw = ImageDraw.Draw(frame)
    for panel, caption, left in zip(panels, captions, (0, width + _GAP), strict=True):
        frame.paste(Image.fromarray(panel), (left, 0))
        draw.rectangle((left, 0, *(np.array(draw.textbbox((left + 2, 0), caption)[2:]) + 2)), fill=0)
        draw.text((left + 2, 0), caption, fill=255)
    return frame


def _figure(shape: tuple[int, int], *, panels: int) -> Figure:
    height, width = shape
    ratio = min(2.0, max(0.5, height / width))
    figure = Figure(figsize=(4.2 * panels, 3.6 * ratio + 0.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for panel in range(panels):
        axes = figure.add_subplot(1, panels, panel + 1)
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
        axes.tick_params(labelsize=7)
    return figure


def _arrows(axes: Axes, points: TiePoints, dx: npt.NDArray[np.float64], dy: npt.NDArray[np.float64]) -> None:
    if not len(points):
        return
    length = np.hypot(dx, dy)
    typical = max(0.01, float(np.percentile(length, 90)))
    reach = max(*np.ptp(points.x, keepdims=True), *np.ptp(points.y, keepdims=True), 1.0) / 14
    # A typical arrow is as long as the points are apart, whatever the displacement; the text says what it means.
    arrows = axes.quiver(
        points.x,
        points.y,
        dx,
        dy,
        length,
        angles="xy",
        scale_units="xy",
        scale=typical / reach,
        width=0.003,
        cmap="plasma",
    )
    arrows.set_clim(0.0, float(length.max()) or 1.0)
    axes.set_xlabel(f"90 % are at most {typical:.2f} px; arrows are {reach / typical:.0f} times as long", fontsize=8)


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    small = io.BytesIO()
    Image.open(content).convert("RGB").quantize(_PALETTE, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()
