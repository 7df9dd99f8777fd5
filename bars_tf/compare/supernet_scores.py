"""Scores of the networks of a comparison by the supernet of a finished search."""

from collections.abc import Callable, Mapping
from pathlib import Path

from bars_tf import console
from bars_tf.data.splits import reading
from bars_tf.files import read_json, sha256, write_json
from bars_tf.legacy_keras import tf
from bars_tf.report.run_files import CANDIDATES
from bars_tf.search.supernet.scoring import Scorer
from bars_tf.search.supernet.supernet import Supernet
from bars_tf.search.supernet_training import restored
from bars_tf.search.task import Search
from bars_tf.space.genotype import Genotype
from bars_tf.training.inputs import validation_batches


def score(directory: Path, load: Callable[[], Search], networks: Mapping[str, Genotype], file: Path
          ) -> dict[str, dict[str, float]]:
    """Scores networks by the supernet of a search, on the validation images of that search.

    The directory of the search stays as it is. Scores are kept in `file`, and read from there if the search and the
    networks are the same.

    Args:
        directory: work directory of the search, which `load` returns with its images.
        networks: genotypes of the space of the search, by name.

    Returns: `accuracy` (a fraction) and `loss` (mean cross entropy) of each network.
    Raises: ValueError if the directory has no checkpoint of the last epoch of the search.
    """
    digest = sha256(directory / CANDIDATES)
    kept = read_json(file, 2**26) if file.exists() else {}
    if not isinstance(kept, dict) or kept.get("search") != digest:
        kept = {"search": digest, "scores": []}
    found = {row["name"]: row for row in kept["scores"]
             if networks.get(row["name"]) == Genotype.from_dict_of(file, row["genotype"])}
    missing = [name for name in networks if name not in found]
    if missing:
        search = load()
        scorer, batches = Scorer(_trained_supernet(search)), validation_batches(search.images, search.run.max_steps)
        with reading(search.images.validation):
            for i, name in enumerate(missing, 1):
                accuracy, loss = scorer.score(networks[name], batches)
                found[name] = {"name": name, "genotype": networks[name].to_dict(), "accuracy": accuracy, "loss": loss}
                write_json(file, {**kept, "scores": list(found.values())})
                console.say(f"compare  {name} scored by the supernet of {directory.name} ({i} of "
                            f"{len(missing)}): {accuracy:.2%}")
        tf.keras.backend.clear_session()
    return {name: {key: found[name][key] for key in ("accuracy", "loss")} for name in networks}


def _trained_supernet(search: Search) -> Supernet:
    if not (search.directory / "search" / "checkpoints" / "checkpoint").exists():
        raise ValueError("the directory has no checkpoint of its supernet")
    supernet, _, position = restored(search, writes=False)
    if position.epoch < search.settings.search_epochs:
        raise ValueError(f"the checkpoint is of epoch {position.epoch} of {search.settings.search_epochs}")
    return supernet
