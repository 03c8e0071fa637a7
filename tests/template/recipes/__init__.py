"""What the tests of the recipes take their documents, projects and servers from."""
