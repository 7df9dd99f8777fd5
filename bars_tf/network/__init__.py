"""One builder of networks, parametrized by a layer factory: Keras layers or a symbolic list of layers."""
