"""The directory that machines have in PYTHONPATH; nothing imports it as a package. Python 3.8 and later."""
