"""`bin/runs`: lists the runs below a directory, as a table, as JSON or on a page. Needs no TensorFlow."""

import json
from pathlib import Path

from bars_tf.cli.settings import Settings
from bars_tf.errors import blame
from bars_tf.report import listing


def main(settings: Settings) -> None:
    values = settings.values
    top = Path(values["directory"])
    with blame("directory", values["directory"]):
        entries = listing.find(top)
    with blame("sort", values["sort"]):
        entries = listing.ordered(entries, values["sort"])
    if values["page"]:
        with blame("page", values["page"]):
            listing.write_page(Path(values["page"]), entries, top)
    if values["json"]:
        print(json.dumps([entry.values for entry in entries], allow_nan=False))
    else:
        listing.print_table(entries)
        if values["page"]:
            print(f"\npage: {values['page']}")
