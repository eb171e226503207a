-- The zone in which a site's page and questions speak by default: IANA's name, null for that of the deployment.
ALTER TABLE declared_sites ADD COLUMN time_zone text;
