"""What lives here: one module per framework, each the declaration of what is observed in it."""
