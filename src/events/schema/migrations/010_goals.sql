-- Named filters of a site's events.

CREATE TABLE goals (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Slug.
  site text NOT NULL,
  name text NOT NULL,
  -- As questions have them.
  filters jsonb NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (site, name)
);
