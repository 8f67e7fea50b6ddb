"""The demo: an organization with three templates that show what the product does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coder_admin.catalog.models import Template
from coder_admin.organizations.models import Organization, User
from coder_admin.organizations.services.bootstrap import ADMIN_USERNAME
from coder_admin.organizations.services.organizations import organization_create
from coder_admin.parameters.importing import import_folder
from rbac.django import forget_subject, subject_for

ORGANIZATION = "demo"
FOLDER = Path(__file__).resolve().parent / "demo_templates"


@dataclass(frozen=True, slots=True)
class DemoTemplate:
    """A folder of the demo and how it introduces itself."""

    name: str
    display_name: str
    description: str


TEMPLATES = (
    DemoTemplate("scratchpad", "Scratchpad", "An empty folder and an agent; one is always kept ready."),
    DemoTemplate(
        "web-service", "Web service", "Parameters that depend on each other, presets, a scheduled pool."
    ),
    DemoTemplate(
        "analytics", "Analytics", "Its claim replaces a resource, on purpose: see how that is told."
    ),
)


def seed(say: Callable[[str], None]) -> None:
    """Make what of the demo is missing; what somebody changed or deleted since stays as it is."""
    admin = User.objects.live().filter(username=ADMIN_USERNAME).first()
    organization = Organization.objects.filter(name=ORGANIZATION).first()
    if admin is None or (organization is not None and organization.deleted):
        return
    if organization is None:
        organization = organization_create(
            subject_for(admin),
            name=ORGANIZATION,
            display_name="Demo",
            description="Three templates to look around with.",
        )
        forget_subject(admin)
    for template in TEMPLATES:
        if Template.objects.filter(organization=organization, name=template.name).exists():
            continue
        say(f"Importing the demo template {template.name}")
        import_folder(
            actor=subject_for(admin),
            organization=organization,
            folder=FOLDER / template.name,
            name=template.name,
            display_name=template.display_name,
            description=template.description,
        )
