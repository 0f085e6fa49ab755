"""Where pixels come from: one reader per kind of source, one opener over them."""
