"""The table of kinds: importing this module registers every kind of stage."""

from __future__ import annotations

import abl.runner.activation
import abl.runner.classifier
import abl.runner.external
import abl.runner.features
import abl.runner.segment
import abl.runner.selection  # noqa: F401
