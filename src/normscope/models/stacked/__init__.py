"""Many LeNets as one: the arithmetic of all of them in one call each, differentiated by hand."""
