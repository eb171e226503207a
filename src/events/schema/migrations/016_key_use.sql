-- When an API key was last used, to the minute. It raises no version of access_changes: nobody who has access changes by it.
ALTER TABLE access_tokens ADD COLUMN last_used_at timestamptz(3);
