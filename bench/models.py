"""The reference's table: the same rows that pgbench updates."""

from django.db import models


class BenchCounter(models.Model):
    """Made by bench.stage, outside of the migrations."""

    id = models.BigIntegerField(primary_key=True)
    used = models.BigIntegerField()

    objects: models.Manager["BenchCounter"] = models.Manager()

    class Meta:
        db_table = "bench_counter"
        managed = False
