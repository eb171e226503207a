-- Who has access: users, and tokens of every kind, which are stored as the SHA-256 of what their bearer sends.

CREATE TABLE users (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Lower case: a name is the same however it is typed.
  name text NOT NULL UNIQUE,
  -- As src/access/passwords.ts writes it.
  password text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
  -- Slugs; null for all.
  sites text[],
  created_at timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE access_tokens (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('session', 'key', 'share', 'setup')),
  digest bytea NOT NULL UNIQUE,
  name text NOT NULL,
  scopes text[] NOT NULL,
  sites text[],
  -- Of a session.
  user_id integer REFERENCES users ON DELETE CASCADE,
  -- Of a share link.
  password text,
  embed_on text[] NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3)
);

CREATE INDEX access_tokens_kind ON access_tokens (kind, id);
CREATE INDEX access_tokens_user ON access_tokens (user_id);

-- Raised by every change of the two, so that nodes see that there was one.
CREATE TABLE access_changes (
  version bigint NOT NULL
);
INSERT INTO access_changes VALUES (0);

CREATE TABLE audit_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz(3) NOT NULL DEFAULT now(),
  who text NOT NULL,
  action text NOT NULL,
  what text NOT NULL
);
