"""The nodes of the demo's pipeline and what flows between them, read from the DAG itself.

Only the places of the nodes are set by hand; it needs no run, only a checkout.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Path2D

from docs.figures import drawing
from pipeline.config import load_config
from pipeline.dag import create_pipeline
from pipeline.provenance import provenance_of

# In inches from the upper left corner: the centre of each node …
PLACES = {
    "SpeechExampleGen": (1.45, 0.35),
    "ImportSchemaGen": (3.7, 0.35),
    "CheckpointImporter": (6.0, 0.35),
    "StatisticsGen": (1.45, 1.2),
    "Transform": (3.7, 1.2),
    "SpeechValidator": (1.45, 2.05),
    "LastPassed": (1.45, 2.8),
    "Trainer": (3.7, 3.2),
    "ModelExporter": (3.7, 4.0),
    "LanguageModelTrainer": (1.45, 4.45),
    "WerEvaluator": (3.7, 5.0),
    "LatestBlessed": (6.0, 5.55),
    "LastJudged": (6.0, 6.25),
    "ReleaseGate": (3.7, 5.9),
    "ReleasePusher": (3.7, 6.8),
}
WIDTH, HEIGHT = 1.6, 0.4  # of a node
SIZE = (drawing.WIDTH, 7.1)
# … and the way of each edge that is no straight line downwards.
ROUTES = {
    ("SpeechExampleGen", "Transform"): [(2.25, 0.35), (2.42, 0.35), (2.42, 1.2), (2.9, 1.2)],
    ("ImportSchemaGen", "SpeechValidator"): [(2.9, 0.35), (2.6, 0.35), (2.6, 1.95), (2.25, 1.95)],
    ("LastPassed", "SpeechValidator"): [(1.45, 2.6), (1.45, 2.25)],
    ("SpeechValidator", "Trainer"): [(2.25, 2.15), (3.3, 2.15), (3.3, 3.0)],
    ("CheckpointImporter", "Trainer"): [(6.0, 0.55), (6.0, 3.2), (4.5, 3.2)],
    ("CheckpointImporter", "ReleasePusher"): [(6.8, 0.35), (7.0, 0.35), (7.0, 6.9), (4.5, 6.9)],
    ("Transform", "ModelExporter"): [(4.5, 1.2), (4.8, 1.2), (4.8, 3.9), (4.5, 3.9)],
    ("LanguageModelTrainer", "WerEvaluator"): [(2.25, 4.45), (3.1, 4.45), (3.1, 4.8)],
    ("ModelExporter", "ReleaseGate"): [(4.5, 4.1), (4.8, 4.1), (4.8, 5.78), (4.5, 5.78)],
    ("ModelExporter", "ReleasePusher"): [(4.5, 4.1), (4.8, 4.1), (4.8, 6.7), (4.5, 6.7)],
    ("WerEvaluator", "ReleasePusher"): [(2.9, 5.08), (2.6, 5.08), (2.6, 6.88), (2.9, 6.88)],
    ("LatestBlessed", "ReleaseGate"): [(5.2, 5.55), (5.0, 5.55), (5.0, 5.9), (4.5, 5.9)],
    ("LastJudged", "ReleaseGate"): [(5.2, 6.25), (5.0, 6.25), (5.0, 6.02), (4.5, 6.02)],
    # The speech goes down the left edge.
    ("SpeechExampleGen", "Trainer"): [(0.65, 0.35), (0.3, 0.35), (0.3, 3.2), (2.9, 3.2)],
    ("SpeechExampleGen", "ModelExporter"): [(0.65, 0.35), (0.3, 0.35), (0.3, 4.0), (2.9, 4.0)],
    ("SpeechExampleGen", "LanguageModelTrainer"): [(0.3, 3.2), (0.3, 4.45), (0.65, 4.45)],
    ("SpeechExampleGen", "WerEvaluator"): [(0.3, 3.2), (0.3, 4.92), (2.9, 4.92)],
    ("SpeechExampleGen", "ReleasePusher"): [(0.3, 3.2), (0.3, 6.72), (2.9, 6.72)],
}
RESOLVERS = ("LastPassed", "LatestBlessed", "LastJudged")
Edge = tuple[str, str]


def main() -> None:
    edges = edges_of_demo()

    def draw(theme: drawing.Theme) -> Figure:
        figure = pyplot.figure(figsize=SIZE, layout="none")
        place = figure.add_axes((0, 0, 1, 1))
        place.set_xlim(0, SIZE[0])
        place.set_ylim(SIZE[1], 0)
        place.set_axis_off()
        for edge, what in edges.items():
            draw_edge(place, theme, edge, what)
        for node in PLACES:
            draw_node(place, theme, node)
        return figure

    drawing.keep(__file__, "pipeline/dag.py, with the config demo", draw)


def edges_of_demo() -> dict[Edge, str]:
    """From node to node, and what flows there; nothing where one only waits for the other."""
    config = load_config("demo", root=Path("w2v-runs"))
    dag = create_pipeline(config, provenance_of(config), root="", beam_args=[])
    edges: dict[Edge, str] = {}
    for node in dag.components:
        for upstream in node.upstream_nodes:
            edges[upstream.id, node.id] = ""
        for channel in node.inputs.values():
            for one in channel if isinstance(channel, list) else [channel]:
                producer = getattr(one, "producer_component_id", None)
                if producer:
                    edges[producer, node.id] = one.type_name
    unplaced = {name for edge in edges for name in edge} ^ set(PLACES)
    if unplaced:
        raise SystemExit(f"Give {', '.join(sorted(unplaced))} a place, or take it away.")
    if set(ROUTES) - set(edges):
        raise SystemExit(f"There is no edge {sorted(set(ROUTES) - set(edges))}: take it away.")
    return edges


def draw_node(place: Axes, theme: drawing.Theme, node: str) -> None:
    x, y = PLACES[node]
    is_resolver = node in RESOLVERS
    colour = theme.faint if is_resolver else theme.blue
    place.add_patch(
        FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=(colour, 0.12),
            edgecolor=colour,
            linestyle="--" if is_resolver else "-",
            linewidth=1.2,
        )
    )
    place.annotate(node, (x, y), ha="center", va="center")


def draw_edge(place: Axes, theme: drawing.Theme, edge: Edge, what: str) -> None:
    (above, top), (below, bottom) = (PLACES[node] for node in edge)
    downwards = [(above, top + HEIGHT / 2), (below, bottom - HEIGHT / 2)]
    place.add_patch(
        FancyArrowPatch(
            path=Path2D(ROUTES.get(edge, downwards)),
            arrowstyle="-|>",
            mutation_scale=9,
            color=theme.green if what == "Examples" else theme.faint,
            linewidth=1.1,
            linestyle="-" if what else ":",
            fill=False,
        )
    )


if __name__ == "__main__":
    main()
