import torch

# Small networks are faster on one thread, and so are many tests side by side.
torch.set_num_threads(1)
