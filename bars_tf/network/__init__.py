"""One builder of networks over a layer factory, which makes Keras layers or a symbolic list of layers."""
