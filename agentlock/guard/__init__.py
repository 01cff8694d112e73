"""The guard: one verdict for every hook and for ``check``, and how it is told."""
