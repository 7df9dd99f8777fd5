"""A network as plain C: the calls of its operations, their memory, the files, and the proof."""
