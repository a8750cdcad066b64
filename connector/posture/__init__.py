"""The fleet's posture for people: questions, a page that answers them, the report and the dashboard made of it."""
