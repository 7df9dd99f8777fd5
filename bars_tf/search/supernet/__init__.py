"""The shared weights of all networks of a space, and the relaxation of its choices."""
