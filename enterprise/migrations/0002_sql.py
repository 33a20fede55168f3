"""An organisation keeps an owner; what a key is never changes, and what was revoked stays so."""

from django.db import migrations

OWNERS = """
CREATE FUNCTION enterprise_guard_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM accounts_account WHERE id = OLD.account_id AND kind = 'organisation')
     AND NOT EXISTS (SELECT 1 FROM accounts_membership WHERE account_id = OLD.account_id AND role = 'owner') THEN
    RAISE EXCEPTION 'an organisation needs an owner' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER enterprise_owner_stays
  AFTER UPDATE OR DELETE ON accounts_membership DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION enterprise_guard_owner();
"""

OWNERS_BACK = """
DROP TRIGGER enterprise_owner_stays ON accounts_membership;
DROP FUNCTION enterprise_guard_owner();
"""

KEYS = """
CREATE FUNCTION enterprise_guard_credential() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.public_id, NEW.account_id, NEW.prefix, NEW.secret_hash, NEW.scopes, NEW.created_at)
     IS DISTINCT FROM (OLD.id, OLD.public_id, OLD.account_id, OLD.prefix, OLD.secret_hash, OLD.scopes, OLD.created_at)
  THEN
    RAISE EXCEPTION 'an API key is never rewritten, only ended' USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at
     OR OLD.expires_at IS NOT NULL AND (NEW.expires_at IS NULL OR NEW.expires_at > OLD.expires_at) THEN
    RAISE EXCEPTION 'an API key that ends does not begin again' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER enterprise_credential_guard BEFORE UPDATE ON enterprise_credential
  FOR EACH ROW EXECUTE FUNCTION enterprise_guard_credential();
"""

KEYS_BACK = """
DROP TRIGGER enterprise_credential_guard ON enterprise_credential;
DROP FUNCTION enterprise_guard_credential();
"""


class Migration(migrations.Migration):
    dependencies = [("enterprise", "0001_initial"), ("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(OWNERS, OWNERS_BACK),
        migrations.RunSQL(KEYS, KEYS_BACK),
    ]
