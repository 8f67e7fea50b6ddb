"""Imports: by a worker's job, from a folder, and what each says when the template is refused."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.core.management import call_command

from coder_admin.catalog.models import Template, TemplateVersion
from coder_admin.files.models import File
from coder_admin.foundation.errors import Invalid
from coder_admin.organizations.models import Organization, User
from coder_admin.parameters.importing import import_folder, register_import_handler
from coder_admin.provisioning.models import ProvisionerJob
from coder_admin.provisioning.worker import Worker
from tests.catalog.factories import (
    actor_of,
    make_file,
    make_organization,
    make_template,
    make_user,
    make_version,
)
from tests.provisioning.conftest import eventually

GOOD = """
variable "image" {
  default = "debian"
}

data "coder_parameter" "region" {
  name    = "region"
  default = "eu"
  mutable = true
  option {
    name  = "Europe"
    value = "eu"
  }
  option {
    name  = "America"
    value = "us"
  }
}

data "coder_workspace_preset" "pool" {
  name = "pool"
  parameters = {
    region = "us"
  }
  prebuilds {
    instances = 2
    expiration_policy {
      ttl = 7200
    }
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 8-18 * * 1-5"
        instances = 5
      }
    }
  }
}

data "coder_workspace_tags" "tags" {
  tags = {
    region = data.coder_parameter.region.value
  }
}

resource "coder_agent" "main" {}

resource "docker_container" "workspace" {
  image = var.image
  env   = [coder_agent.main.token]
}
"""
FILES = {"main.tf": GOOD, "README.md": "# Read me"}


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization()


@pytest.fixture
def admin(organization: Organization) -> User:
    return make_user(organization, org_roles=["organization-template-admin"])


def folder_of(root: Path, files: dict[str, str]) -> Path:
    folder = root / uuid.uuid4().hex
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_folder_becomes_a_template_and_then_its_next_version(
    organization: Organization, admin: User, tmp_path: Path
) -> None:
    actor = actor_of(admin)
    first = import_folder(
        actor=actor, organization=organization, folder=folder_of(tmp_path, FILES), name="docker",
        variables={"image": "fedora"}, display_name="Docker",
    )  # fmt: skip
    version = first.version
    assert (first.created, first.template.display_name, version.job.job_status) == (
        True,
        "Docker",
        "succeeded",
    )
    assert [(p.name, p.form_type, len(p.options)) for p in version.parameters.all()] == [
        ("region", "radio", 2)
    ]
    preset = version.presets.get()
    assert (preset.name, preset.desired_instances, preset.invalidate_after_secs) == ("pool", 2, 7200)
    assert [(s.cron_expression, s.desired_instances) for s in preset.schedules.all()] == [
        ("* 8-18 * * 1-5", 5)
    ]
    assert version.workspace_tags == {"region": "eu"}
    assert version.readme == "# Read me"
    assert version.resources == [
        {"type": "docker_container", "name": "workspace", "address": "docker_container.workspace",
         "agents": [{"name": "main"}]}
    ]  # fmt: skip
    assert version.terraform_values.provisionerd_version == "1.6"
    changed = {**FILES, "main.tf": GOOD + '\nlocals {\n  more = "1"\n}\n'}
    second = import_folder(
        actor=actor, organization=organization, folder=folder_of(tmp_path, changed), name="Docker"
    )
    assert (second.created, second.template.id) == (False, first.template.id)
    assert second.template.active_version_id == second.version.id != version.id
    # The value that the author gave holds on.
    assert second.version.variables.get(name="image").value == "fedora"


REFUSED = {
    "no configuration": ({"README.md": ""}, "no .tf file"),
    "configuration below": ({"sub/main.tf": GOOD}, "pack the contents of that folder"),
    "syntax": ({"main.tf": "locals {\n  a = (1\n}\n"}, "main.tf:3,1"),
    "unknown name": ({"main.tf": "locals {\n  a = local.nothing\n}\n"}, "main.tf:2,"),
    "required variable": (
        {"main.tf": 'variable "a" {}\nvariable "b" {}\n'},
        "required template variables need values: a, b",
    ),
    "bad default": (
        {"main.tf": 'data "coder_parameter" "n" {\n  name = "n"\n  type = "number"\n  default = "x"\n}\n'},
        "main.tf:1: parameter n: Parameter value is not of type",
    ),
    "duplicate": (
        {
            "main.tf": "".join(
                f'data "coder_parameter" "n{i}" {{\n  name = "n"\n  default = ""\n}}\n' for i in range(2)
            )
        },
        "duplicate parameters",
    ),
    "preset without its parameter": (
        {
            "main.tf": 'data "coder_workspace_preset" "p" {\n  name = "p"\n  parameters = { x = "1" }\n'
            "  prebuilds {\n    instances = 1\n  }\n}\n"
        },
        'main.tf:1: preset "p": Undefined Parameter',
    ),
    "unknown tag": (
        {
            "main.tf": 'data "coder_workspace" "me" {}\ndata "coder_workspace_tags" "t" {\n'
            "  tags = {\n    a = data.coder_workspace.me.name\n  }\n}\n"
        },
        "Unable to parse workspace tags: Tag a",
    ),
    "two defaults": (
        {
            "main.tf": "".join(
                f'data "coder_workspace_preset" "p{i}" {{\n  name = "p{i}"\n  default = true\n}}\n'
                for i in range(2)
            )
        },
        "Multiple default presets",
    ),
    "same preset twice": (
        {
            "main.tf": "".join(
                f'data "coder_workspace_preset" "p{i}" {{\n  name = "p"\n}}\n' for i in range(2)
            )
        },
        "Duplicate preset name",
    ),
    "long parameter name": (
        {"main.tf": f'data "coder_parameter" "n" {{\n  name = "{"n" * 300}"\n  default = ""\n}}\n'},
        "name has 300 characters; at most 256 fit",
    ),
    "NUL in a value": (
        {"main.tf": 'data "coder_parameter" "n" {\n  name = "n"\n  default = "a\\u0000b"\n}\n'},
        'parameter "n": default_value: it holds a NUL character',
    ),
    "NUL in an option": (
        {
            "main.tf": 'data "coder_parameter" "n" {\n  name = "n"\n  option {\n    name = "a"\n'
            '    value = "\\u0000"\n  }\n}\n'
        },
        'parameter "n": options: it holds a NUL character',
    ),
    "order beyond the column": (
        {"main.tf": 'data "coder_parameter" "n" {\n  name = "n"\n  default = ""\n  order = 3000000000\n}\n'},
        "display_order is 3000000000",
    ),
    "long preset description": (
        {
            "main.tf": 'data "coder_workspace_preset" "p" {\n  name = "p"\n'
            f'  description = "{"d" * 200}"\n}}\n'
        },
        "at most 128",
    ),
    "pool beyond the column": (
        {
            "main.tf": 'data "coder_workspace_preset" "p" {\n  name = "p"\n  prebuilds {\n'
            "    instances = 99999999999\n  }\n}\n"
        },
        'preset "p"',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_folder_leaves_nothing(
    organization: Organization, admin: User, tmp_path: Path, case: str
) -> None:
    files, reason = REFUSED[case]
    with pytest.raises(Invalid) as caught:
        import_folder(
            actor=actor_of(admin), organization=organization, folder=folder_of(tmp_path, files), name="t"
        )
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    for model in (Template, TemplateVersion, ProvisionerJob):
        assert model.objects.filter(organization=organization).count() == 0
    assert File.objects.filter(created_by=admin).count() == 0


def test_a_readme_with_nul_is_stored_with_a_mark(
    organization: Organization, admin: User, tmp_path: Path
) -> None:
    made = import_folder(
        actor=actor_of(admin), organization=organization, name="t",
        folder=folder_of(tmp_path, {"main.tf": "", "README.md": "a\x00b"}),
    )  # fmt: skip
    assert made.version.readme == "a\ufffdb"


def test_required_parameter_without_a_value_is_no_reason_to_refuse(
    organization: Organization, admin: User, tmp_path: Path
) -> None:
    files = {
        "main.tf": 'data "coder_parameter" "n" {\n  name = "n"\n  type = "number"\n'
        "  validation {\n    min = 1\n  }\n}\n"
    }
    imported = import_folder(
        actor=actor_of(admin), organization=organization, folder=folder_of(tmp_path, files), name="t"
    )
    assert imported.version.parameters.get().required is True


def test_folder_that_leads_out_of_itself_is_refused(
    organization: Organization, admin: User, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, FILES)
    (tmp_path / "secret.tf").write_text("# secret")
    (folder / "link.tf").symlink_to(tmp_path / "secret.tf")
    with pytest.raises(Invalid, match=r'"link.tf".*link out of it'):
        import_folder(actor=actor_of(admin), organization=organization, folder=folder, name="t")


def test_command_creates_and_updates(
    organization: Organization, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    owner = make_user(roles=["owner"])
    folder = str(folder_of(tmp_path, FILES))
    call_command(
        "import_template", folder, "--org", organization.name, "--name", "docker", "--user", owner.username
    )
    assert capsys.readouterr().out.startswith("Created template docker, active version ")
    call_command("import_template", folder, "--org", str(organization.id), "--name", "docker", "--user",
                 owner.username,
                 "--version-name", "v2", "--var", "image=fedora")  # fmt: skip
    assert capsys.readouterr().out == "Updated template docker, active version v2.\n"
    template = Template.objects.get(organization=organization)
    assert template.active_version is not None
    assert template.active_version.variables.get(name="image").value == "fedora"


def test_command_refuses_in_one_line(organization: Organization, tmp_path: Path) -> None:
    for arguments, reason in (
        ([str(tmp_path / "nowhere")], "does not exist"),
        ([str(folder_of(tmp_path, {"a.txt": ""}))], "no .tf file"),
        ([str(folder_of(tmp_path, FILES)), "--user", "nobody"], 'no user "nobody"'),
        ([str(folder_of(tmp_path, FILES)), "--var", "x"], "NAME=VALUE"),
    ):
        with pytest.raises(Invalid) as caught:
            call_command("import_template", *arguments, "--org", organization.name, "--name", "t")
        assert reason in str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_upload_is_imported_by_a_worker() -> None:
    register_import_handler()
    organization = make_organization()
    admin = make_user(organization, org_roles=["organization-template-admin"])
    good = make_version(
        admin, organization, done=False, file=make_file(admin, FILES), variables={"image": "fedora"}
    )
    bad = make_version(
        admin, organization, done=False, file=make_file(admin, {"main.tf": "locals {\n  a = (1\n}\n"})
    )

    def ended(version: TemplateVersion) -> ProvisionerJob | None:
        return ProvisionerJob.objects.filter(pk=version.job_id, completed_at__isnull=False).first()

    with Worker(name=f"w-{uuid.uuid4().hex[:8]}"):
        done = eventually(lambda: ended(good), what="the import")
        failed = eventually(lambda: ended(bad), what="the failing import")
    assert (done.job_status, done.error) == ("succeeded", "")
    assert good.variables.get(name="image").value == "fedora"
    assert good.presets.get().desired_instances == 2
    lines = list(done.logs.values_list("output", flat=True))
    assert "Found 1 parameter, 1 preset, 1 variable, 1 resource." in lines
    assert failed.job_status == "failed"
    assert "main.tf:3,1" in failed.error
    assert any(line.level == "error" and "main.tf:3,1" in line.output for line in failed.logs.all())
    template = make_template(admin, organization, version=good)
    assert template.active_version_id == good.id
