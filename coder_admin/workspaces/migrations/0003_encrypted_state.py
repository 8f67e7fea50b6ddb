from django.db import migrations

import coder_admin.foundation.encryption


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0002_agent_log_position_and_replacements")]

    operations = [
        migrations.AlterField(
            model_name="workspacebuild",
            name="provisioner_state",
            field=coder_admin.foundation.encryption.EncryptedBinaryField(blank=True, null=True),
        ),
    ]
