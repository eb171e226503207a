-- What of a site's events is left out: patterns of paths, and addresses of visitors.

ALTER TABLE declared_sites
  ADD COLUMN excluded_paths text[] NOT NULL DEFAULT '{}',
  ADD COLUMN excluded_addresses text[] NOT NULL DEFAULT '{}';
