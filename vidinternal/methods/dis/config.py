from vidinternal.core.config import StrictModel
class Config(StrictModel):
    preset: str = "medium"
    """Preset."""
