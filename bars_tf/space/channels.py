"""How the channels of a tensor are laid out, so that widths can be chosen in them."""

from __future__ import annotations

from typing import NamedTuple


class Channels(NamedTuple):
    """The channels of a tensor at full width.

    Attributes:
        size: channels of a block.
        blocks: number of concatenated blocks.
        stage: the stage whose width choice keeps a prefix *of each block*; None: the number of channels is fixed.
    """

    size: int
    blocks: int = 1
    stage: int | None = None

    @property
    def total(self) -> int:
        """Number of channels at full width."""
        return self.size * self.blocks

    def count(self, width: float = 1.0) -> int:
        """Number of channels that a width choice keeps."""
        return self.blocks * round(self.size * width) if self.stage is not None else self.total

    def slots(self, width: float = 1.0) -> list[int]:
        """Positions of the kept channels among all of them, in their order in the derived network."""
        kept = self.count(width) // self.blocks
        return [block * self.size + i for block in range(self.blocks) for i in range(kept)]

    def half(self) -> Channels:
        """One of the two halves that a factorized convolution concatenates."""
        if self.blocks % 2 == 0:
            return self._replace(blocks=self.blocks // 2)
        return self._replace(size=self.size // 2)
