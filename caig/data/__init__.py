"""From logs of shown ads to pairs of ads: reading, checking, splitting, labelling."""
