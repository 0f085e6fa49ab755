"""One picture a file: the numbers first, by a plain function, then the drawing."""
