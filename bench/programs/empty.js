// Empty: the minimum for any program.
