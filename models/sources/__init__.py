"""Where candidates come from: each source proposes the items of an index that it finds best."""

from models.sources.proposals import Proposals, best_of, best_rows, unite

__all__ = ["Proposals", "best_of", "best_rows", "unite"]
