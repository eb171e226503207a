-- When retention last succeeded, whichever node or command ran it, and since when that is noted: what has been overdue is told by
-- the first run that was due after the later of the two.
ALTER TABLE deployment
  ADD COLUMN retained_at timestamptz(3),
  ADD COLUMN retention_since timestamptz(3) NOT NULL DEFAULT now();
