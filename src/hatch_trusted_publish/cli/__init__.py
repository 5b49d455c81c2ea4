"""The console script `hatch-trusted-publish`: set a project up for trusted publishing, and check the set-up."""
