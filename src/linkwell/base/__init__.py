"""What everything stands on, knowing nothing of the rest."""
