-- Write a document of the sandbox's books, whole, if its version is still p_version; 0 means that
-- there is none yet. Returns false when somebody else was faster. The times are the sandbox's own,
-- as those of any provider are. In live mode nothing calls it: there is no sandbox.
-- Locks the one row. Safe to retry: a repeat finds another version and returns false.
CREATE OR REPLACE FUNCTION ducat.put_sandbox_document(
  p_id text, p_document jsonb, p_version integer, p_due_at timestamptz, p_changed_at timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ducat, pg_temp AS $$
BEGIN
  IF p_version = 0 THEN
    INSERT INTO sandbox_documents (id, document, version, due_at, changed_at)
    VALUES (p_id, p_document, 1, p_due_at, p_changed_at)
    ON CONFLICT (id) DO NOTHING;
  ELSE
    UPDATE sandbox_documents
    SET document = p_document, version = version + 1, due_at = p_due_at, changed_at = p_changed_at
    WHERE id = p_id AND version = p_version;
  END IF;
  RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ducat.put_sandbox_document TO ducat_app, ducat_worker;
