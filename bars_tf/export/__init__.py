"""Hand-over of a trained network: a Larq Zoo model, a deployment file, and the proof that both compute the network."""
