"""The differentiable search: supernet, derivation and the workflow over both."""
