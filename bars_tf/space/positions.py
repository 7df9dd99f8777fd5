"""The positions of cells in a network."""

from collections.abc import Iterable
from typing import NamedTuple


class CellPosition(NamedTuple):
    """The position of a cell.

    Attributes:
        index: its place among all cells at full depth.
        stage: the stage that its output belongs to; `source_stage`: that of its input.
        depth: its place in the stage's chain, from 1; 0 for the cell that opens the stage.
        group: name of the topology that it has, alone or with other cells.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    stage: int
    source_stage: int
    depth: int
    group: str
    stride: int

    @property
    def name(self) -> str:
        return f"cell_{self.index}"

    @property
    def opens_stage(self) -> bool:
        return not self.depth


def cell_positions(cells: Iterable[tuple[bool, int]], sharing: str) -> tuple[CellPosition, ...]:
    """The positions of all cells in order, from whether each opens a stage, its stride, and `SearchSpace.sharing`."""
    positions, stage, depth = [], 0, 0
    for index, (opens_stage, stride) in enumerate(cells):
        source = stage
        if opens_stage:
            stage, depth = stage + 1, 0
            group = f"reduction_{source}" if sharing == "none" else "reduction"
        else:
            depth += 1
            group = {"stage": f"normal_stage_{stage}", "all": "normal"}.get(sharing, f"normal_{index - stage}")
        positions.append(CellPosition(index, stage, source, depth, group, stride))
    return tuple(positions)
