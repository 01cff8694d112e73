"""The only caller of ``git``: where am I, who am I, which paths change."""
