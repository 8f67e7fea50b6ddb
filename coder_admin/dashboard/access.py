"""Questions that pages ask before they offer something; the answer is given again by the service."""

from __future__ import annotations

from rbac.model import Action, RbacObject, ResourceType, Subject
from rbac.policy import allowed


def may_create_template(viewer: Subject) -> bool:
    """Whether the viewer may upload a template into some organization."""
    return allowed(viewer, Action.CREATE, RbacObject(ResourceType.TEMPLATE, any_org=True))


def may_create_template_in(viewer: Subject, organization_id: str) -> bool:
    """Whether the viewer may upload a template into that organization."""
    return allowed(viewer, Action.CREATE, RbacObject(ResourceType.TEMPLATE, org=organization_id))


def may_pause_prebuilds(viewer: Subject) -> bool:
    """Whether the viewer may pause and resume all pools."""
    return allowed(viewer, Action.UPDATE, RbacObject(ResourceType.DEPLOYMENT_CONFIG))


def may_explain(viewer: Subject) -> bool:
    """Whether the viewer gives roles to people, on the site or in some organization: then they may ask why
    somebody can or cannot do a thing."""
    return allowed(viewer, Action.ASSIGN, RbacObject(ResourceType.ASSIGN_ROLE)) or allowed(
        viewer, Action.ASSIGN, RbacObject(ResourceType.ASSIGN_ORG_ROLE, any_org=True)
    )


def may_create_for_others(viewer: Subject, organization_id: str) -> bool:
    """Whether the viewer may create workspaces of other people in that organization."""
    return allowed(
        viewer, Action.CREATE, RbacObject(ResourceType.WORKSPACE, org=organization_id, owner="somebody else")
    )
