-- What is known of sites beyond their slug: of those that were added, and of those of SITES that were given something.

CREATE TABLE declared_sites (
  slug text PRIMARY KEY,
  -- Null: it is called as its slug is.
  name text,
  -- Where its pages are, for people.
  hosts text[] NOT NULL DEFAULT '{}',
  -- Since then it takes no events.
  archived_at timestamptz(3),
  -- When it was added; null for one that is a site because SITES says so.
  added_at timestamptz(3)
);

-- Raised by every change of them, so that nodes see that there was one.
CREATE TABLE site_changes (
  version bigint NOT NULL
);
INSERT INTO site_changes VALUES (0);
