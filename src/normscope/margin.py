"""How large a difference of accuracy must be to matter."""

from __future__ import annotations

MARGIN = 0.002
"""Nobody minds a smaller one, unless the user says otherwise."""
