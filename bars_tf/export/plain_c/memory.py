"""A place for every tensor in memory that is planned ahead: tensors that do not live at one time share it."""

from collections.abc import Sequence

from bars_tf.export.plain_c.calls import Call, Tensor


def without_copies(calls: Sequence[Call]) -> list[Call]:
    """The calls, in place wherever what they change is not needed later."""
    calls, i = list(calls), 0
    while i < len(calls) - 1:
        call, following, later = calls[i], calls[i + 1], calls[i + 2:]
        if call.function == "copy":
            y, x = call.tensors
            added = following.inputs[0] if following.function == "add" else x
            if not _is_read(x, [following, *later]):
                calls[i:] = _renamed([following, *later], y, x)
                continue
            if added not in (x, y) and added.size == y.size and not _is_read(added, later):  # of a sum either term
                calls[i:] = [following._replace(output=added, inputs=(x,)), *_renamed(later, y, added)]
                continue
        i += 1
    return calls


def in_saving_order(calls: Sequence[Call]) -> list[Call]:
    """The same calls, additions and signs as early as can be where the tensors that they read then live shorter."""
    calls = list(calls)
    for i, call in enumerate(calls):
        if call.function in ("add", "signs") and not _is_read(call.inputs[0], calls[i + 1:]):
            last = max((j for j in range(i) if _depend(calls[j], call)), default=-1)
            calls.insert(last + 1, calls.pop(i))
    return calls


def _depend(earlier: Call, later: Call) -> bool:
    """Whether the order of two calls matters, or the later one in front would keep a tensor alive for the earlier."""
    if later.function == "signs":
        return earlier.output in later.tensors
    return bool(set(earlier.tensors) & set(later.tensors)) and not _apart(earlier, later)


def _apart(one: Call, other: Call) -> bool:
    """Whether two calls add different tensors to different channels of the same one."""
    if one.function != other.function or one.output != other.output or one.inputs == other.inputs:
        return False
    (first, count), (second, others) = ((call.first, call.arguments[1]) for call in (one, other))
    return first + count <= second or second + others <= first


def _is_read(tensor: Tensor, calls: Sequence[Call]) -> bool:
    return any(tensor in call.tensors for call in calls)


def _renamed(calls: Sequence[Call], old: Tensor, new: Tensor) -> list[Call]:
    return [call._replace(output=new if call.output == old else call.output,
                          inputs=tuple(new if x == old else x for x in call.inputs)) for call in calls]


def places(calls: Sequence[Call]) -> tuple[dict[Tensor, int], tuple[int, int]]:
    """Where each tensor without a name begins, and the sizes of both memories: of floats, and of words.

    The larger a tensor, the earlier it is placed: at the first place that is free as long as it lives (as TensorFlow
    Lite's planner for microcontrollers does).
    """
    lives: dict[Tensor, tuple[int, int]] = {}
    for time, call in enumerate(calls):
        for tensor in call.tensors:
            if not tensor.name:
                lives[tensor] = lives.get(tensor, (time, time))[0], time
    found: dict[Tensor, int] = {}
    for tensor in sorted(lives, key=lambda tensor: -tensor.size):
        begin, end = lives[tensor]
        at = 0
        for other in sorted(found, key=found.__getitem__):
            if other.packed == tensor.packed and lives[other][0] <= end and begin <= lives[other][1]:
                if found[other] - at >= tensor.size:
                    break
                at = max(at, found[other] + other.size)
        found[tensor] = at
    sizes = [max((at + tensor.size for tensor, at in found.items() if tensor.packed == packed), default=0)
             for packed in (False, True)]
    return found, (sizes[0], sizes[1])
