"""The MNIST digits and three classifiers trained on them: the bundled reference, fully offline."""
