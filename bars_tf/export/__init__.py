"""Hand-over of a trained network: Larq Zoo module, deployment file and the proof of both."""
