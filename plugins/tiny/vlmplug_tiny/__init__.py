"""The checkpoint of internvl2-tiny and its manifest; there is no code, the plugin internvl2 runs it."""
