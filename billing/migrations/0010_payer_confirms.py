"""Changes that wait for their payer, trials and promotion codes; the guard of the history knows them."""

from django.conf import settings
from django.db import migrations, models


GUARD = """
CREATE OR REPLACE FUNCTION billing_guard_plan_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'billing_planchange is append-only' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.id, NEW.account_id, NEW.subscription_id, NEW.user_id, NEW.from_price_id, NEW.to_price_id, NEW.kind,
      NEW.request_id, NEW.idempotency_key, NEW.quote_id, NEW.keep_ids, NEW.proration_at, NEW.due_minor, NEW.currency,
      NEW.requested_at, NEW.collects, NEW.trial_days, NEW.promotion_code, NEW.stripe_promotion_id)
     IS DISTINCT FROM
     (OLD.id, OLD.account_id, OLD.subscription_id, OLD.user_id, OLD.from_price_id, OLD.to_price_id, OLD.kind,
      OLD.request_id, OLD.idempotency_key, OLD.quote_id, OLD.keep_ids, OLD.proration_at, OLD.due_minor, OLD.currency,
      OLD.requested_at, OLD.collects, OLD.trial_days, OLD.promotion_code, OLD.stripe_promotion_id) THEN
    RAISE EXCEPTION 'what was asked for in a plan change is never rewritten'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> NEW.status AND NOT (
       OLD.status = 'pending' AND NEW.status IN ('applied', 'scheduled', 'failed')
    OR OLD.status = 'scheduled' AND NEW.status IN ('applied', 'undone')
    OR OLD.status = 'failed' AND NEW.status IN ('applied', 'scheduled')) THEN
    RAISE EXCEPTION 'a plan change does not go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""

GUARD_BACK = """
CREATE OR REPLACE FUNCTION billing_guard_plan_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'billing_planchange is append-only' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.id, NEW.account_id, NEW.subscription_id, NEW.user_id, NEW.from_price_id, NEW.to_price_id, NEW.kind,
      NEW.request_id, NEW.idempotency_key, NEW.quote_id, NEW.keep_ids, NEW.proration_at, NEW.due_minor, NEW.currency,
      NEW.requested_at)
     IS DISTINCT FROM
     (OLD.id, OLD.account_id, OLD.subscription_id, OLD.user_id, OLD.from_price_id, OLD.to_price_id, OLD.kind,
      OLD.request_id, OLD.idempotency_key, OLD.quote_id, OLD.keep_ids, OLD.proration_at, OLD.due_minor, OLD.currency,
      OLD.requested_at) THEN
    RAISE EXCEPTION 'what was asked for in a plan change is never rewritten'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> NEW.status AND NOT (
       OLD.status = 'pending' AND NEW.status IN ('applied', 'scheduled', 'failed')
    OR OLD.status = 'scheduled' AND NEW.status IN ('applied', 'undone')
    OR OLD.status = 'failed' AND NEW.status IN ('applied', 'scheduled')) THEN
    RAISE EXCEPTION 'a plan change does not go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('billing', '0009_reminders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='plan',
            name='trial_days',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='plan',
            name='trial_needs_card',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='planchange',
            name='awaiting_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='planchange',
            name='awaiting_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='planchange',
            name='checkout_session_id',
            field=models.CharField(blank=True, max_length=128),
        ),
        migrations.AddField(
            model_name='planchange',
            name='collects',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='planchange',
            name='promotion_code',
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name='planchange',
            name='stripe_promotion_id',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='planchange',
            name='trial_days',
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddConstraint(
            model_name='planchange',
            constraint=models.UniqueConstraint(condition=models.Q(('trial_days__isnull', False), models.Q(('status', 'failed'), _negated=True)), fields=('account',), name='plan_change_trial_once'),
        ),
        migrations.AddConstraint(
            model_name='planchange',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('awaiting_since__isnull', True), ('awaiting_until__isnull', True)), models.Q(('awaiting_since__isnull', False), ('awaiting_until__isnull', False)), _connector='OR'), name='plan_change_awaits_until'),
        ),
        migrations.RunSQL(GUARD, GUARD_BACK),
    ]
