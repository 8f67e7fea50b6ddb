"""Takes the pictures of the README from a running demo: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.scenarios.application import PASSWORD, eventually, running  # noqa: E402
from tests.scenarios.test_main_job import TEMPLATES, claim, preset_of, template_named  # noqa: E402

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def main() -> None:
    """Overview, create form and preset, each in the theme that the README shows."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "--demo") as app:
        app.log_in()
        for name in TEMPLATES:
            eventually(partial(app.prebuilds, name), within=60, what=f"{name}: a ready prebuild")
        claim(app, template_named(app, "scratchpad"), "first-steps")
        claim(app, template_named(app, "analytics"), "sales-numbers")
        service = template_named(app, "web-service")
        pages = {
            "overview": "/",
            "create": f"/templates/demo/{service['name']}/workspace",
            "preset": f"/templates/demo/{service['name']}/presets/{preset_of(app, service)['ID']}",
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": 1440, "height": 900}, color_scheme=theme, base_url=app.address
                )
                page = context.new_page()
                log_in(page)
                for name, path in pages.items():
                    page.goto(path)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=IMAGES / f"{name}-{theme}.png")
            browser.close()


def log_in(page: Page) -> None:
    """Through the form, as a person does."""
    page.goto("/login")
    page.get_by_label("Username or e-mail").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


if __name__ == "__main__":
    main()
