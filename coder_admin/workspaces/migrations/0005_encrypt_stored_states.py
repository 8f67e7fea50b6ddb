from django.db import migrations

from coder_admin.foundation import encryption


def _rewrite(apps, change):
    builds = apps.get_model("workspaces", "WorkspaceBuild").objects
    ids = builds.filter(provisioner_state__isnull=False).values_list("pk", flat=True).order_by("pk")
    for pk in list(ids):
        row = builds.filter(pk=pk)
        stored = bytes(row.values_list("provisioner_state", flat=True)[0])
        row.update(provisioner_state=encryption.Sealed(change(stored)))


def encrypt(apps, schema_editor):
    _rewrite(apps, encryption.rotate)


def decrypt(apps, schema_editor):
    _rewrite(apps, encryption.decrypt)


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0004_encrypted_state")]

    operations = [migrations.RunPython(encrypt, decrypt)]
