"""`manage.py prebuilds_snapshot > snapshot.json`: what the loop sees now."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from prebuilds.exchange import snapshot_to_json
from prebuilds.situation import current_situation


class Command(BaseCommand):
    """Loads and prints; `prebuilds.exchange` knows the form."""

    help = "Print what the reconciler of prebuilds sees now, as JSON for prebuilds_explain."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(snapshot_to_json(current_situation(timezone.now())), indent=2))
