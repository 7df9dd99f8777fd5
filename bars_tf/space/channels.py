"""How the channels of a tensor are laid out, so that widths can be chosen in them."""

from __future__ import annotations

from typing import NamedTuple


class Channels(NamedTuple):
    """The channels of a tensor: `blocks` concatenated blocks of `size` channels at full width.

    A width choice of `stage` keeps a prefix *of each block*; channels without a stage have a fixed number.
    """

    size: int
    blocks: int = 1
    stage: int | None = None

    @property
    def total(self) -> int:
        return self.size * self.blocks

    def count(self, width: float = 1.0) -> int:
        """Number of channels that `width` keeps."""
        return self.blocks * round(self.size * width) if self.stage is not None else self.total

    def slots(self, width: float = 1.0) -> list[int]:
        """Positions of the kept channels among all of them, in the order that the derived network has them in."""
        kept = self.count(width) // self.blocks
        return [block * self.size + i for block in range(self.blocks) for i in range(kept)]

    def half(self) -> Channels:
        """One of the two halves that a factorized convolution concatenates."""
        if self.blocks % 2 == 0:
            return self._replace(blocks=self.blocks // 2)
        return self._replace(size=self.size // 2)
