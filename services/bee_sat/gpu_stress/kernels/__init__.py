"""The kernels' sources, and what compiles them where bee is built. Machines under test need the result."""
