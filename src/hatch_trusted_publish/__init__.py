"""Release a Python package from CI with no stored secret: a plugin for Hatch.

There is no public Python API: users meet the command line of ``hatch publish -p trusted``,
``[tool.hatch.publish.trusted]`` and ``[tool.hatch.version]``.
"""
