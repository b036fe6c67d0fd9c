from setuptools import setup
setup(packages=["pipeline"])
