"""Only here because Hydra wants an __init__.py in a config tree that it reads as a package; not shipped."""
