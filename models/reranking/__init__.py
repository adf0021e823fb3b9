"""What becomes of a ranked list before it is shown: `rerank`."""

from models.reranking.candidates import RerankedItem, RerankInput
from models.reranking.rerank import rerank
from models.reranking.settings import RerankSettings, Rule

__all__ = ["RerankInput", "RerankSettings", "RerankedItem", "Rule", "rerank"]
