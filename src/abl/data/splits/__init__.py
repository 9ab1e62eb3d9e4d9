"""Train, validation and test: what is never cut, drawn so that splits stand still."""
