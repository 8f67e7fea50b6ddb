from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0001_initial")]

    operations = [
        migrations.AddField("provisionerdaemon", "host", models.UUIDField(blank=True, null=True)),
        migrations.AddField("provisionerjob", "host", models.UUIDField(blank=True, null=True)),
    ]
