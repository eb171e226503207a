-- A share link as it is sent, so that whoever made it can copy it again: it shows what the database has anyway. Null for other
-- tokens, which are told once, and for links that were made before.
ALTER TABLE access_tokens ADD COLUMN token text CHECK (token IS NULL OR kind = 'share');
