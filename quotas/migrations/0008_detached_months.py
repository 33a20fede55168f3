"""Which months' records were taken out of the books, for all that compares figures with records."""

from django.db import migrations, models

SINCE = """
CREATE FUNCTION quotas_records_since() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT coalesce((max(month) + interval '1 month') AT TIME ZONE 'UTC', '-infinity') FROM quotas_detachedmonth
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("quotas", "0007_ages")]

    operations = [
        migrations.CreateModel(
            name="DetachedMonth",
            fields=[
                ("month", models.DateField(primary_key=True, serialize=False)),
                ("table_name", models.CharField(max_length=63)),
                ("record_count", models.BigIntegerField()),
                ("kept_count", models.BigIntegerField()),
                ("detached_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(SINCE, "DROP FUNCTION quotas_records_since;"),
    ]
