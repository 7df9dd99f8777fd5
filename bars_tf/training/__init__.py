"""Training that resumes: checkpoints, stages, distillation and evaluation."""
