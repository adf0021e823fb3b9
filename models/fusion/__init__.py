"""From one vector a modality to one vector an item."""

from models.fusion.interface import Fusion
from models.fusion.linear import EncoderPart, EncoderSpec, FusionWeights, LinearFusion, bilinear_score

__all__ = ["EncoderPart", "EncoderSpec", "Fusion", "FusionWeights", "LinearFusion", "bilinear_score"]
