"""Tables of text for a terminal."""

from collections.abc import Collection, Sequence


def print_table(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> None:
    """Prints rows of equal length as columns, see `table_text`."""
    print(table_text(rows, left))


def table_text(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Rows of equal length as columns, aligned to the left if their index is in `left`, else to the right."""
    # Texts from files could steer the terminal by unprintable characters.
    rows = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(f"{cell:<{width}}" if i in left else f"{cell:>{width}}"
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)
