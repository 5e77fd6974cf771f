-- Whoever remembers what an account may do (packages/entitlements) forgets it with the commit of
-- what changed it. These tables change when something is bought, given or decided, a few times a
-- month and account; the rows of credits, generations and counters have no such trigger.

-- Forget what is remembered of the account of the row.
CREATE OR REPLACE FUNCTION ducat.drop_entitlements() RETURNS trigger
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM drop_cached('entitlements:' || CASE TG_OP WHEN 'DELETE' THEN OLD.account_id
                                                    ELSE NEW.account_id END);
  RETURN NULL;
END $$;

-- Forget what is remembered of anybody.
CREATE OR REPLACE FUNCTION ducat.drop_all_entitlements() RETURNS trigger
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM drop_cached('entitlements');
  RETURN NULL;
END $$;

-- Forget what is remembered of the account that the row is.
CREATE OR REPLACE FUNCTION ducat.drop_account_entitlements() RETURNS trigger
LANGUAGE plpgsql SET search_path = ducat, pg_temp AS $$
BEGIN
  PERFORM drop_cached('entitlements:' || NEW.id);
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER subscriptions_begin AFTER INSERT OR DELETE ON ducat.subscriptions
FOR EACH ROW EXECUTE FUNCTION ducat.drop_entitlements();

-- Not when only a ticket, a refill or a renewal's order moved on.
CREATE OR REPLACE TRIGGER subscriptions_change AFTER UPDATE ON ducat.subscriptions
FOR EACH ROW WHEN ((OLD.product_id, OLD.price_id, OLD.status, OLD.pause, OLD.interval,
    OLD.started_at, OLD.period_start, OLD.period_end, OLD.trial_ends_at, OLD.cancel_at,
    OLD.past_due_at, OLD.ended_at)
  IS DISTINCT FROM (NEW.product_id, NEW.price_id, NEW.status, NEW.pause, NEW.interval,
    NEW.started_at, NEW.period_start, NEW.period_end, NEW.trial_ends_at, NEW.cancel_at,
    NEW.past_due_at, NEW.ended_at))
EXECUTE FUNCTION ducat.drop_entitlements();

CREATE OR REPLACE TRIGGER passes_begin AFTER INSERT OR DELETE ON ducat.passes
FOR EACH ROW EXECUTE FUNCTION ducat.drop_entitlements();

CREATE OR REPLACE TRIGGER passes_change AFTER UPDATE ON ducat.passes
FOR EACH ROW WHEN ((OLD.starts_at, OLD.ends_at, OLD.revoked_at)
  IS DISTINCT FROM (NEW.starts_at, NEW.ends_at, NEW.revoked_at))
EXECUTE FUNCTION ducat.drop_entitlements();

CREATE OR REPLACE TRIGGER feature_overrides_change
AFTER INSERT OR UPDATE OR DELETE ON ducat.feature_overrides
FOR EACH ROW EXECUTE FUNCTION ducat.drop_entitlements();

-- Not what is spent of it: whoever tracks that tells it when it has committed.
CREATE OR REPLACE TRIGGER allowance_grants_begin AFTER INSERT OR DELETE ON ducat.allowance_grants
FOR EACH ROW EXECUTE FUNCTION ducat.drop_entitlements();

CREATE OR REPLACE TRIGGER allowance_grants_change AFTER UPDATE ON ducat.allowance_grants
FOR EACH ROW WHEN ((OLD.starts_at, OLD.expires_at, OLD.revoked_at)
  IS DISTINCT FROM (NEW.starts_at, NEW.expires_at, NEW.revoked_at))
EXECUTE FUNCTION ducat.drop_entitlements();

CREATE OR REPLACE TRIGGER accounts_kind AFTER UPDATE OF kind ON ducat.accounts
FOR EACH ROW WHEN (OLD.kind IS DISTINCT FROM NEW.kind)
EXECUTE FUNCTION ducat.drop_account_entitlements();

-- Rows, not statements: a push that changes nothing tells nobody, and one that changes many tells
-- the same once.
CREATE OR REPLACE TRIGGER products_begin AFTER INSERT OR DELETE ON ducat.products
FOR EACH ROW EXECUTE FUNCTION ducat.drop_all_entitlements();

CREATE OR REPLACE TRIGGER products_change AFTER UPDATE ON ducat.products
FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
EXECUTE FUNCTION ducat.drop_all_entitlements();

CREATE OR REPLACE TRIGGER prices_begin AFTER INSERT OR DELETE ON ducat.prices
FOR EACH ROW EXECUTE FUNCTION ducat.drop_all_entitlements();

CREATE OR REPLACE TRIGGER prices_change AFTER UPDATE ON ducat.prices
FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
EXECUTE FUNCTION ducat.drop_all_entitlements();
