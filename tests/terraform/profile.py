"""How deep the property tests of this folder go: TERRAFORM_EXAMPLES=2000 for a thorough run."""

from __future__ import annotations

import os

EXAMPLES = int(os.environ.get("TERRAFORM_EXAMPLES", "50"))
