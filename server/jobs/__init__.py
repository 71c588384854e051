"""The job engine: store, dispatcher, launcher."""
