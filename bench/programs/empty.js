// Nothing: what any program costs.
