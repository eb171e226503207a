-- Whether a site takes events of its hosts only.

ALTER TABLE declared_sites ADD COLUMN only_hosts boolean NOT NULL DEFAULT false;
