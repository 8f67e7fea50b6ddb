from django.db import migrations

import coder_admin.foundation.encryption


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0003_automation_metadata_stats_timings")]

    operations = [
        migrations.AlterField(
            model_name="workspacebuild",
            name="provisioner_state",
            field=coder_admin.foundation.encryption.EncryptedBinaryField(blank=True, null=True),
        ),
    ]
