-- Which sites were erased, and when, so that a backup or an archive made before can be made to forget them, too.

CREATE TABLE site_erasures (
  -- Of the receipt.
  id uuid PRIMARY KEY,
  site text NOT NULL,
  erased_at timestamptz(3) NOT NULL,
  -- When the last of it had gone, of Redis too.
  finished_at timestamptz(3)
);

-- What of the partitions' streams counts for nothing, because its site was erased while it waited.
CREATE TABLE erased_entries (
  site text NOT NULL,
  partition smallint NOT NULL,
  -- The last entry that was there.
  up_to text NOT NULL,
  -- Whether it is no site any more: what a node takes that has not heard of it counts for nothing, either.
  gone boolean NOT NULL,
  -- Whether figures of it may be in Redis; the partition's next owner deletes them before anything else.
  figures boolean NOT NULL,
  PRIMARY KEY (site, partition)
);
